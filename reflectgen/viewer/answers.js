// When two answers are one: a short form of reflectgen.answers.canonical, for counting votes in the page.
// Numbers count by their value, without unit signs and thousands separators; other answers by their words, without case.

const FRACTION = /^([-+]?\d+)\/(\d+)$/;

/** The key under which votes for `answer` are counted. */
export function ballotKey(answer) {
  const text = answer
    .replace(/^.*\\boxed\{([^{}]*)\}.*$/s, "$1")
    .replace(/[\s$\\]/g, "")
    .replace(/\u2212/g, "-")
    .replace(/(?<=\d),(?=\d{3})/g, "")
    .replace(/[.,;:%]+$/, "")
    .toLowerCase();
  const fraction = FRACTION.exec(text);
  const value = fraction ? fraction[1] / fraction[2] : Number(text);
  return text !== "" && Number.isFinite(value) ? String(value) : text;
}

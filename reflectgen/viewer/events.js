// The events of a run: what each has, and how a field of unknown origin is read. Written once, for live and recorded runs.

const text = (value) => (typeof value === "string" ? value : "");
const name = (value) => (typeof value === "string" ? value : null);
const real = (value) => (Number.isFinite(value) ? value : null);
const unit = (value) => (real(value) !== null && value >= 0 && value <= 1 ? value : null);
const count = (value) => (Number.isSafeInteger(value) && value >= 0 ? value : 0);
const list = (value) => (Array.isArray(value) ? value.map(text) : []);
const table = (value) => new Map(Object.entries(value ?? {}).map(([key, number]) => [key, real(number)]));

const COST = ["tokens_generated", "tokens_prefilled", "tokens_scored", "forward_passes", "seconds"];
const cost = (value) => Object.fromEntries(COST.map((field) => [field, real(value?.[field])]));

/** Type of an event -> its fields -> how each is read. */
export const EVENTS = {
  start: { model: text, strategy: text, select: text, k: count, seed: real, effort: text, problem: text, prompt_tokens: count },
  branch: { branch: text, parent: name, steps: count },
  step: { branch: text, index: count, text, score: unit, logprob: real, confidence: real, tokens: count, running: unit },
  end: {
    branch: text, finish: text, why: text, answer: name, score: unit, logprob: real, confidence: real, tokens: count,
    thinking: text, reply: text,
  },
  chosen: { branch: name, answer: name, share: unit, select: text, values: table },
  done: { cost, notes: list },
};

/** The event in `value`, each field of its right kind; null where it is none that is known here. */
export function readEvent(value) {
  if (typeof value !== "object" || value === null || !Object.hasOwn(EVENTS, value.type)) return null;
  const fields = Object.entries(EVENTS[value.type]).map(([field, read]) => [field, read(value[field])]);
  return { type: value.type, ...Object.fromEntries(fields) };
}

// Numbers as the page writes them.

const NONE = "\u2013";
const whole = new Intl.NumberFormat("en");

/** A score or a weight: 0.87. */
export function decimal(value, digits = 2) {
  return value === null || value === undefined ? NONE : value.toFixed(digits).replace("-", "\u2212");
}

/** A log-prob, in nats: -0.047. */
export function nats(value) {
  return decimal(value, 3);
}

/** A score in a narrow cell: .87. */
export function narrow(value) {
  return value === null ? "" : value >= 0.995 ? "1.0" : value.toFixed(2).slice(1);
}

/** A share: 62 %. */
export function percent(value) {
  return value === null ? NONE : `${Math.round(value * 100)}\u202f%`;
}

/** How many of what: 1 token, 1,234 tokens. */
export function plural(number, singular, several = `${singular}s`) {
  return `${whole.format(number)} ${number === 1 ? singular : several}`;
}

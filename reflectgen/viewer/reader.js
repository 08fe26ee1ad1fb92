// One thinking in full: the chosen one, or the one that was asked for.

import { make, part } from "./dom.js";
import { decimal, nats, plural } from "./format.js";
import { paint } from "./grade.js";
import { fateOf } from "./row.js";
import { untrusted } from "./text.js";

const DOT = " \u00b7 ";

export class Reader {
  constructor() {
    this.title = part("reader-title");
    this.facts = part("reader-facts");
    this.steps = part("reader-steps");
    this.rest = part("reader-rest");
    this.hint = this.facts.textContent;
    this.clear();
  }

  clear() {
    this.branch = null;
    this.shown = []; // steps, as they stand in the list
    this.title.textContent = "Reading";
    this.facts.textContent = this.hint;
    this.steps.replaceChildren();
    this.rest.replaceChildren();
  }

  /** Begin to show `branch`. */
  open(branch, chosen) {
    this.clear();
    this.branch = branch;
    this.title.replaceChildren("Thinking ", untrusted(branch.id));
    this.update(chosen);
  }

  /** Bring what is shown up to its branch: new steps are added. */
  update(chosen) {
    const { steps, end } = this.branch;
    for (let index = 0; index < steps.length; index++) this.#step(steps[index], index);
    this.facts.replaceChildren(...facts(this.branch, chosen));
    if (end) this.rest.replaceChildren(...tail(this.branch), ...reply(end));
  }

  #step(step, index) {
    if (index < this.shown.length && this.shown[index] === step) return;
    this.shown[index] = step;
    const shown = item(step, index);
    if (index < this.steps.children.length) this.steps.children[index].replaceWith(shown);
    else this.steps.append(shown);
  }
}

function item(step, index) {
  if (!step) return make("li", {}, `Step ${index + 1} is missing from this trace.`);
  const grade = make("span", { class: "grade number" }, decimal(step.score));
  paint(grade, step.score);
  const figures = [`log-prob ${nats(step.logprob)}`, `confidence ${decimal(step.confidence)}`, `up to token ${step.tokens}`];
  return make("li", {}, grade, untrusted(step.text.trim(), "p"), make("p", { class: "hint" }, figures.join(DOT)));
}

function facts({ end }, chosen) {
  if (!end) return ["still thinking"];
  const word = fateOf(end.finish);
  const figures = [`score ${decimal(end.score)}`, `log-prob ${nats(end.logprob)}`, `confidence ${decimal(end.confidence)}`];
  return [
    ...(chosen ? [make("span", { class: "mark" }, "chosen"), " "] : []),
    ...(word ? [make("span", { class: "fate" }, word), " "] : []),
    ...(end.why ? [untrusted(end.why), DOT] : []),
    [...figures, plural(end.tokens, "token")].join(DOT),
  ];
}

/** What the thinking has beyond its graded steps. */
function tail({ steps, end }) {
  const graded = steps.map((step) => step.text).join("");
  const more = end.thinking.startsWith(graded) ? end.thinking.slice(graded.length).trim() : "";
  return more ? [make("p", { class: "label" }, "Not graded"), untrusted(more, "p")] : [];
}

function reply(end) {
  const text = end.reply.trim();
  return text ? [make("p", { class: "label" }, "Reply"), untrusted(text, "p")] : [];
}

// One branch as a row of the board: its name, a cell for each step, its running score, and what became of it.

import { make } from "./dom.js";
import { decimal, narrow, nats } from "./format.js";
import { paint } from "./grade.js";
import { latest } from "./run.js";
import { drawSpark, spark } from "./spark.js";
import { plain, untrusted } from "./text.js";

const LONG_NAME = 7; // letters of a branch's name that fit

const FATES = new Map([["length", "cut at its limit"], ["cancelled", "pruned"], ["failed", "failed"]]);

/** The word for how a branch ended; none for one that ended by itself, which is told by its answer. */
export function fateOf(finish) {
  return FATES.get(finish) ?? "";
}

export class Row {
  constructor(branch) {
    this.branch = branch;
    this.cells = []; // step index -> what it shows and where; inherited steps are shown by the parent
    this.steps = make("div", { class: "steps" });
    this.spark = spark();
    this.running = make("div", { class: "running number", role: "gridcell", "data-column": "running", tabindex: "-1" });
    this.status = make("div", { class: "status", role: "gridcell", "data-column": "status", tabindex: "-1" });
    this.columns = 0; // steps that there is room for
    this.told = null; // what the status was made from
    this.element = make("div", { class: "row", role: "row", "aria-level": String(depth(branch)), "aria-selected": "false" });
    this.element.append(this.#name(), this.steps, this.spark, this.running, this.status);
    this.element.dataset.branch = branch.id;
    this.steps.style.setProperty("--from", branch.inherited + 1);
  }

  #name() {
    const { id } = this.branch;
    const short = id.length > LONG_NAME ? `\u2026${id.slice(1 - LONG_NAME)}` : id;
    const attributes = { class: "name", role: "rowheader", "data-column": "name", tabindex: "-1" };
    return make("div", { ...attributes, "aria-label": `Thinking ${plain(id)}` }, untrusted(short));
  }

  /** Bring the row up to its branch: new steps are added. `columns` is the number of steps that the board has room for. */
  update(columns, chosen) {
    const { branch } = this;
    for (let index = branch.inherited; index < branch.steps.length; index++) this.#step(branch.steps[index], index);
    if (columns !== this.columns) this.#widen(columns);
    drawSpark(this.spark, branch.steps, columns);
    this.running.textContent = decimal(branch.end?.score ?? latest(branch)?.running ?? null);
    this.#tell(chosen);
    this.element.classList.toggle("pruned", branch.end?.finish === "cancelled");
    this.element.classList.toggle("failed", branch.end?.finish === "failed");
    this.element.classList.toggle("chosen", chosen);
  }

  #step(step, index) {
    if (!step || this.cells[index]?.step === step) return;
    const element = this.cells[index]?.element ?? this.steps.appendChild(cell(index));
    this.cells[index] = { step, element };
    element.setAttribute("aria-label", spoken(step, index));
    element.firstChild.textContent = narrow(step.score);
    paint(element, step.score);
  }

  #widen(columns) {
    this.columns = columns;
    for (const element of [this.element, this.steps]) element.style.setProperty("--columns", columns);
  }

  #tell(chosen) {
    const { branch } = this;
    const told = branch.end ?? latest(branch);
    if (told === this.told && !chosen) return;
    this.told = told;
    this.status.replaceChildren(...(branch.end ? fate(branch.end, chosen) : [untrusted(told?.text.trim() ?? "")]));
  }
}

function fate(end, chosen) {
  const word = fateOf(end.finish);
  const parts = [];
  if (end.answer !== null && end.finish !== "cancelled") parts.push(make("strong", {}, untrusted(end.answer)));
  if (word) parts.push(make("span", { class: "fate" }, word));
  if (chosen) parts.push(make("span", { class: "mark" }, "chosen"));
  if (end.why) parts.push(untrusted(end.why));
  if (!parts.length) parts.push("no answer");
  return parts.flatMap((part, index) => (index ? [" ", part] : [part]));
}

function cell(index) {
  const element = make("div", { class: "step", role: "gridcell", "data-column": String(index), tabindex: "-1" });
  element.append(make("span", { "aria-hidden": "true" }));
  element.style.setProperty("grid-column", index + 1);
  return element;
}

function spoken({ score, logprob, confidence }, index) {
  return `Step ${index + 1}, score ${decimal(score)}, log-prob ${nats(logprob)}, confidence ${decimal(confidence)}`;
}

function depth(branch) {
  let level = 1;
  for (let above = branch.parent; above; above = above.parent) level += 1;
  return level;
}

// What is known of the step under the pointer or the focus, always in the same place below the board.

import { make, part } from "./dom.js";
import { decimal, nats } from "./format.js";
import { paint } from "./grade.js";
import { untrusted } from "./text.js";

const HINT = "Point at a step, or move to it with the arrow keys, for its grade.";

export class Readout {
  constructor() {
    this.element = part("readout");
  }

  clear() {
    this.element.replaceChildren(make("p", { class: "hint" }, HINT));
  }

  /** Show step `index` of `branch`. */
  show(branch, index) {
    const step = branch.steps[index];
    const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    paint(swatch, step.score);
    const figures = [
      ["score", decimal(step.score)],
      ["log-prob", nats(step.logprob)],
      ["confidence", decimal(step.confidence)],
      ["running", decimal(step.running)],
      ["up to token", String(step.tokens)],
    ].map(([name, value]) => make("span", {}, `${name} `, make("b", {}, value)));
    const where = make("span", {}, "Thinking ", untrusted(branch.id), `, step ${index + 1}`);
    const line = make("p", { class: "figures" }, swatch, where, ...figures);
    this.element.replaceChildren(line, untrusted(step.text.trim(), "p"));
  }
}

// The head of a run: what was asked, how it went, what it cost, and the answer.

import { make, part } from "./dom.js";
import { percent, plural } from "./format.js";
import { plain, untrusted } from "./text.js";

const LONG = 24; // letters of an answer that are written large
const ASKED = { strategy: "strategy", select: "selector", effort: "effort" };

/** Show what is known of the run by now. */
export function showOutcome(run) {
  part("question").replaceChildren(untrusted(run.start?.problem ?? "", "span"));
  part("facts").replaceChildren(...facts(run));
  part("notes").replaceChildren(...(run.done?.notes ?? []).map((note) => make("li", {}, untrusted(note))));
}

/** Say that the answer is still to come. */
export function awaitAnswer() {
  part("answer").replaceChildren("\u2026");
  part("reason").replaceChildren();
}

/** Say the answer; it is read out, so this is done once. */
export function tellAnswer({ branch, answer, select, share }) {
  const from = branch === null ? ["No thinking was chosen by "] : ["From thinking ", untrusted(branch), ", chosen by "];
  part("answer").classList.toggle("long", (answer ?? "").length > LONG);
  part("answer").replaceChildren(answer === null ? "none" : untrusted(answer));
  part("reason").replaceChildren(...from, untrusted(select), `, ${percent(share)} of the votes`);
}

/** Show which model it is. */
export function showModel(name) {
  part("model").replaceChildren(untrusted(name));
  document.title = `${plain(name)} \u00b7 reflectgen`;
}

function facts({ start, branches, pruned, done }) {
  const { tokens_generated: tokens, forward_passes: passes, seconds } = done?.cost ?? {};
  const asked = Object.entries(ASKED).filter(([name]) => start?.[name]);
  const told = [
    ...asked.map(([name, says]) => make("span", {}, `${says} `, untrusted(start[name]))),
    start && start.seed !== null && `seed ${start.seed}`,
    `${plural(branches.size, "thinking")}${pruned ? `, ${pruned} pruned` : ""}`,
    tokens != null && plural(tokens, "token"),
    passes != null && plural(passes, "pass", "passes"),
    seconds != null && `${seconds.toFixed(2)} s`,
  ];
  return told.filter(Boolean).map((fact) => make("span", {}, fact));
}

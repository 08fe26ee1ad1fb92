// Selectors side by side: which answer each would give from the same thinkings.

import { make, part } from "./dom.js";
import { percent } from "./format.js";
import { COMPARED, SELECTORS, choose, hasHead } from "./select.js";
import { mention, untrusted } from "./text.js";

/** Show what each selector decides over the run's ended branches, and what the run's own decided. */
export function compareSelectors(run) {
  const { ended, chosen } = run;
  const own = run.start?.select;
  const given = chosen && { ...chosen, branch: run.branches.get(chosen.branch) };
  const others = COMPARED.filter((name) => name !== own && (!SELECTORS[name].head || hasHead(ended)));
  const first = own ? [line(own, given, true)] : [];
  part("choices").replaceChildren(...first, ...others.map((name) => line(name, choose(name, ended), false)));
}

function line(name, choice, own) {
  const answer = choice?.answer ?? null;
  return make(
    "tr",
    own ? { class: "won" } : {},
    make("th", { scope: "row" }, untrusted(name), ...(own ? [" ", make("span", { class: "mark" }, "this run")] : [])),
    make("td", {}, answer === null ? "\u2013" : mention(answer)),
    make("td", { class: "number" }, choice?.branch ? untrusted(choice.branch.id) : "\u2013"),
    make("td", { class: "number" }, percent(choice?.share ?? null)),
  );
}

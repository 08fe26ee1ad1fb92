// The vote as it forms: each answer with the summed weight of the thinkings that gave it.

import { make, part } from "./dom.js";
import { decimal, percent } from "./format.js";
import { SELECTORS, ballots, electorate, hasHead } from "./select.js";
import { mention } from "./text.js";

/** Show the votes of the run's ended branches, weighted as its selector weighs them; where it has no votes, by score. */
export function showVotes(run) {
  const { ended } = run;
  const name = rule(run.start?.select, ended);
  const eligible = electorate(ended);
  const total = eligible.reduce((sum, branch) => sum + SELECTORS[name].value(branch), 0);
  part("votes-rule").textContent = ended.length ? `Weighted by ${SELECTORS[name].says}` : "No thinking has answered yet";
  part("ballots").replaceChildren(...ballots(eligible, SELECTORS[name].value).map((ballot) => line(ballot, total, run.chosen)));
}

function rule(select, ended) {
  if (Object.hasOwn(SELECTORS, select ?? "") && SELECTORS[select].votes) return select;
  return hasHead(ended) ? "weighted" : "majority";
}

function line({ answer, weight, voters }, total, chosen) {
  const share = total > 0 ? weight / total : 0;
  const bar = make("div", { class: "weight", role: "img", "aria-label": percent(share) });
  bar.style.setProperty("--share", share);
  const won = voters.some((branch) => branch.id === chosen?.branch);
  return make(
    "tr",
    won ? { class: "won" } : {},
    make("th", { scope: "row" }, mention(answer)),
    make("td", { class: "share" }, bar),
    make("td", { class: "number" }, decimal(weight)),
    make("td", { class: "number" }, String(voters.length)),
  );
}

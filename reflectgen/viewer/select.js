// Which answer each selector would give: reflectgen.select, over the branches of one run, in the page.
// Deviations: answers are equal under `ballotKey`, which knows fewer spellings, and blends are not computed here.

import { ballotKey } from "./answers.js";

const EPS = 1e-10; // of reflectgen.scoring

const score = (branch) => branch.end.score ?? 0;
const product = (branch) =>
  branch.steps.length ? branch.steps.reduce((all, step) => all * Math.max(step.score ?? 0, EPS), 1) : score(branch);
const logprob = (branch) => branch.end.logprob ?? 0;
const confidence = (branch) => branch.end.confidence ?? 0;
const shortness = (branch) => -branch.end.tokens;
const one = () => 1;

/** Name -> what it goes by; `votes` adds up equal answers, the others take the largest value. `head` needs step scores. */
export const SELECTORS = {
  majority: { value: one, votes: true, says: "the number of thinkings" },
  weighted: { value: score, votes: true, head: true, says: "score" },
  sprm: { value: score, head: true, says: "score" },
  logprob: { value: logprob, says: "log-prob" },
  confidence: { value: confidence, says: "confidence" },
  shortest: { value: shortness, says: "length" },
  product: { value: product, head: true, says: "product of step scores" },
  "weighted:sprm": { value: score, votes: true, head: true, says: "score" },
  "weighted:product": { value: product, votes: true, head: true, says: "product of step scores" },
  "weighted:logprob": { value: (branch) => Math.exp(logprob(branch)), votes: true, says: "probability" },
  "weighted:confidence": { value: confidence, votes: true, says: "confidence" },
};

/** Those that are set side by side, whatever the run was chosen by. */
export const COMPARED = ["majority", "weighted", "sprm", "logprob", "confidence", "shortest"];

/** Of the ended branches those that may win: that came to an end by themselves, or all where none did. */
export function electorate(ended) {
  const finished = ended.filter((branch) => ["stop", "length"].includes(branch.end.finish));
  return finished.length ? finished : ended;
}

/** Whether the run's model grades steps. */
export function hasHead(ended) {
  return ended.some((branch) => branch.end.score !== null);
}

/** The answers given, each with the branches that gave it and their summed value, the heaviest first. */
export function ballots(eligible, value) {
  const found = new Map();
  for (const branch of eligible.filter((branch) => branch.end.answer !== null)) {
    const key = ballotKey(branch.end.answer);
    if (!found.has(key)) found.set(key, { answer: branch.end.answer, voters: [], weight: 0 });
    const ballot = found.get(key);
    ballot.voters.push(branch);
    ballot.weight += value(branch);
  }
  return [...found.values()].sort((a, b) => b.weight - a.weight || mean(b.voters) - mean(a.voters));
}

/** What the selector `name` decides over the ended branches: {branch, answer, share}; null where there is nothing to choose. */
export function choose(name, ended) {
  const { value, votes } = SELECTORS[name];
  const eligible = electorate(ended);
  return eligible.length === 0 ? null : (votes ? vote : best)(eligible, value);
}

function best(eligible, value) {
  const branch = eligible.reduce((a, b) => (value(b) - value(a) || logprob(b) - logprob(a)) > 0 ? b : a);
  const agreeing = ballots(eligible, one).find((ballot) => ballot.voters.includes(branch));
  return { branch, answer: branch.end.answer, share: (agreeing?.voters.length ?? 0) / eligible.length };
}

function vote(eligible, value) {
  const [winner] = ballots(eligible, value);
  if (!winner) return null;
  const quality = (branch) => branch.end.score ?? logprob(branch);
  const branch = winner.voters.reduce((a, b) => (quality(b) - quality(a) || logprob(b) - logprob(a)) > 0 ? b : a);
  const total = eligible.reduce((sum, voter) => sum + value(voter), 0);
  return { branch, answer: branch.end.answer, share: total > 0 ? winner.weight / total : 0 };
}

function mean(voters) {
  return voters.reduce((sum, branch) => sum + logprob(branch), 0) / voters.length;
}

// The page: events go into a run, and what they changed is painted at the next frame.

import { askWith } from "./ask.js";
import { Board } from "./board.js";
import { compareSelectors } from "./compare.js";
import { make, part } from "./dom.js";
import { everyFrame } from "./frame.js";
import { paint } from "./grade.js";
import { openTraces } from "./open.js";
import { awaitAnswer, showModel, showOutcome, tellAnswer } from "./outcome.js";
import { Reader } from "./reader.js";
import { Run } from "./run.js";
import { shareRuns } from "./share.js";
import { KeyRefused, ask } from "./stream.js";
import { switchThemes } from "./theme.js";
import { parseTrace } from "./trace.js";
import { showVotes } from "./votes.js";

let run = new Run();
let settled = false; // whether something ended since the last frame
let picked = false; // whether someone chose what to read
const changed = new Set(); // branches to be painted

const reader = new Reader();
const board = new Board((branch) => {
  picked = true;
  read(branch);
});
const repaint = everyFrame(() => {
  const chosen = run.branches.get(run.chosen?.branch);
  board.update(changed, chosen, run.done !== null);
  if (chosen && !picked && reader.branch !== chosen) read(chosen);
  else if (reader.branch && (changed.has(reader.branch) || chosen)) reader.update(reader.branch === chosen);
  changed.clear();
  showOutcome(run);
  if (settled) {
    showVotes(run);
    compareSelectors(run);
  }
  settled = false;
});

function read(branch) {
  reader.open(branch, branch.id === run.chosen?.branch);
  board.select(branch);
}

function take(event) {
  const branch = run.apply(event);
  if (branch) changed.add(branch);
  if (event?.type !== "step") settled = true;
  if (event?.type === "chosen" && run.chosen) tellAnswer(run.chosen);
  repaint();
}

function clear() {
  run = new Run();
  picked = false;
  changed.clear();
  board.clear();
  reader.clear();
  awaitAnswer();
  complain("");
  part("said").textContent = "";
  part("empty").hidden = true;
  part("run").hidden = part("skip").hidden = false;
  repaint();
}

function show(events) {
  clear();
  events.forEach(take);
  if (run.start?.model) showModel(run.start.model);
}

async function begin(question, key, signal) {
  clear();
  const mine = run; // what is shown from now on, until another one is
  try {
    for await (const event of ask(question, key, signal)) {
      if (run !== mine) return;
      take(event);
    }
    if (mine.events.length === 0) throw new Error("The server told of no steps: this page is for a reflectgen server.");
  } catch (error) {
    if (run !== mine) return;
    complain(signal.aborted ? "Stopped. What had come by then is shown." : error.message, error);
    if (error instanceof KeyRefused) part("key").focus();
  }
}

function complain(sentence, error = null) {
  part("trouble").textContent = sentence;
  part("key").setAttribute("aria-invalid", error instanceof KeyRefused);
}

function swatches() {
  for (let tenth = 0; tenth <= 10; tenth++) {
    const swatch = make("span", { class: "swatch" });
    paint(swatch, tenth / 10);
    part("swatches").append(swatch);
  }
}

const inside = part("trace"); // the run of a page that was shared as one file
switchThemes();
swatches();
shareRuns(() => run.events, inside !== null);
openTraces(show, complain);
if (inside) {
  part("ask").hidden = true;
  show(parseTrace(inside.textContent));
} else {
  askWith(begin, complain);
}

// One run, built up event by event. It knows nothing of the page.

import { readEvent } from "./events.js";

const LONGEST = 10_000; // steps of a thinking; beyond that an index is taken for a mistake

const CHANGES = {
  start: (run, event) => void (run.start = event),
  branch: (run, event) => run.branch(event.branch, event.parent, event.steps),
  step: (run, event) => {
    const branch = run.branch(event.branch);
    if (event.index < LONGEST) branch.steps[event.index] = event;
    return branch;
  },
  end: (run, event) => Object.assign(run.branch(event.branch), { end: event }),
  chosen: (run, event) => {
    run.chosen = event;
    return run.branches.get(event.branch);
  },
  done: (run, event) => void (run.done = event),
};

export class Run {
  constructor() {
    this.events = []; // as they came, known ones or not
    this.start = null;
    this.branches = new Map(); // id -> branch, in the order of their coming
    this.chosen = null;
    this.done = null;
  }

  /** Take the next event; returns the branch that it changed, if it did. */
  apply(value) {
    this.events.push(value);
    const event = readEvent(value);
    return event ? CHANGES[event.type](this, event) : undefined;
  }

  /** The branch `id`, made if it is new. Only a branch that is already there can be its parent. */
  branch(id, parent = null, inherited = 0) {
    if (!this.branches.has(id)) {
      const from = this.branches.get(parent) ?? null;
      const steps = from ? from.steps.slice(0, inherited) : []; // shared with its parent
      this.branches.set(id, { id, parent: from, inherited: steps.length, steps, end: null });
    }
    return this.branches.get(id);
  }

  /** Branches that have ended. */
  get ended() {
    return [...this.branches.values()].filter((branch) => branch.end);
  }

  /** How many branches were given up. */
  get pruned() {
    return this.ended.filter((branch) => branch.end.finish === "cancelled").length;
  }
}

/** The latest step of a branch; undefined before the first. */
export function latest(branch) {
  return branch.steps.at(-1);
}

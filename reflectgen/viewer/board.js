// All thinkings of a run, one below the other, forks below what they were forked from; with the keys of a grid.

import { part } from "./dom.js";
import { Readout } from "./readout.js";
import { Row } from "./row.js";

const ROOMY = 12; // steps up to which a cell has room for its number
const DENSE = 80; // steps up to which there is room between cells
const MOVES = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

export class Board {
  /** `read` is called with the branch that someone wants to read. */
  constructor(read) {
    this.element = part("rows");
    this.readout = new Readout();
    this.read = read;
    this.clear();
    this.element.addEventListener("click", (event) => this.#pick(event.target));
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("pointerover", (event) => this.#point(event.target));
    this.element.addEventListener("focusin", (event) => this.#point(event.target));
  }

  clear() {
    this.rows = new Map(); // branch -> row
    this.longest = 0; // steps
    this.columns = 0; // steps that there is room for
    this.stop = null; // the cell that Tab leads to
    this.element.replaceChildren();
    this.readout.clear();
  }

  /** Bring the rows of the branches in `changed` up to date; `over` tells that no more steps will come. */
  update(changed, chosen, over) {
    const added = [...changed].filter((branch) => !this.rows.has(branch));
    added.forEach((branch) => this.#add(branch));
    if (added.some((branch) => branch.parent)) this.#join();
    this.longest = Math.max(this.longest, ...[...changed].map((branch) => branch.steps.length));
    const columns = over ? this.longest : room(this.longest);
    const all = columns !== this.columns;
    if (all) this.#widen(columns);
    for (const branch of all ? this.rows.keys() : changed) this.rows.get(branch).update(columns, branch === chosen);
  }

  /** Show which branch is being read. */
  select(branch) {
    for (const row of this.rows.values()) row.element.setAttribute("aria-selected", String(row.branch === branch));
  }

  #add(branch) {
    const row = new Row(branch);
    this.rows.set(branch, row);
    const before = branch.parent ? this.#behind(branch.parent) : null;
    this.element.insertBefore(row.element, before);
    if (!this.stop) this.#move(row.element.firstChild);
  }

  /** The row that follows `branch` and all that were forked from it. */
  #behind(branch) {
    let row = this.rows.get(branch).element;
    const level = Number(row.getAttribute("aria-level"));
    do row = row.nextElementSibling;
    while (row && Number(row.getAttribute("aria-level")) > level);
    return row;
  }

  /** Tell each fork how many rows above it its parent stands, for the line between them. */
  #join() {
    const places = new Map([...this.element.children].map((element, index) => [element, index]));
    for (const row of this.rows.values()) {
      if (!row.branch.parent) continue;
      const parent = this.rows.get(row.branch.parent);
      row.steps.classList.add("fork");
      row.steps.style.setProperty("--up", places.get(row.element) - places.get(parent.element));
    }
  }

  #widen(columns) {
    this.columns = columns;
    this.element.classList.toggle("dense", this.columns > ROOMY);
    this.element.classList.toggle("packed", this.columns > DENSE);
  }

  #pick(target) {
    const cell = target.closest("[data-column]");
    if (cell) this.#move(cell);
    const branch = this.#branch(target);
    if (branch) this.read(branch);
  }

  #key(event) {
    const cell = event.target.closest("[data-column]");
    if (!cell) return;
    if (event.key === "Enter" || event.key === " ") this.read(this.#branch(cell));
    else if (!this.#go(cell, event)) return;
    event.preventDefault();
  }

  #go(cell, { key }) {
    const cells = [...cell.closest(".row").querySelectorAll("[data-column]")];
    if (key === "Home" || key === "End") return this.#focus(cells.at(key === "Home" ? 0 : -1));
    if (!Object.hasOwn(MOVES, key)) return false;
    const [right, down] = MOVES[key];
    return this.#focus(right ? cells[cells.indexOf(cell) + right] : this.#vertical(cell, down));
  }

  /** The cell of the same column in the next row, or the step nearest to it. */
  #vertical(cell, down) {
    const row = cell.closest(".row");
    const next = down > 0 ? row.nextElementSibling : row.previousElementSibling;
    if (!next) return null;
    const { column } = cell.dataset;
    const same = next.querySelector(`[data-column="${column}"]`);
    if (same) return same;
    const steps = [...next.querySelectorAll(".step")];
    const distance = (step) => Math.abs(step.dataset.column - column);
    return steps.length ? steps.reduce((a, b) => (distance(b) < distance(a) ? b : a)) : next.firstChild;
  }

  #focus(cell) {
    if (!cell) return true; // the edge
    this.#move(cell);
    cell.focus();
    return true;
  }

  #move(cell) {
    this.stop?.setAttribute("tabindex", "-1");
    this.stop = cell;
    cell.setAttribute("tabindex", "0");
  }

  #point(target) {
    const cell = target.closest(".step");
    if (cell) this.readout.show(this.#branch(cell), Number(cell.dataset.column));
  }

  #branch(target) {
    const element = target.closest(".row");
    return [...this.rows.values()].find((row) => row.element === element)?.branch;
  }
}

/** Columns to make for so many steps: of many, more than are needed yet, since each change lays out every cell anew. */
function room(steps) {
  return steps <= ROOMY ? steps : ROOMY * 2 ** Math.ceil(Math.log2(steps / ROOMY));
}

// The colour of a score. The scale itself, even to the eye from one end to the other, stands in viewer.css.

/** Give `element` the colour of `score`; one without a score stays grey. */
export function paint(element, score) {
  element.classList.toggle("graded", score !== null);
  if (score !== null) element.style.setProperty("--score", score);
}

// A small line of the running score: along it the steps, up it the score from 0 to 1.

const SVG = "http://www.w3.org/2000/svg";

/** An empty line; `draw` fills it. */
export function spark() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(path("line"), path("dot"));
  return svg;
}

/** Draw the running scores of `steps`, with room for `columns` steps. */
export function drawSpark(svg, steps, columns) {
  svg.setAttribute("viewBox", `0 -0.08 ${columns} 1.16`);
  const points = [];
  steps.forEach((step, index) => {
    if (step.running !== null) points.push(`${index + 0.5} ${(1 - step.running).toFixed(3)}`);
  });
  svg.firstChild.setAttribute("d", points.length ? `M${points.join("L")}` : "");
  svg.lastChild.setAttribute("d", points.length ? `M${points.at(-1)}h0` : "");
}

function path(kind) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("class", kind);
  element.setAttribute("vector-effect", "non-scaling-stroke");
  return element;
}

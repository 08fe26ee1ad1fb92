// Elements. Attributes are names of this package's own choosing; children are elements, or strings that become text.

/** An element `tag` with `attributes` and `children`. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** The element of the page with that id. */
export function part(id) {
  return document.getElementById(id);
}

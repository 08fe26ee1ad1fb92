// Text of unknown origin: shown as it is and nothing else. It only ever becomes text nodes, its direction cannot leave its
// element, and what would be invisible, or would turn other text round, is shown by its code point.

const UNSEEN = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu; // the two joiners belong to scripts and emoji

/** `text` as an element of its own, with controls made visible. */
export function untrusted(text, tag = "bdi") {
  const element = document.createElement(tag);
  element.className = "untrusted";
  let from = 0;
  for (const match of text.matchAll(UNSEEN)) {
    const control = document.createElement("span");
    control.className = "control";
    control.textContent = codePoint(match[0]);
    element.append(text.slice(from, match.index), control);
    from = match.index + match[0].length;
  }
  element.append(text.slice(from));
  return element;
}

/** An answer where it is only mentioned: it may be cut after a few lines. */
export function mention(answer) {
  const element = untrusted(answer);
  element.classList.add("answer");
  return element;
}

/** `text` as a string for a label or a title, controls named. */
export function plain(text) {
  return text.replace(UNSEEN, (control) => `[${codePoint(control)}]`);
}

function codePoint(character) {
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

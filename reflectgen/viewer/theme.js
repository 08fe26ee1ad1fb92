// Light or dark: as the system has it until the button is pressed, then as was chosen, remembered where that is allowed.

import { part } from "./dom.js";

const OTHER = { light: "dark", dark: "light" };

/** Make the button switch between light and dark. */
export function switchThemes() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const now = () => root.dataset.theme ?? (system.matches ? "dark" : "light");
  const label = () => {
    const other = OTHER[now()];
    part("theme").textContent = other === "dark" ? "Dark" : "Light";
    part("theme").setAttribute("aria-label", `Switch to ${other}`);
  };
  const kept = remembered();
  if (Object.hasOwn(OTHER, kept ?? "")) root.dataset.theme = kept;
  part("theme").addEventListener("click", () => {
    root.dataset.theme = OTHER[now()];
    remember(root.dataset.theme);
    label();
  });
  system.addEventListener("change", label);
  label();
}

function remembered() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // a page in a file or a frame may have no storage
  }
}

function remember(theme) {
  try {
    localStorage.setItem("theme", theme);
  } catch {
    return; // as above: the choice then lasts as long as the page
  }
}

// The form: from what was filled in to a question, and from Ask to Stop and back.

import { make, part } from "./dom.js";
import { showModel } from "./outcome.js";
import { models } from "./stream.js";
import { plain } from "./text.js";

/** Let the form ask: `begin(question, key, signal)` does the asking and comes back when it is over. */
export function askWith(begin, complain) {
  const form = part("ask");
  let running = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return running.abort();
    running = new AbortController();
    part("send").textContent = "Stop";
    await begin(question(form), key(form), running.signal);
    running = null;
    part("send").textContent = "Ask";
  });
  form.elements.problem.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !running) form.requestSubmit();
  });
  form.elements.key.addEventListener("change", () => {
    complain("");
    listModels(form, complain);
  });
  for (const button of document.querySelectorAll("#examples button")) {
    button.addEventListener("click", () => {
      form.elements.problem.value = button.textContent;
      if (!running) form.requestSubmit();
    });
  }
  listModels(form, complain);
}

function question({ elements }) {
  return {
    model: elements.model.value,
    problem: elements.problem.value,
    effort: elements.effort.value,
    strategy: elements.strategy.value,
    select: elements.select.value,
    seed: Number(elements.seed.value),
  };
}

function key({ elements }) {
  return elements.key.value.trim();
}

async function listModels(form, complain) {
  const { elements } = form;
  try {
    const names = await models(key(form));
    elements.model.replaceChildren(...names.map((name) => new Option(plain(name), name)));
    elements.model.onchange = () => showModel(elements.model.value);
    part("model-choice").hidden = names.length < 2;
    showModel(names[0] ?? "");
  } catch (error) {
    complain(error.message, error);
  }
}

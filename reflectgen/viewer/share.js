// A run leaves the page: as JSON on the clipboard or in a file, or as a page of its own.

import { bundle } from "./bundle.js";
import { part } from "./dom.js";
import { traceText } from "./trace.js";

/** Let the buttons of the run work on what `events` returns; `whole` tells that this page is such a file itself. */
export function shareRuns(events, whole) {
  const ways = {
    copy: async () => {
      if (!navigator.clipboard) throw new Error("This browser copies from https or localhost only: download it instead.");
      await navigator.clipboard.writeText(traceText(events()));
      return "Copied.";
    },
    download: async () => save("trace.json", "application/json", traceText(events())),
    share: async () => save("reflectgen.html", "text/html", await bundle(traceText(events()), source)),
  };
  for (const [id, way] of Object.entries(ways)) {
    part(id).addEventListener("click", async () => {
      part("said").textContent = await way().catch((error) => error.message);
    });
  }
  part("share").hidden = whole;
}

async function source(name) {
  const response = await fetch(new URL(name, document.baseURI));
  if (!response.ok) throw new Error(`The server no longer has ${name}: it answered ${response.status}.`);
  return response.text();
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  return `Saved as ${name}.`;
}

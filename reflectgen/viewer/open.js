// Recorded traces come in by a picker, by drag and drop, or from an address of the same origin: `?trace=ADDRESS`.

import { part } from "./dom.js";
import { parseTrace } from "./trace.js";

const LARGEST = 64 * 1024 * 1024; // bytes

/** Give the events of each trace that is opened to `show`, and what is wrong with it to `complain`. */
export function openTraces(show, complain) {
  const read = async (load) => {
    try {
      show(parseTrace(await load()));
    } catch (error) {
      complain(error.message);
    }
  };
  const file = part("file");
  part("open").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    if (file.files.length) read(() => contents(file.files[0]));
    file.value = ""; // so that the same file can be opened again
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const [dropped] = event.dataTransfer.files;
    if (dropped) read(() => contents(dropped));
  });
  const address = new URLSearchParams(location.search).get("trace");
  if (address) read(() => fetched(address));
}

async function contents(file) {
  if (file.size > LARGEST) throw new Error("This file is larger than 64 MiB, more than a page can show.");
  return file.text();
}

async function fetched(address) {
  const url = new URL(address, location.href);
  if (url.origin !== location.origin) {
    throw new Error("A trace is only fetched from where this page came from: open it as a file.");
  }
  const response = await fetch(url, { redirect: "error" });
  if (!response.ok) throw new Error(`There is no trace at this address: the server answered ${response.status}.`);
  return response.text();
}

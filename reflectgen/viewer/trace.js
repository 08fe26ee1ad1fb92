// A recorded run as text: {"version": 1, "events": [...]}, a bare list of events, or one event a line.

import { readEvent } from "./events.js";

export const TRACE_VERSION = 1;

/** The events in `text`, as they were written. Throws an error that says what is wrong with it. */
export function parseTrace(text) {
  const found = parsed(text);
  const version = found.version ?? found.find?.((event) => event?.type === "start")?.version ?? TRACE_VERSION;
  if (version !== TRACE_VERSION) {
    throw new Error(`This trace has version ${version}, and this page reads version ${TRACE_VERSION}.`);
  }
  const events = Array.isArray(found) ? found : found.events;
  if (!Array.isArray(events) || !events.some((event) => readEvent(event))) {
    throw new Error("This is no trace: there is no event of a run in it.");
  }
  return events;
}

/** The trace of `events`, one event a line. */
export function traceText(events) {
  return `{"version": ${TRACE_VERSION}, "events": [\n${events.map((event) => JSON.stringify(event)).join(",\n")}\n]}\n`;
}

function parsed(text) {
  for (const read of [JSON.parse, jsonLines]) {
    try {
      const found = read(text);
      if (typeof found === "object" && found !== null) return found.type ? [found] : found;
    } catch {
      continue; // it may be of the other form
    }
  }
  throw new Error("This is no trace: it is not JSON.");
}

function jsonLines(text) {
  return text.split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line));
}

// Asking the server: one request, and the events of its answer as they come (server-sent events over POST).
// A key goes into the header of the request and nowhere else.

const NEEDED = "This server asks for an API key: write it into the field of that name.";
const WRONG = "The server does not know this API key: look for a slip, or write another.";

/** The key is missing or wrong. */
export class KeyRefused extends Error {}

/** The models that the server has. Throws an error that says why there is none, `KeyRefused` where it is for the key. */
export async function models(key) {
  const { data } = await (await reach("v1/models", { headers: headers(key) })).json();
  return data.map((model) => model.id);
}

/** The events of one question, as they come; without a model it is for the first that there is. Throws as `models`. */
export async function* ask({ model, problem, effort, strategy, select, seed }, key, signal) {
  model ||= (await models(key))[0];
  const messages = [{ role: "user", content: problem }];
  const own = { stream_steps: true, ...(strategy && { strategy }), ...(select && { select }) };
  const body = JSON.stringify({ model, messages, reasoning_effort: effort, stream: true, seed, reflectgen: own });
  const sent = { ...headers(key), "Content-Type": "application/json" };
  const response = await reach("v1/chat/completions", { method: "POST", headers: sent, body, signal });
  for await (const data of received(response.body)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message ?? "The server failed.");
    if (chunk.reflectgen?.type) yield chunk.reflectgen;
  }
}

function headers(key) {
  if (/[^!-~]/.test(key)) throw new KeyRefused(WRONG); // no header can hold it
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function reach(path, request) {
  const response = await fetch(path, request);
  if (response.ok) return response;
  const sentence = await refusal(response); // read in any case: the request is over then
  if (response.status === 401) throw new KeyRefused(request.headers.Authorization ? WRONG : NEEDED);
  throw new Error(sentence);
}

async function refusal(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).error.message;
  } catch {
    return `The server answered ${response.status} ${response.statusText}`.trim() + ".";
  }
}

/** The data of each message of an event stream, in order. */
async function* received(stream) {
  let rest = "";
  for await (const piece of pieces(stream.pipeThrough(new TextDecoderStream()))) {
    const blocks = (rest + piece).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => line.startsWith("data:"));
      if (lines.length) yield lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
    }
  }
}

async function* pieces(stream) {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    reader.cancel().catch(() => {}); // also where nobody reads on: the server then stops
  }
}

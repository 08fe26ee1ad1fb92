// Asking the server: one request, and the events of its answer as they come (server-sent events over POST).

/** The models that the server has. Throws an error that says why there is none. */
export async function models(key) {
  const { data } = await (await reach("v1/models", { headers: headers(key) })).json();
  return data.map((model) => model.id);
}

/** The events of one question, as they come. Throws an error that says what went wrong. */
export async function* ask({ model, problem, effort, strategy, select, seed }, key, signal) {
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
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function reach(path, request) {
  const response = await fetch(path, request);
  if (!response.ok) throw new Error(await refusal(response));
  return response;
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

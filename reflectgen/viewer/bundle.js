// The page as one file: its style, its modules and a run, in a page that needs no server and can reach none.
//
// Modules become blocks of one script, each after those that it imports. The run stands in an element of data with every `<`
// written as an escape, so nothing in it can end that element. The file's own policy runs only what carries the random word
// that was drawn when the file was made, after everything in the run had been written, and forbids every connection.

const FIRST = '<meta charset="utf-8">';
const LAST = "</body>";
const STYLE = '<link rel="stylesheet" href="viewer/viewer.css">';
const SCRIPT = '<script type="module" src="viewer/main.js"></' + "script>";
const IMPORT = /^import (\{[^}]*\}) from "\.\/([\w.]+)";$/gm;
const EXPORT = /^export (?=(?:async )?(?:function\*?|class|const) (\w+))/gm;

/** The page with `text`, a trace, in it. `read(name)` gets the text of the page or of one of its files. */
export async function bundle(text, read) {
  const [page, style, script] = await Promise.all([read("./"), read("viewer/viewer.css"), joined("main.js", read)]);
  const word = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const own = `script-src 'nonce-${word}'; style-src 'nonce-${word}'; img-src data:`;
  const policy = `default-src 'none'; ${own}; base-uri 'none'; form-action 'none'`;
  const data = text.replaceAll("<", "\\u003c");
  return page
    .replace(FIRST, `${FIRST}\n<meta http-equiv="Content-Security-Policy" content="${policy}">`)
    .replace(LAST, () => `<script type="application/json" id="trace">${data}</` + `script>\n${LAST}`)
    .replace(STYLE, () => `<style nonce="${word}">\n${style}</style>`)
    .replace(SCRIPT, () => `<script type="module" nonce="${word}">\n${script}</` + "script>"); // holds all these names itself
}

async function joined(entry, read) {
  const blocks = new Map(); // name -> block, in the order in which they must run
  const add = async (name) => {
    if (blocks.has(name)) return;
    const source = await read(`viewer/${name}`);
    for (const [, , imported] of source.matchAll(IMPORT)) await add(imported);
    blocks.set(name, block(name, source));
  };
  await add(entry);
  return `const modules = {};\n${[...blocks.values()].join("\n")}`;
}

function block(name, source) {
  const exported = [...source.matchAll(EXPORT)].map((match) => match[1]);
  const body = source.replace(IMPORT, (_, names, from) => `const ${names} = modules["${from}"];`).replace(EXPORT, "");
  return `{ // ${name}\n${body}modules["${name}"] = { ${exported.join(", ")} };\n}`;
}

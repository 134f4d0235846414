// Parses the Mermaid diagrams of the pages that it is given, and says which can't be read and why.
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { JSDOM } = require("jsdom");

const page = new JSDOM("<!doctype html><body></body>");
globalThis.window = page.window;
globalThis.document = page.window.document;

async function main() {
  const file = path.join(process.env.NODE_PATH, "mermaid/dist/mermaid.core.mjs");
  const mermaid = (await import(pathToFileURL(file))).default;
  let read = 0;
  let wrong = 0;
  for (const name of process.argv.slice(2)) {
    const text = fs.readFileSync(name, "utf8");
    for (const found of text.matchAll(/^```mermaid\n([\s\S]*?)^```$/gm)) {
      const line = text.slice(0, found.index).split("\n").length;
      try {
        await mermaid.parse(found[1]);
        read += 1;
      } catch (error) {
        wrong += 1;
        console.error(`${name}:${line}: ${error.message}`);
      }
    }
  }
  if (wrong > 0 || read < 5) {
    console.error(`${wrong} diagrams can't be read, ${read} can`);
    process.exit(1);
  }
  console.log(`${read} diagrams can be read`);
}

main();

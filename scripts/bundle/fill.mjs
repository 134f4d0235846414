// Fills the manifest in: the version, this machine's platform, and the tools that the built server
// itself tells of, so that none of it can be out of date. Also writes the registry's server.json.
//   fill.mjs FOLDER VERSION
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [folder, version] = process.argv.slice(2);
const windows = process.platform === "win32";
const program = `server/mcp-server${windows ? ".exe" : ""}`;

/** Asks the server, as a host does: over standard input and output. */
async function tools() {
  const child = spawn(`${folder}/${program}`, [], {
    stdio: ["pipe", "pipe", "ignore"],
    env: { MCP_LLM__PROVIDER: "tutor", MCP_AUDIT__STDERR: "false", MCP_LLM__DEFAULT_MODEL: "" },
  });
  const limit = setTimeout(() => child.kill(), 20_000);
  const lines = createInterface({ input: child.stdout });
  const say = (message) => child.stdin.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
  const clientInfo = { name: "bundle", version: "0" };
  say({ id: 1, method: "initialize", params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo } });
  try {
    for await (const line of lines) {
      const message = JSON.parse(line);
      if (message.id === 1) {
        say({ method: "notifications/initialized" });
        say({ id: 2, method: "tools/list" });
      } else if (message.id === 2) {
        return message.result.tools.map(({ name, description }) => ({ name, description }));
      }
    }
  } finally {
    clearTimeout(limit);
    child.stdin.end();
  }
  throw new Error("the built server didn't answer: run it by hand and read what it says");
}

const file = `${folder}/manifest.json`;
const manifest = JSON.parse(readFileSync(file, "utf8"));
manifest.version = version;
manifest.server.entry_point = program;
manifest.server.mcp_config.command = `\${__dirname}/${program}`;
manifest.tools = await tools();
manifest.compatibility.platforms = [process.platform];
writeFileSync(file, JSON.stringify(manifest, null, 2) + "\n");

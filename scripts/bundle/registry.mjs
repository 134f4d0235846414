// Writes server.json, with which a published bundle is listed in the MCP registry.
//   registry.mjs BUNDLE VERSION OUTPUT
// The name and the address are the publisher's: MCP_REGISTRY_NAME (reverse DNS, one slash) and
// MCP_BUNDLE_URL (where the bundle can be downloaded). Without an address no package is named.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const [bundle, version, output] = process.argv.slice(2);
const name = process.env.MCP_REGISTRY_NAME || "com.example/learn-mcp";
const url = process.env.MCP_BUNDLE_URL;
if (!/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/.test(name)) {
  console.error(`MCP_REGISTRY_NAME is ${name}: write it as com.example/name`);
  process.exit(2);
}
// What the registry asks of a bundle's address.
if (url && !(url.startsWith("https://") && url.toLowerCase().includes("mcp"))) {
  console.error(`MCP_BUNDLE_URL is ${url}: the registry takes https addresses that contain "mcp"`);
  process.exit(2);
}
const server = {
  $schema: "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
  name,
  title: "Learn MCP, in Rust",
  description: "A local model, the weather and a course on MCP, behind a server that checks every call.",
  version,
};
if (url) {
  server.packages = [
    {
      registryType: "mcpb",
      identifier: url,
      fileSha256: createHash("sha256").update(readFileSync(bundle)).digest("hex"),
      transport: { type: "stdio" },
      environmentVariables: [
        { name: "MCP_LLM__DEFAULT_MODEL", description: "The model of Ollama that answers, such as llama3.2." },
        { name: "MCP_CONFIG_FILE", description: "A server.toml of your own.", format: "filepath" },
        { name: "MCP_CLIENT_KEY", description: "A key, with a configuration that has a keys file.", isSecret: true },
      ],
    },
  ];
}
writeFileSync(output, JSON.stringify(server, null, 2) + "\n");

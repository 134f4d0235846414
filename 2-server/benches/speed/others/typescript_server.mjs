// The TypeScript SDK, bare: the echo that every server has.
import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

const handler = createMcpHandler(
  () => {
    const server = new McpServer({ name: "peer", version: "1.0.0" });
    const config = { description: "Gives back the message.", inputSchema: z.object({ message: z.string() }), outputSchema: z.object({ message: z.string() }) };
    server.registerTool("echo", config, async ({ message }) => ({
      content: [{ type: "text", text: message }],
      structuredContent: { message },
    }));
    return server;
  },
  { responseMode: "json" },
);

const server = createServer(toNodeHandler(handler));
server.listen(0, "127.0.0.1", () => console.error(`listening on http://127.0.0.1:${server.address().port}/mcp`));

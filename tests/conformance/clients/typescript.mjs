// One case of the TypeScript SDK against a server; the arguments are those of python.py.
//
//   MCP_CLIENT_KEY=… node typescript.mjs TRANSPORT MODE HEADER EXPECT URL     (TRANSPORT http or sse)
import { createRequire } from 'node:module';
import path from 'node:path';

const sdk = createRequire(path.join(process.env.SDK_FOLDER, 'package.json'));
const { Client, SSEClientTransport, StreamableHTTPClientTransport } = sdk('@modelcontextprotocol/client');

const [transport, mode, header, expect, url] = process.argv.slice(2);
const key = process.env.MCP_CLIENT_KEY;
const headers = { bearer: { Authorization: `Bearer ${key}` }, 'x-api-key': { 'X-API-Key': key }, none: {} }[header];
const statuses = [];
const noted = async (input, init) => {
  const response = await fetch(input, init);
  statuses.push(response.status);
  return response;
};
const check = (good, text) => {
  if (!good) throw new Error(`not as expected: ${text}`);
};

async function run() {
  const Transport = transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
  const lifecycle = ['auto', 'legacy'].includes(mode) ? mode : { pin: mode };
  const client = new Client({ name: 'interop', version: '1.0.0' }, { versionNegotiation: { mode: lifecycle } });
  await client.connect(new Transport(new URL(url), { requestInit: { headers }, fetch: noted }));
  const { tools } = await client.listTools();
  check(tools.some((tool) => tool.name === 'echo'), 'echo is listed');
  const result = await client.callTool({ name: 'echo', arguments: { message: 'grüß dich' } });
  check(!result.isError && result.content[0].text.includes('grüß dich'), JSON.stringify(result));
  const read = await client.readResource({ uri: 'config://server' });
  check(read.contents[0].text.includes('"mode"'), JSON.stringify(read));
  const version = client.getNegotiatedProtocolVersion();
  check(['auto', 'legacy'].includes(mode) || version === mode, `version ${version}`);
  await client.close();
  return version;
}

const name = `typescript ${transport} ${mode} ${header} ${expect}`;
const late = setTimeout(() => finish(false, 'no answer within 60 s'), 60_000);
function finish(good, text) {
  clearTimeout(late);
  console.log(`${good ? 'ok' : 'FAIL'} ${name}: ${text}`);
  process.exit(0);
}
try {
  const version = await run();
  finish(expect === 'works', `it works, ${version}`);
} catch (error) {
  const said = String(error?.message ?? error).replace(/\s+/g, ' ').slice(0, 200);
  // Over a session a refusal is an error of the protocol; else the SDK understands the challenge.
  const understood = error?.code === 403 || error?.name === 'InsufficientScopeError';
  const refused = expect === '401' ? statuses.includes(401) : understood && said.includes('resources:config:read');
  finish(expect !== 'works' && refused, `${error?.name}: ${said} (HTTP ${statuses})`);
}

// Passes requests on to a server, with a key: the conformance suite can't send one.
//
//   MCP_CLIENT_KEY=… node with_key.mjs http://127.0.0.1:8080/mcp
//
// Says "listening on http://127.0.0.1:PORT/mcp". Where the suite names this proxy, in Host and in
// Origin, the server is named instead; every other Host and Origin goes through as it is, because
// the suite means it. Nothing else is touched, and bodies stream both ways.
import http from 'node:http';

const server = new URL(process.argv[2]);
const key = process.env.MCP_CLIENT_KEY;
if (!key) throw new Error('MCP_CLIENT_KEY is not set');

const proxy = http.createServer((request, response) => {
  const headers = { ...request.headers, authorization: `Bearer ${key}` };
  const mine = [`127.0.0.1:${proxy.address().port}`, `localhost:${proxy.address().port}`];
  if (mine.includes(headers.host)) headers.host = server.host;
  if (mine.some((host) => headers.origin === `http://${host}`)) headers.origin = server.origin;

  const { method, url: path } = request;
  const onward = http.request({ host: server.hostname, port: server.port, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  // A client that hangs up cancels: the server must hear of it.
  response.on('close', () => onward.destroy());
  request.pipe(onward);
});
proxy.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${proxy.address().port}${server.pathname}`);
});

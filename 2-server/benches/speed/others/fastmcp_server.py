"""FastMCP with its own authentication, rate limit and logging: the echo that every server has."""

import logging
import socket
import sys

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier
from fastmcp.server.middleware.logging import StructuredLoggingMiddleware
from fastmcp.server.middleware.rate_limiting import RateLimitingMiddleware

log_file = sys.argv[1]
logging.basicConfig(filename=log_file, level=logging.INFO)
tokens = {f"holder-{n:07}": {"client_id": f"holder-{n}", "scopes": ["call"]} for n in range(10_000)}
mcp = FastMCP("peer", auth=StaticTokenVerifier(tokens=tokens, required_scopes=["call"]))
# They count, and never bite.
mcp.add_middleware(RateLimitingMiddleware(max_requests_per_second=1e9, burst_capacity=1_000_000_000))
mcp.add_middleware(StructuredLoggingMiddleware())


@mcp.tool
def echo(message: str) -> dict[str, str]:
    """Gives back the message."""
    return {"message": message}


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(1024)
print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", file=sys.stderr, flush=True)
app = mcp.http_app(path="/mcp", json_response=True, stateless_http=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])

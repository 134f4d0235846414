"""The Python SDK's quick start, as its README has it, for the attack lab.

python3 -m venv .tools/python-mcp && .tools/python-mcp/bin/pip install mcp==2.3.0
.tools/python-mcp/bin/python 3-client/examples/python-sdk-server.py 8082
mcp-client attack --url http://127.0.0.1:8082/mcp
"""

import sys

from mcp.server import MCPServer
from mcp.types import ToolAnnotations

mcp = MCPServer("Demo")


@mcp.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """Add two numbers"""
    return a + b


@mcp.tool(annotations=ToolAnnotations(read_only_hint=True))
def shout(text: str) -> str:
    """Give a text back in capitals"""
    return text.upper()


@mcp.resource("greeting://{name}")
def get_greeting(name: str) -> str:
    """Get a personalized greeting"""
    return f"Hello, {name}!"


@mcp.resource("config://demo")
def get_config() -> str:
    """What this server is"""
    return "a demonstration"


if __name__ == "__main__":
    mcp.run(transport="streamable-http", port=int(sys.argv[1]))

"""One case of the Python SDK against a server.

    MCP_CLIENT_KEY=… python.py TRANSPORT MODE HEADER EXPECT TARGET…

TRANSPORT  http, sse or stdio; TARGET is a URL, or the command that launches the server
MODE       auto, legacy or 2026-07-28: which lifecycle the client chooses (sse is always legacy)
HEADER     bearer, x-api-key or none: where the key goes (stdio: in the environment)
EXPECT     works: it lists, calls and reads; 401, 403: it is refused so, and is told why
"""
import asyncio
import os
import sys
from contextlib import asynccontextmanager

from mcp import Client, ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

transport, mode, header, expect, *target = sys.argv[1:]
key = os.environ.get("MCP_CLIENT_KEY", "")
headers = {"bearer": {"Authorization": f"Bearer {key}"}, "x-api-key": {"X-API-Key": key}, "none": {}}[header]
statuses = []  # of every response: the SDK doesn't always tell the status of a refusal


async def note(response):
    statuses.append(response.status_code)


def http_client(headers=headers, timeout=None, auth=None):
    client = create_mcp_http_client(headers=headers, timeout=timeout, auth=auth)
    client.event_hooks = {"response": [note]}
    return client


@asynccontextmanager
async def connected():
    """A session that has shaken hands, and the version that came of it."""
    if transport == "sse":
        async with sse_client(target[0], headers=headers, httpx_client_factory=http_client) as (read, write):
            async with ClientSession(read, write) as session:
                yield session, (await session.initialize()).protocol_version
    elif transport == "http":
        async with http_client() as http:
            async with Client(streamable_http_client(target[0], http_client=http), mode=mode) as client:
                yield client, client.protocol_version
    else:
        environment = {name: value for name, value in os.environ.items() if name.startswith("MCP_")}
        server = StdioServerParameters(command=target[0], args=target[1:], env=environment)
        async with Client(server, mode=mode) as client:
            yield client, client.protocol_version


async def case():
    async with connected() as (session, version):
        tools = {tool.name for tool in (await session.list_tools()).tools}
        assert "echo" in tools, f"echo isn't listed: {tools}"
        result = await session.call_tool("echo", {"message": "grüß dich"})
        text = " ".join(getattr(block, "text", "") for block in result.content)
        assert not result.is_error and "grüß dich" in text, f"echo said {text!r}"
        read = (await session.read_resource("config://server")).contents[0]
        assert '"mode"' in read.text, f"config://server said {read.text!r}"
        if mode not in ("auto", "legacy"):
            assert version == mode, f"the version is {version}"
        return version


def leaves(error):
    """The errors inside a group of them."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


def refused(errors):
    """Whether these errors are the refusal that was expected, told so that a person understands."""
    told = " ".join(str(error) for error in errors)
    if expect == "401":
        # Over stdio the server says why on standard error, and ends.
        return 401 in statuses or transport == "stdio"
    codes = [getattr(getattr(error, "error", None), "code", None) for error in errors]
    return 403 in codes and "resources:config:read" in told


name = f"python {transport} {mode} {header} {expect}"
try:
    version = asyncio.run(asyncio.wait_for(case(), 60))
except BaseException as error:  # noqa: BLE001 - transports raise groups of all kinds
    errors = leaves(error)
    said = "; ".join(f"{type(one).__name__}: {' '.join(str(one).split())[:160]}" for one in errors)
    good = expect != "works" and refused(errors)
    seen = f" (HTTP {statuses})" if statuses else ""
    print(f"{'ok' if good else 'FAIL'} {name}: {said}{seen}")
else:
    print(f"{'ok' if expect == 'works' else 'FAIL'} {name}: it works, {version}")

"""A small real MCP server for tests: ``python -m tests.support.mcp_server`` over stdio, with ``http`` over HTTP.

Over HTTP it listens on 127.0.0.1 and prints its address first.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
from mcp.server import MCPServer

server = MCPServer("test tools")


@server.tool()
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool()
def fail() -> str:
    """Fail."""
    raise RuntimeError("it does not work")


@server.tool()
async def wait() -> str:
    """Never end."""
    await asyncio.Event().wait()
    return "never"


def main() -> None:
    if sys.argv[1:] != ["http"]:
        server.run()
        return
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    config = uvicorn.Config(server.streamable_http_app(), log_level="error", timeout_graceful_shutdown=1)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()

"""A small real MCP server for tests: ``python -m tests.support.mcp_server`` over stdio, with ``http`` over HTTP.

With ``sse`` it is the older HTTP transport, with ``stubborn`` it goes on when its input has ended. Over HTTP it listens
on 127.0.0.1 and prints its address first.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

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
def leak() -> str:
    """Fail with a secret in the text."""
    raise ToolError("canary-7f3a-in-an-mcp-server")


@server.tool()
async def wait() -> str:
    """Never end."""
    await asyncio.Event().wait()
    return "never"


def main() -> None:
    over = sys.argv[1] if len(sys.argv) > 1 else "stdio"
    if over in ("stdio", "stubborn"):
        server.run()
        while over == "stubborn":
            signal.pause()
        return
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/{'mcp' if over == 'http' else 'sse'}", flush=True)
    app = server.streamable_http_app() if over == "http" else server.sse_app()
    # Clients keep a connection for 5 s: so does uvicorn by itself, and closes it while it is being used again.
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, timeout_keep_alive=3600)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()

"""Serves LiteLLM's proxy, and beside it what asks through LiteLLM as a library: two processes that import it once.

Run by the interpreter of LiteLLM's environment with a port and the address of a Unix socket. What it takes to import
the proxy is most of what these tests cost, so the second process is a fork of the first, made before either does
anything.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys

gc.disable()  # a fifth of the import; the process is short-lived

import uvicorn  # noqa: E402
from litellm.proxy.proxy_server import app  # noqa: E402

from .in_process import answers  # noqa: E402


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask agents for a list of cases, which ends where the other side stops writing; return what they say."""
    writer.write(json.dumps(await answers(json.loads(await reader.read()))).encode())
    await writer.drain()
    writer.close()


async def listen(path: str) -> None:
    server = await asyncio.start_unix_server(answer, path)
    async with server:
        await server.serve_forever()


def main() -> None:
    port, path = int(sys.argv[1]), sys.argv[2]
    gc.freeze()
    gc.enable()
    if os.fork() == 0:
        asyncio.run(listen(path))
    else:
        # Longer than any client keeps a connection: else it is closed while it is being used again.
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_keep_alive=3600)


main()

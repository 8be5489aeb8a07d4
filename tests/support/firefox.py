#!/usr/bin/env python3
"""Starts Debian's Firefox for Playwright, whose BiDi driver asks for a command that an ESR release does not know yet.

Run as Firefox itself: `firefox.launch(channel="moz-firefox", executable_path=<this file>)`. It starts Firefox on a port
of its own and relays; what only newer releases know is answered as done. Needs an interpreter with aiohttp.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp
from aiohttp import web

FIREFOX = "/usr/bin/firefox-esr"
UNKNOWN = ("emulation.setMediaFeaturesOverride",)
LISTENING = "WebDriver BiDi listening on "


async def main(arguments: list[str]) -> int:
    own = [each for each in arguments if not each.startswith("--remote-debugging-port")]
    firefox = await asyncio.create_subprocess_exec(
        FIREFOX, "--remote-debugging-port=0", *own, stderr=asyncio.subprocess.PIPE
    )
    assert firefox.stderr is not None
    try:
        async for line in firefox.stderr:
            if line.decode().startswith(LISTENING):
                break
        address = line.decode().removeprefix(LISTENING).strip()
        draining = asyncio.create_task(_drain(firefox.stderr))
        app = web.Application()
        app.router.add_get("/{path:.*}", lambda request: _relay(request, address))
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        print(f"{LISTENING}ws://127.0.0.1:{port}", file=sys.stderr, flush=True)
        code = await firefox.wait()
        await draining
        await runner.cleanup()
        return code
    finally:
        if firefox.returncode is None:
            firefox.kill()
            await firefox.wait()


async def _drain(lines: asyncio.StreamReader) -> None:
    async for _ in lines:
        pass


async def _relay(request: web.Request, address: str) -> web.WebSocketResponse:
    near = web.WebSocketResponse(max_msg_size=0)
    await near.prepare(request)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address + request.path, max_msg_size=0) as far,
    ):

        async def back() -> None:
            async for message in far:
                await near.send_str(message.data)
            await near.close()

        returning = asyncio.create_task(back())
        async for message in near:
            asked = json.loads(message.data)
            if asked.get("method") in UNKNOWN:
                await near.send_json({"type": "success", "id": asked["id"], "result": {}})
            else:
                await far.send_str(message.data)
        await far.close()
        await returning
    return near


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))

"""How a bench server comes up: options, the event loop, a free port, its address on stdout."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Coroutine

from aiohttp import web

Main = Callable[[argparse.Namespace], Coroutine[None, None, None]]


def launch(main: Main) -> None:
    """Run *main* with the options that every server has: `--loop` and `--upstream`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--upstream", default="", help="the model server's base URL, where one is needed")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=_factory(options.loop)) as runner:
        runner.run(main(options))


def _factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


async def listen(runner: web.BaseRunner) -> None:
    """Serve on a free port; print the address."""
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)


async def serve(app: web.Application) -> None:
    """Serve a bare aiohttp application until the process is ended."""
    await listen(web.AppRunner(app, access_log=None))
    await asyncio.Event().wait()

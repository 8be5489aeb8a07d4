"""Puts the orchestrator into an aiohttp application of one's own, with agents made in Python and no YAML.

Run: python examples/embed/app.py

Then open the address that it prints: the orchestrator's page asks these agents.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from orchestrator import AgentInput, Status, create_app, run_app


async def echo(request: AgentInput) -> AsyncIterator[str]:
    """Say the message again, a word at a time."""
    for word in request.message.split():
        yield f"{word} "
        await asyncio.sleep(0.05)


async def counter(request: AgentInput) -> AsyncIterator[str | Status]:
    """Count the message's letters; remember, within a conversation, how many questions there were."""
    yield Status("counting", f"question {len(request.history) + 1} of this conversation")
    yield f"{sum(map(str.isalpha, request.message))} letters"


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="A page of the application's own.\n")


def build() -> web.Application:
    """Build the application: the orchestrator's, with further routes.

    The other way round it is `app.add_subapp("/ai", create_app(agents=…))`.
    """
    app = create_app(agents={"echo": echo, "counter": counter})
    app.router.add_get("/hello", hello)
    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8080)
    # Not `web.run_app`: this one bounds headers, connections and clients that do not read as `orchestrator serve` does.
    run_app(build(), port=parser.parse_args().port)


if __name__ == "__main__":
    main()

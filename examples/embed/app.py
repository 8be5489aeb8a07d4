"""Puts the orchestrator into an aiohttp application of one's own, with agents made in Python and no YAML.

Run: python examples/embed/app.py

Then open the address that it prints: the orchestrator's page asks these agents.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from aiohttp import web

from orchestrator.backends.base import AgentInput
from orchestrator.config import AgentSettings, Config, FunctionSettings
from orchestrator.events import Status
from orchestrator.server.app import create_app


async def echo(request: AgentInput) -> AsyncIterator[str]:
    """Say the message again, a word at a time."""
    for word in request.message.split():
        yield f"{word} "
        await asyncio.sleep(0.05)


async def counter(request: AgentInput) -> AsyncIterator[str | Status]:
    """Count the message's letters; remember, within a conversation, how many questions there were."""
    yield Status("counting", f"question {len(request.history) + 1} of this conversation")
    yield f"{sum(map(str.isalpha, request.message))} letters"


def agents_of_my_own() -> Iterable[AgentSettings]:
    """Describe the agents: the keys of an agent's YAML file, as arguments."""
    yield FunctionSettings(agent_id="echo", title="Echo", stream=f"{__name__}:echo")
    yield FunctionSettings(agent_id="counter", title="Counter", stream=f"{__name__}:counter")


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="A page of the application's own.\n")


def build() -> web.Application:
    """Build the application: the orchestrator's, with further routes.

    It is the root and no sub-application: its checks of Host, Origin and token look at paths from the root.
    """
    config = Config({agent.agent_id: agent for agent in agents_of_my_own()}, (), Path())
    app = create_app(config)
    app.router.add_get("/hello", hello)
    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8080)
    # handler_cancellation: a stream's client that leaves is noticed at once.
    web.run_app(build(), host="127.0.0.1", port=parser.parse_args().port, handler_cancellation=True)


if __name__ == "__main__":
    main()

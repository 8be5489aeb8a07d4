"""This service as `orchestrator serve` runs it: the whole application, the memory log, its own runner.

Only limits are raised, on an agent's output and on the log's size, so that seconds of a flood fit in.

The agents `a0` … are function agents that follow the plan in the message; with `--upstream` the agents `m0` …
are of the Agents SDK and ask the model server there.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from orchestrator.backends.base import AgentInput, Backend, Emission, StreamFunction
from orchestrator.backends.function.backend import FunctionBackend
from orchestrator.backends.function.settings import FunctionSettings
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.eventlog import MemoryLog
from orchestrator.events import Reasoning, ToolCall, ToolResult
from orchestrator.run.registry import AgentRegistry
from orchestrator.server.access_log import AccessLog
from orchestrator.server.app import CLEANUP_SECONDS, create_app
from orchestrator.server.app_keys import LOADED
from orchestrator.server.http.runner import ProblemRunner
from orchestrator.server.options import ServerOptions
from orchestrator.server.serve import keep_loaded
from orchestrator.settings.limits import RunLimits
from orchestrator.telemetry.logs import configure_logging

from ..sources import KINDS, MARK, Plan, flood, parse_plan
from .launch import launch, listen

AGENTS = 256
SDK_AGENTS = 8
MAX_RUNS = 2000
MAX_CHARS = 1_000_000_000
CHANNEL_BYTES = 2**30
"""A flood of seconds is longer than any answer: beyond the usual 64 MiB its oldest events would go."""

BURST = 32
"""Events that an agent says before it gives way, as it does if one read of its model's socket brings them."""


async def distinct(plan: Plan, number: int) -> AsyncGenerator[Emission, None]:
    """Flood with tokens that no neighbour can be joined to: every other one is reasoning."""
    count = 0
    async for text in flood(plan, number):
        count += 1
        yield text if count % 2 else Reasoning(text)


def calling(plan: Plan, number: int) -> AsyncGenerator[Emission, None]:
    """Say two pieces, call a tool, hear its result, and again."""
    return _by_turns(plan, lambda n: (f" however{MARK}", f" it{MARK}", *_looked(n)))


def thinking(plan: Plan, number: int) -> AsyncGenerator[Emission, None]:
    """Think a piece, call a tool, hear its result, say a piece, and again: each event begins or ends a part."""
    return _by_turns(plan, lambda n: (Reasoning(f" however{MARK}"), *_looked(n), f" it{MARK}"))


def _looked(n: int) -> tuple[ToolCall, ToolResult]:
    return ToolCall(f"c{n}", "look", '{"at":"sky"}'), ToolResult(f"c{n}", "blue", is_error=False)


async def _by_turns(
    plan: Plan, turn: Callable[[int], tuple[Emission, ...]]
) -> AsyncGenerator[Emission, None]:
    """Yield `tokens` events at `rate`; without one `BURST` of them between two rounds of the loop."""
    start = time.monotonic()
    for n in range(0, plan.tokens, 4):
        for at, emission in enumerate(turn(n), n):
            if plan.rate and (left := start + at / plan.rate - time.monotonic()) > 0:
                await asyncio.sleep(left)
            elif not plan.rate and not at % BURST:
                await asyncio.sleep(0)
            yield emission


OWN_KINDS: dict[str, Callable[[Plan, int], AsyncGenerator[Emission, None]]] = {
    "distinct": distinct,
    "calling": calling,
    "thinking": thinking,
}
"""What no rival knows: more than pieces of text."""


def follows_plan(number: int) -> StreamFunction:
    def talk(request: AgentInput) -> AsyncIterator[Emission]:
        plan = parse_plan(request.message)
        own = OWN_KINDS.get(plan.kind)
        return own(plan, number) if own is not None else KINDS[plan.kind](plan, number)

    return talk


def registry(url: str) -> AgentRegistry:
    """Return agents as `create_app` makes them, but for a limit on their output that no scenario reaches."""
    settings: dict[str, Any] = {}
    backends: dict[str, Backend] = {}
    for n in range(AGENTS):
        keys = {"agent_id": f"a{n}", "stream": "python:agent", "limits": {"max_output_chars": MAX_CHARS}}
        settings[f"a{n}"] = FunctionSettings.model_validate(keys)
        backends[f"a{n}"] = FunctionBackend.of(follows_plan(n))
    for n in range(SDK_AGENTS if url else 0):
        keys = {"agent_id": f"m{n}", "model": "bench", "base_url": url, "api_key": "none"}
        settings[f"m{n}"] = OpenAIAgentsSettings.model_validate(keys)
    return AgentRegistry(settings, backends=backends)


async def main(options: argparse.Namespace) -> None:
    configure_logging("json")
    app = create_app(
        registry=registry(options.upstream),
        options=ServerOptions(max_agents_per_run=AGENTS),
        event_log=MemoryLog(max_channel_bytes=CHANNEL_BYTES),
        limits=RunLimits(max_runs=MAX_RUNS, max_log_bytes=4 * CHANNEL_BYTES),
    )
    runner = ProblemRunner(
        app, handler_cancellation=True, access_log_class=AccessLog, shutdown_timeout=CLEANUP_SECONDS
    )
    await listen(runner)
    await app[LOADED]
    keep_loaded()
    await asyncio.Event().wait()


if __name__ == "__main__":
    launch(main)

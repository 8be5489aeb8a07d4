"""Tools and agents that tests name as ``"tests.support.sdk_parts:name"``. `gates` lets a test hold a tool."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    RunContextWrapper,
    function_tool,
    input_guardrail,
    output_guardrail,
)
from pydantic import BaseModel

from orchestrator.backends.base import AgentInput
from orchestrator.errors import ToolError


@dataclass
class ToolGate:
    """Where a tool stands still: `reached` says that it does, `open` lets it go on."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


gates: defaultdict[str, ToolGate] = defaultdict(ToolGate)
"""By the tool's argument; a test that uses one clears them first."""

threads: list[float] = []
"""When each call of `sleepy` ended."""


def clock(zone: str) -> str:
    """Tell the time in a zone."""
    return f"noon in {zone}"


def now() -> str:
    """Tell the time here."""
    return "it is noon"


async def gated(gate: str) -> str:
    """Wait at a gate."""
    gates[gate].reached.set()
    try:
        await gates[gate].open.wait()
    except asyncio.CancelledError:
        gates[gate].cancelled.set()
        raise
    return f"through {gate}"


def leaves() -> str:
    """End the process, from a thread."""
    sys.exit(3)


@function_tool
async def leaves_the_loop() -> str:
    """End the process, from the loop."""
    sys.exit(3)


def sleepy(seconds: float) -> str:
    """Block a thread."""
    time.sleep(seconds)
    threads.append(time.monotonic())
    return "slept"


def broken() -> str:
    """Raise something whose text is nobody's business."""
    raise RuntimeError("password=hunter2")


def wrong_value() -> str:
    """Raise what a library says of a value, as `int` does of a password."""
    return str(int("password=hunter2"))


def told() -> str:
    """Raise what was written for the reader."""
    raise ToolError("zone must be one of: UTC")


@function_tool(failure_error_function=None)
def fatal() -> str:
    """Raise, and let the run fail."""
    raise RuntimeError("password=hunter2")


@function_tool(needs_approval=True)
def launch(target: str) -> str:
    """Do something that somebody must allow."""
    return f"launched {target}"


@function_tool
async def whoami(context: RunContextWrapper[AgentInput]) -> str:
    """Tell which run this is."""
    return context.context.run_id


class Weather(BaseModel):
    """What `structured` answers with."""

    city: str
    degrees: int


@input_guardrail(run_in_parallel=False)
def no_secrets(context: Any, agent: Agent[Any], items: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered="secret" in str(items))


@output_guardrail
def no_swearing(context: Any, agent: Agent[Any], output: str) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered="darn" in output)


guarded = Agent[Any](
    name="guarded", model="m", input_guardrails=[no_secrets], output_guardrails=[no_swearing]
)
structured = Agent[Any](name="structured", model="m", output_type=Weather)
helper = Agent[Any](
    name="helper", model="helper-model", handoff_description="Helps.", tools=[function_tool(clock)]
)
boss = Agent[Any](name="boss", model="m")
launcher = Agent[Any](name="launcher", model="launcher-model", tools=[launch])
not_an_agent = {"name": "x"}

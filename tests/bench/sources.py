"""What the agents say in the scenarios: the same generators for us and for every rival. Owns no server.

A `Plan` travels as JSON in the request, so that all servers are asked for the same. Each token holds one
`MARK`, which is nowhere else in any server's frames, so that a client can count tokens without parsing.
A stamped token also says when it was born (nanoseconds of the system-wide monotonic clock).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import msgspec

MARK = "~"
WORDS = tuple(f" {word}{MARK}" for word in ("how", "ever", "the", "token", "is", "short", "a", "many"))
LOOK_EVERY = 64
"""Tokens of a timed flood between two looks at the clock."""


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one run's agents do.

    Args:
        kind: A row of `KINDS`; agents beyond the first may do something else there.
        agents: How many.
        tokens: Of each agent.
        rate: Tokens per second of each agent, where the kind is paced.
        seconds: How long a timed flood lasts.
        at: When to begin, in nanoseconds of the monotonic clock; 0 is at once.
        model: Of the model server, where the agents are of the SDK.
    """

    kind: str
    agents: int = 8
    tokens: int = 0
    rate: float = 0.0
    seconds: float = 0.0
    at: int = 0
    model: str = ""

    def text(self) -> str:
        return msgspec.json.encode(self).decode()


def parse_plan(text: str | bytes) -> Plan:
    return msgspec.json.decode(text, type=Plan)


Source = Callable[[Plan, int], AsyncGenerator[str, None]]
"""An agent: the plan and the agent's number → its tokens."""


async def flood(plan: Plan, number: int) -> AsyncGenerator[str, None]:
    """Say `tokens` without ever waiting."""
    await _begin(plan)
    for n in range(plan.tokens):
        yield WORDS[n & 7]


async def giving(plan: Plan, number: int) -> AsyncGenerator[str, None]:
    """Say `tokens`, and give way to the loop at each, as an agent does that reads a socket."""
    await _begin(plan)
    for n in range(plan.tokens):
        await asyncio.sleep(0)
        yield WORDS[n & 7]


async def paced(plan: Plan, number: int) -> AsyncGenerator[str, None]:
    """Say `tokens` at `rate`, each stamped with the moment of its yield; agents are out of step."""
    await _begin(plan)
    step = 1 / plan.rate
    start = time.monotonic() + step * (number % plan.agents) / plan.agents
    for n in range(plan.tokens):
        if (left := start + n * step - time.monotonic()) > 0:
            await asyncio.sleep(left)
        yield f" {time.monotonic_ns()}{MARK}"


async def beside_flood(plan: Plan, number: int) -> AsyncGenerator[str, None]:
    """The first agent floods for `seconds` from `at` on; the others say `tokens` at `rate`.

    Each token of the others is stamped with when it was due, also where the agent was not even begun by then.
    """
    if number == 0:
        await _begin(plan)
        end = plan.at + int(plan.seconds * 1e9)
        while time.monotonic_ns() < end:
            for n in range(LOOK_EVERY):
                yield WORDS[n & 7]
        return
    for n in range(1, plan.tokens + 1):
        due = plan.at + int(n / plan.rate * 1e9)
        if (left := due - time.monotonic_ns()) > 0:
            await asyncio.sleep(left / 1e9)
        yield f" {due}{MARK}"


async def idle(plan: Plan, number: int) -> AsyncGenerator[str, None]:
    """Say one token, then nothing for `seconds`."""
    yield WORDS[0]
    await asyncio.sleep(plan.seconds)


KINDS: dict[str, Source] = {
    "flood": flood, "giving": giving, "paced": paced, "beside_flood": beside_flood, "idle": idle,
}  # fmt: skip


def sources(plan: Plan) -> dict[str, AsyncGenerator[str, None]]:
    """Return the plan's agents by their ids, as every rival starts them."""
    return {f"a{n}": KINDS[plan.kind](plan, n) for n in range(plan.agents)}


async def _begin(plan: Plan) -> None:
    if plan.at and (left := plan.at - time.monotonic_ns()) > 0:
        await asyncio.sleep(left / 1e9)

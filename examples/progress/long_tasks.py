"""Agents that report their progress, as async generators of one's own.

Run: cd examples/progress && orchestrator run --config agents_config "Count the primes below 2000000, then from 5"

agents_config/ beside this file names the two functions, `long_tasks:primes` and `long_tasks:countdown`.
The command is given in this folder, because the current folder is on Python's path and `agents_config`
is where agents are looked for. Copy the folder, and a project of your own has begun.

What is yielded becomes the agent's events: a string a `token`, a `Progress` a `progress`, which the page and the
terminal draw as a bar. The end of the function is `done`, an exception is `error`, and a cancel arrives where the
function waits. Who comes back in the middle sees the bar as it stands.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from orchestrator import AgentError, AgentInput, Progress

MOST = 20_000_000
STEPS = 10


async def primes(request: AgentInput) -> AsyncIterator[str | Progress]:
    """Count the primes below the largest number in the message, and say how far it is."""
    limit = max(numbers_in(request.message), default=1_000_000)
    if limit > MOST:
        # An AgentError is told to the client in these words; any other exception is only `internal`.
        raise AgentError("upstream_rejected", f"{limit} is too much for me; the most is {MOST}.")
    sieve = bytearray([1]) * (limit + 1)
    found = 0
    for step in range(STEPS):
        low, high = limit * step // STEPS, limit * (step + 1) // STEPS
        yield Progress(f"Counting: {found} primes below {low}", step=step, steps=STEPS)
        # Work that does not await would hold up every other agent, so a thread does it.
        found += await asyncio.to_thread(count_primes, sieve, low, high)
    yield Progress("Counted", step=STEPS, steps=STEPS)
    yield f"There are {found} primes below {limit}."


async def countdown(request: AgentInput) -> AsyncIterator[str | Progress]:
    """Count down from the smallest number in the message, a second each."""
    start = min(60, min(numbers_in(request.message), default=10))
    for left in range(start, 0, -1):
        yield Progress("Counting down", step=start - left, steps=start)
        yield f"{left} … "
        # A cancel raises CancelledError here. What the agent holds is released with `async with` or `finally`.
        await asyncio.sleep(1)
    yield "lift-off!"


def numbers_in(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d{1,12}", text)]


def count_primes(sieve: bytearray, low: int, high: int) -> int:
    """Count the primes from *low* up to *high*, where *sieve* has all below *low*; cross out as it goes."""
    found = 0
    for number in range(max(low, 2), high):
        if sieve[number]:
            found += 1
            sieve[number * number :: number] = bytes(len(range(number * number, len(sieve), number)))
    return found

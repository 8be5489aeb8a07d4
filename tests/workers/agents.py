"""Agents whose every token proves its place: (agent, n, hash of the previous)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

from orchestrator import AgentInput

PAUSE = 0.01


def link(agent_id: str, n: int, before: str) -> str:
    """Return the n-th token of an agent, which names the one before it."""
    return f"{agent_id}:{n}:{sha256(before.encode()).hexdigest()[:8]} "


def held(links: int, gate: Path) -> str:
    """Return the message that asks for so many links, three quarters of them until the file *gate* is there.

    What is to happen while a run is under way happens then, however late a busy machine gets to it.
    """
    return f"{links}@{PAUSE}@{gate}"


async def chain(request: AgentInput) -> AsyncIterator[str]:
    """Say as many links as the message asks for: ``150``, or ``150@0.002`` with another pause between them."""
    count, pause, gate = [*request.message.split("@", 2), "", ""][:3]
    said = ""
    for n in range(int(count)):
        while gate and n == int(count) * 3 // 4 and not Path(gate).exists():
            await asyncio.sleep(PAUSE)
        said = link(request.agent_id, n, said)
        yield said
        await asyncio.sleep(float(pause) if pause else PAUSE)


async def blocked(request: AgentInput) -> AsyncIterator[str]:
    """Say a word, then hold a thread that nothing but the process's end frees."""
    yield "Now "
    await asyncio.to_thread(time.sleep, 3600)


def check(agent_id: str, text: str) -> int:
    """Fail unless *text* is a chain from its beginning; return how many links it has."""
    before = ""
    links = [f"{part} " for part in text.split()]
    for n, said in enumerate(links):
        assert said == link(agent_id, n, before), (n, said)
        before = said
    return len(links)

"""What the tests of the dialects share: agents that do all that a dialect has to show, and the texts they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from orchestrator import AgentError, AgentInput, Finish, Usage
from orchestrator.backends.base import Emission
from orchestrator.events import ApprovalRequest, Data, File, Progress, Reasoning, Source, ToolCall, ToolResult
from orchestrator.settings.limits import RunLimits
from tests.support.service import Service, serving

ODD = 'a\u2028b\u2029c\u0085d\U0001f980e\x00f\r\ng"h\\i'
CHATTY = [f"word {n} " for n in range(20)] + [ODD, " end"]
TOOLED = ["Let me look. ", "It is ", "blue."]
BROKEN = ["half a wo"]


async def chatty(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield Reasoning("hm, ")
    yield Reasoning("odd " + ODD)
    for word in CHATTY:
        yield word
        await asyncio.sleep(0)
    yield Finish(usage=Usage(input_tokens=3, output_tokens=22))


async def tooled(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield TOOLED[0]
    yield ToolCall("c1", "look", '{"at":"sky"}')
    yield ToolResult("c1", "blue\u2028sky", is_error=False)
    for word in TOOLED[1:]:
        yield word


async def broken(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield BROKEN[0]
    raise AgentError("upstream_unavailable", "The provider went away.")


async def endless(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield "on "
    while True:
        await asyncio.sleep(0.01)
        yield "and on "


async def silent(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield "before"
    await asyncio.sleep(1.2)
    yield " after"


class Gate:
    """Keeps `gated` silent until a test opens it: a wait of its own length would be too short on a busy machine."""

    def __init__(self) -> None:
        self._opened = asyncio.Event()

    def close(self) -> None:
        """Keep who comes from now on."""
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Let all go on that wait."""
        self._opened.set()

    async def wait(self) -> None:
        await self._opened.wait()


GATE = Gate()


async def gated(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield "before"
    await GATE.wait()
    yield " after"


async def asking(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield "May I? "
    yield ApprovalRequest("c9", "send", '{"to":"all"}')
    if not await request.approve("c9"):
        yield "Not sent."
        if "c9" in request.reasons:
            yield f" You said: {request.reasons['c9']}"
        return
    yield ToolCall("c9", "send", '{"to":"all"}')
    yield ToolResult("c9", "sent", is_error=False)
    yield "Sent."


SOURCE = Source("s1", url="https://example.org/tea", title="On tea", at=4)
FILE = File("f1", "tea.png", "image/png", "https://example.org/tea.png")


async def rich(request: AgentInput) -> AsyncGenerator[Emission, None]:
    """Say what is neither text nor a tool, and end with a structured answer."""
    yield Progress("Looking", fraction=0.5)
    yield "Tea "
    yield SOURCE
    yield Source("s2", document="The book of tea", quote="It is drunk hot.")
    yield FILE
    yield Data("brew", {"minutes": 3}, data_id="b1")
    yield Data("brew", {"minutes": 4, "odd": ODD}, data_id="b1")
    yield "is hot."
    yield Finish(output={"hot": True, "odd": ODD})


AGENTS = {
    "chatty": chatty, "tooled": tooled, "broken": broken, "endless": endless, "silent": silent, "asking": asking,
    "failing": broken, "gated": gated, "rich": rich,
}  # fmt: skip


@asynccontextmanager
async def dialects_served(abandon_after_s: float = 600) -> AsyncIterator[Service]:
    """Serve the agents above. By default no run is given up within a test, as a busy machine could make it seem."""
    GATE.close()
    async with serving(AGENTS, limits=RunLimits(abandon_after_s=abandon_after_s)) as service:
        yield service


soon_given_up = pytest.mark.parametrize("service", [1.0], indirect=True, ids=["soon given up"])
"""For tests of what becomes of a run that nobody follows."""

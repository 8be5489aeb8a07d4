"""Agents that break the rules harm themselves alone: their siblings' answers are whole, the run ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from orchestrator import attempt
from orchestrator.backends.base import AgentInput, Finish
from orchestrator.errors import AgentError
from orchestrator.events import Handoff, Reasoning, Status, Token, ToolCall, ToolResult, Usage

from ..service import FLOOD_KEYS, Event, flood, serving, words

LOOP: list[Any] = []
LOOP.append(LOOP)

BAD_YIELDS: list[Any] = [
    None,
    42,
    b"bytes",
    object(),
    ("a", "tuple"),
    Token(5),  # type: ignore[arg-type]
    Token("x", speaker=object()),  # type: ignore[arg-type]
    Reasoning(None),  # type: ignore[arg-type]
    Reasoning("x", parent=3),  # type: ignore[arg-type]
    Status(object()),  # type: ignore[arg-type]
    Status(LOOP),  # type: ignore[arg-type]
    ToolCall("c", "name", {"not": "a string"}),  # type: ignore[arg-type]
    ToolResult("c", 5, is_error=False),  # type: ignore[arg-type]
    ToolResult("c", "x", is_error="no"),  # type: ignore[arg-type]
    Handoff(float("nan")),  # type: ignore[arg-type]
    Finish(reason=object()),  # type: ignore[arg-type]
    Finish(usage=Usage("many", 1)),  # type: ignore[arg-type]
    Finish(usage=object()),  # type: ignore[arg-type]
]


def yielding(item: Any) -> Any:
    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        yield "before "
        yield item

    return script


def texts(events: list[Event], agent_id: str) -> str:
    return "".join(e.data["text"] for e in events if e.type == f"{agent_id}.token")


async def test_what_cannot_be_said_fails_its_own_agent() -> None:
    """Found by its encoding, it would take the whole run down."""
    bad = {f"bad{n}": yielding(item) for n, item in enumerate(BAD_YIELDS)}
    async with serving(bad | {"good": words("all ", "is ", "well")}) as service:
        events = await service.events(await service.start())
    for n, item in enumerate(BAD_YIELDS):
        ends = [e for e in events if e.type == f"bad{n}.error"]
        assert len(ends) == 1, item
        assert ends[0].data["code"] in ("upstream_invalid", "internal"), item
        assert texts(events, f"bad{n}") == "before "
    assert [e.data["text"] for e in events if e.type == "good.done"] == ["all is well"]
    assert events[-1].type == "run.done"


async def raises_at_once(request: AgentInput) -> AsyncGenerator[str, None]:
    raise RuntimeError("sk-secret")
    yield ""


async def exits(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "x"
    raise asyncio.CancelledError


async def times_out(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "x"
    raise TimeoutError("sk-secret")


async def closes_badly(request: AgentInput) -> AsyncGenerator[str, None]:
    try:
        yield "x"
        await asyncio.Event().wait()
    finally:
        raise RuntimeError("sk-secret")


async def never_async(request: AgentInput) -> AsyncGenerator[str, None]:
    for _ in range(20_000):
        yield "x"


async def odd_error(request: AgentInput) -> AsyncGenerator[str, None]:
    raise AgentError("upstream_rejected", "no \ud800 way\n\nid: 1")
    yield ""


async def test_failing_in_odd_ways_stays_with_the_agent() -> None:
    scripts = {
        "raises": raises_at_once,
        "exits": exits,
        "times": times_out,
        "odd": odd_error,
        "closes": closes_badly,
        "never": never_async,
        "good": words("fine", pause=0.05),
    }
    async with serving(scripts) as service:
        run_id = await service.start()
        async with service.stream(f"/v1/runs/{run_id}/events") as stream:
            events = await stream.until("closes.token")
            await service.call("POST", f"/v1/runs/{run_id}/agents/closes/cancel")
            events += await stream.until("run.done")
            assert b"sk-secret" not in stream.raw
    own = [e.data for e in events if "agent_id" in e.data]
    ends = {data["agent_id"]: data for data in own if data["type"] in ("done", "error", "cancelled")}
    assert {name: end["type"] for name, end in ends.items()} == {
        "raises": "error", "exits": "error", "times": "error", "odd": "error", "closes": "cancelled",
        "never": "done", "good": "done",
    }  # fmt: skip
    assert {ends[name]["code"] for name in ("raises", "exits", "times")} == {"internal"}
    assert ends["odd"]["message"] == "no \ufffd way\n\nid: 1"
    assert ends["never"]["text"] == "x" * 20_000
    assert all(end["error_id"].startswith("err_") for end in ends.values() if end["type"] == "error")


async def test_agent_that_ignores_its_cancellation_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(attempt, "ABANDON_SECONDS", 0.2)
    release = asyncio.Event()

    async def stubborn(request: AgentInput) -> AsyncGenerator[str, None]:
        yield "x"
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        yield "too late"

    async with serving({"stubborn": stubborn, "good": words("fine")}) as service:
        run_id = await service.start()
        async with service.stream(f"/v1/runs/{run_id}/events") as stream:
            await stream.until("stubborn.token")
            answer = await service.call("POST", f"/v1/runs/{run_id}/cancel")
            assert answer.json["agents"]["stubborn"]["status"] == "cancelling"
            events = await stream.until("run.done")
        release.set()
    (end,) = [e.data for e in events if e.type == "stubborn.cancelled"]
    assert end["reason"] == "abandoned"
    assert "too late" not in str(events)


async def test_flood_delays_a_quiet_sibling_by_milliseconds_only() -> None:
    """Promise 2, as a client sees it: from the yield to the wire, beside two floods."""
    loop = asyncio.get_running_loop()
    said: list[float] = []

    async def quiet(request: AgentInput) -> AsyncGenerator[str, None]:
        for _ in range(100):
            await asyncio.sleep(0.01)
            said.append(loop.time())
            yield "q"

    async with serving(
        {"f1": flood, "quiet": quiet, "f2": flood}, keys={"f1": FLOOD_KEYS, "f2": FLOOD_KEYS}
    ) as service:
        run_id = await service.start()
        async with service.stream(f"/v1/runs/{run_id}/events?agents=quiet") as stream:
            delays = []
            while len(delays) < 100:
                event = await stream.event()
                if event.type == "quiet.token":
                    now = loop.time()
                    delays += [now - at for at in said[len(delays) : len(delays) + len(event.data["text"])]]
    delays.sort()
    assert delays[50] < 0.02
    assert delays[95] < 0.1

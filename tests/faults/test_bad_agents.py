"""Agents that break the rules harm themselves alone: their siblings' answers are whole, the run ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any, NoReturn

import pytest
from aiohttp import ClientSession

from orchestrator.agent import attempt
from orchestrator.backends.base import AgentInput, Emission, Finish
from orchestrator.errors import ERROR_CODES, AgentError
from orchestrator.events import Handoff, Reasoning, Status, Token, ToolCall, ToolResult, Usage

from ..support.service import FLOOD_KEYS, Event, Serve, flood, serving, words
from ..workers.agents import chain, check
from .oracle import Baseline, agents_of, begin

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


class Classless(Exception):
    """One that cannot be looked at."""

    @property
    def __class__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("it has none")


class Unprintable(Exception):
    """One whose notes cannot be printed."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("it cannot be printed")


async def test_an_exception_that_cannot_be_looked_at_is_its_own_agents(serve: Serve) -> None:
    """To judge it and to log it is to run somebody's code: that failed the run of all its agents."""

    def failing(exc: Exception) -> Any:
        async def fails(request: AgentInput) -> AsyncGenerator[str, None]:
            raise exc
            yield ""

        return fails

    noted = RuntimeError("noted")
    noted.__notes__ = [Unprintable()]  # type: ignore[list-item]
    wrong = {"classless": Classless(), "unprintable": Unprintable(), "noted": noted}
    service = await serve({**{name: failing(exc) for name, exc in wrong.items()}, "good": words("one")})
    events = await service.events(await service.start())
    for name in wrong:
        assert [e.data["code"] for e in events if e.type == f"{name}.error"] == ["internal"], name
    assert [e.data["text"] for e in events if e.type == "good.done"] == ["one"]
    assert events[-1].data["status"] == "partial"


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


async def test_a_quiet_sibling_does_not_wait_for_a_flood() -> None:
    """Promise 2, as a client sees it: from the yield to the wire, beside two floods, whatever the machine's pace.

    The delay is counted in pieces of the floods, of which each says up to a thousand a second.
    """
    said: list[int] = []
    flooded = 0

    async def counted(request: AgentInput) -> AsyncGenerator[Emission, None]:
        nonlocal flooded
        async for piece in flood(request):
            flooded += 1
            yield piece

    async def quiet(request: AgentInput) -> AsyncGenerator[str, None]:
        for _ in range(100):
            await asyncio.sleep(0.01)
            said.append(flooded)
            yield "q"

    async with serving(
        {"f1": counted, "quiet": quiet, "f2": counted}, keys={"f1": FLOOD_KEYS, "f2": FLOOD_KEYS}
    ) as service:
        run_id = await service.start()
        async with service.stream(f"/v1/runs/{run_id}/events?agents=quiet") as stream:
            delays: list[int] = []
            while len(delays) < 100:
                event = await stream.event()
                if event.type == "quiet.token":
                    delays += [
                        flooded - at for at in said[len(delays) : len(delays) + len(event.data["text"])]
                    ]
    delays.sort()
    assert delays[50] < 100
    assert delays[95] < 500


# ── what an error of the agent's own may hold ────────────────────────────────────────────────


class Careless(AgentError):
    """A user's own, which forgets what it inherits."""

    def __init__(self) -> None:
        Exception.__init__(self, "sk-secret")


def changed(**fields: Any) -> AgentError:
    error = AgentError("upstream_unavailable", "busy")
    for name, value in fields.items():
        setattr(error, name, value)
    return error


ODD_ERRORS: list[AgentError] = [
    *(
        AgentError("upstream_rate_limited", "busy", retry_after=after)  # type: ignore[arg-type]
        for after in ("soon", float("nan"), float("inf"), -1, 10**400, True, object(), [])
    ),
    AgentError("no_such_code", "busy", retryable=True),  # type: ignore[arg-type]
    AgentError(["unhashable"], "busy", retryable=True),  # type: ignore[arg-type]
    AgentError("upstream_unavailable", object()),  # type: ignore[arg-type]
    AgentError("upstream_unavailable", "busy", retryable="maybe"),  # type: ignore[arg-type]
    changed(retry_after="soon"),
    changed(message=5, code=None, retryable=None),
    Careless(),
]


def raising(error: AgentError) -> Any:
    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        if request.attempt == 1 or isinstance(error, Careless):
            raise error
        yield "well"

    return script


async def test_error_with_odd_fields_is_told_and_retried_as_ever() -> None:
    """`Retry-After: soon` as a number to wait for took the whole run down; an unknown code made it unreadable."""
    bad = {f"bad{n}": raising(error) for n, error in enumerate(ODD_ERRORS)}
    keys = {name: {"retry": {"attempts": 2, "backoff_s": 0.01}} for name in bad}
    async with serving(bad | {"good": words("fine")}, keys=keys) as service:
        run_id = await service.start()
        events = await service.events(run_id)
        service.supervisor._stored.drop(run_id)
        assert (await service.find(run_id)).snapshot().agents["good"].text == "fine", "it can be read back"
    outcomes = {name: end["status"] for name, end in events[-1].data["agents"].items()}
    careless = f"bad{len(ODD_ERRORS) - 1}"
    dead_end = f"bad{len(ODD_ERRORS) - 2}"
    assert outcomes == {**dict.fromkeys([*bad, "good"], "done"), careless: "error", dead_end: "error"}
    for event in events:
        if event.data["type"] == "error":
            assert event.data["code"] in ERROR_CODES
            assert isinstance(event.data["message"], str)
            assert isinstance(event.data["retryable"], bool)
        if event.data["type"] == "retry":
            assert 0 <= event.data["delay_s"] < 1
    assert "sk-secret" not in str(events)


async def test_memory_that_cannot_be_kept_fails_its_own_agent(serve: Serve) -> None:
    async def hoards(request: AgentInput) -> AsyncGenerator[Any, None]:
        yield "x"
        yield Finish(memory={"open": object()})

    async def odd_but_json(request: AgentInput) -> AsyncGenerator[Any, None]:
        yield f"after {len(request.history)}"
        yield Finish(memory={"text": "half \ud800"})

    service = await serve({"hoards": hoards, "odd": odd_but_json, "good": words("fine")})
    for turn in range(2):
        events = await service.events(await service.start(conversation_id="talk"))
        ends = {e.data["agent_id"]: e.data for e in events[:-1] if e.data["type"] in ("done", "error")}
        assert ends["hoards"]["code"] == "upstream_invalid"
        assert (ends["good"]["text"], ends["odd"]["text"]) == ("fine", f"after {turn}")


# ── raising, hanging, blocking, shouting: beside a chain whose every link is checked ──────────


async def raises_before(request: AgentInput) -> AsyncGenerator[str, None]:
    raise ValueError("before")
    yield ""


async def raises_in(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "said "
    raise ValueError("in")


async def raises_after(request: AgentInput) -> AsyncGenerator[Any, None]:
    try:
        yield "said "
        yield Finish()
    finally:
        raise ValueError("after")


async def hangs_before(request: AgentInput) -> AsyncGenerator[str, None]:
    await asyncio.Event().wait()
    yield ""


async def hangs_in(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "said "
    await asyncio.Event().wait()


async def hangs_after(request: AgentInput) -> AsyncGenerator[Any, None]:
    yield "said "
    yield Finish()
    await asyncio.Event().wait()


async def blocks(request: AgentInput) -> AsyncGenerator[str, None]:
    """Hold the loop up for a second, as no agent may."""
    yield "said "
    time.sleep(1.0)
    yield "said "


LOUD = 10 * 1024 * 1024


async def shouts(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "x" * LOUD


WRONG = {
    "raises_before": (raises_before, "internal", ""),
    "raises_in": (raises_in, "internal", "said "),
    "raises_after": (raises_after, "internal", "said "),
    "hangs_before": (hangs_before, "timeout_first_token", ""),
    "hangs_in": (hangs_in, "timeout_idle", "said "),
    "hangs_after": (hangs_after, "timeout_idle", "said "),
    "shouts": (shouts, "output_limit", "x" * 200_000),
}
QUICK = {"limits": {"first_token_timeout_s": 5, "idle_timeout_s": 5}, "retry": {"attempts": 1}}


async def test_whatever_an_agent_does_its_siblings_chains_are_whole(http: ClientSession) -> None:
    """All of them at once, and nothing of them is left afterwards."""
    scripts = {name: script for name, (script, _, _) in WRONG.items()}
    scripts |= {"blocks": blocks, "one": chain, "two": chain}
    baseline = Baseline()
    async with serving(scripts, keys=dict.fromkeys(WRONG, QUICK)) as service:
        account = await begin(http, service.url, "200", agents=["one", "two", *WRONG, "blocks"])
        await account.follow(http, service.url)
    await baseline.restored(memory=64 * 1024 * 1024)
    chains = ("one", "two")
    told = {name: e for e in account.seen if (name := e.data.get("agent_id")) and e.data["type"] == "error"}
    assert {name: e.data["code"] for name, e in told.items()} == {
        n: code for n, (_, code, _) in WRONG.items()
    }
    for name, (_, _, said) in WRONG.items():
        assert texts(account.seen, name) == said
    assert texts(account.seen, "blocks") == "said said "
    for name in chains:
        assert check(name, texts(account.seen, name)) == 200
    assert agents_of(account.seen) == {
        **dict.fromkeys(WRONG, "error"), "blocks": "done", "one": "done", "two": "done",
    }  # fmt: skip


async def test_token_of_ten_megabytes_passes_where_it_may(http: ClientSession) -> None:
    """In events that each fit into a piece of a stream, so that it holds nobody up."""
    keys = {"shouts": {"limits": {"max_output_chars": 2 * LOUD}}}
    async with serving({"shouts": shouts, "one": chain}, keys=keys) as service:
        account = await begin(http, service.url, "200")
        await account.follow(http, service.url)
    pieces = [e.data["text"] for e in account.seen if e.type == "shouts.token"]
    assert "".join(pieces) == "x" * LOUD
    assert max(map(len, pieces)) <= 64 * 1024
    assert check("one", texts(account.seen, "one")) == 200
    assert agents_of(account.seen) == {"shouts": "done", "one": "done"}

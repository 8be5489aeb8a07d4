"""Plays recorded answers to the whole spine (attempts, mailbox, merge, log), and judges what comes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from agents import function_tool

from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.backends.openai.tools import report_failure
from orchestrator.eventlog import MemoryLog
from orchestrator.run.registry import AgentRegistry
from orchestrator.supervisor.supervisor import Supervisor
from tests.support.sdk_parts import clock, now
from tests.support.spine import Seen, of, read, start

from .faults import SECRET
from .server import Asked, ReplayServer
from .wire import Replay

CLOCK, NOW = (function_tool(each, failure_error_function=report_failure) for each in (clock, now))
TOOLS = [f"{__name__}:CLOCK", f"{__name__}:NOW"]
"""Made once: that costs more than an answer takes to be read."""


async def play(replay: Replay) -> None:
    """Demand what is expected on each transport, and event for event the same on both.

    An agent without tools is asked without the SDK's Runner, so an answer without calls is played to such a one, too.
    """
    told = []
    for transport, tools in [("fast", TOOLS), ("sdk", TOOLS), ("fast", [])]:
        if not tools and replay.expect.calls:
            continue
        events, asked, waits = await played(replay, transport, tools=tools)
        check(replay, events, asked, waits)
        told.append(list(plain(events)))
    assert all(each == told[0] for each in told)


async def played(
    replay: Replay, transport: str, **keys: Any
) -> tuple[list[Seen], list[Asked], list[float | None]]:
    """Run one message against the recorded answers; what was told, and what was asked."""
    async with ReplayServer(list(replay.replies)) as server:
        settings = OpenAIAgentsSettings.model_validate(
            {"agent_id": "a", "model": replay.model, "base_url": server.url, "api_key": "k", "api": replay.api,
             "transport": transport, "tools": TOOLS, "retry": {"attempts": 1}, **keys}
        )  # fmt: skip
        backend = OpenAIAgentsBackend(settings, {"a": settings})
        waits: list[float | None] = []
        roster = AgentRegistry({"a": settings}, backends={"a": Noting(backend, waits)})
        await roster.load()
        try:
            async with Supervisor(roster, MemoryLog()) as supervisor:
                events = await read(supervisor, await start(supervisor, "go"))
        finally:
            await backend.aclose()
        return events, server.asked, waits


class Noting:
    """A backend that notes how long its errors ask to wait: that is told to nobody."""

    def __init__(self, inner: OpenAIAgentsBackend, waits: list[float | None]) -> None:
        self.inner, self.waits = inner, waits
        self.model = inner.model

    async def stream(self, request: Any, /) -> Any:
        try:
            async for emission in self.inner.stream(request):
                yield emission
        except Exception as exc:
            self.waits.append(getattr(exc, "retry_after", None))
            raise

    async def aclose(self) -> None:
        await self.inner.aclose()


def check(replay: Replay, events: list[Seen], asked: list[Asked], waits: list[float | None]) -> None:
    expect = replay.expect
    assert SECRET not in str([event.data for event in events])
    attempts = split(of(events, "a"))
    assert len(attempts) == (2 if expect.restated else 1), [event.data for event in of(events, "a")]
    last = attempts[-1]
    end = last[-1].data
    assert end["type"] == ("done" if expect.error is None else "error"), end
    text = "".join(e.data["text"] for e in last if e.type == "token" and "parent" not in e.data)
    assert text == expect.text
    assert "".join(e.data["text"] for e in last if e.type == "reasoning") == expect.reasoning
    cited = [(e.data["url"], e.data.get("title")) for e in last if e.type == "source"]
    assert cited == list(expect.sources)
    files = [(e.data["media_type"], e.data["url"]) for e in last if e.type == "file"]
    assert files == list(expect.files)
    if expect.error is None:
        assert end["text"] == text
        assert end["finish_reason"] == expect.finish
        if expect.usage is not None:
            assert (end["usage"]["input_tokens"], end["usage"]["output_tokens"]) == expect.usage
    else:
        assert end["code"] == expect.error, end
        assert expect.retryable in (None, end["retryable"])
        assert expect.says in end["message"]
        assert expect.retry_after in (None, *waits)
    if replay.sent_back is not None:
        message = next(m for m in asked[1].body["messages"] if m.get("tool_calls"))
        assert {k: v for k, v in message.items() if k.startswith("reasoning")} == replay.sent_back
    made = [e.data for e in last if e.type == "tool_call"]
    results = {e.data["call_id"]: e.data for e in last if e.type == "tool_result"}
    assert len({call["call_id"] for call in made}) == len(made), "two calls have one id"
    told = [(c["name"], json.loads(c["arguments"]), results[c["call_id"]]["output"]) for c in made]
    assert told == list(expect.calls)
    if expect.calls:
        assert [results[c["call_id"]].get("is_error", False) for c in made] == (
            list(expect.failed_calls) or [False] * len(made)
        )


def split(events: list[Seen]) -> list[list[Seen]]:
    """The attempts of one agent."""
    attempts: list[list[Seen]] = [[]]
    for event in events:
        if event.type == "retry":
            attempts.append([])
        else:
            attempts[-1].append(event)
    return attempts


def plain(events: list[Seen]) -> Iterator[Any]:
    """What both transports must tell alike: all but times, minted ids, and how texts were cut."""
    ids: dict[str, int] = {}
    last: tuple[Any, ...] | None = None
    for event in of(events, "a"):
        fields = {k: v for k, v in event.data.items() if k not in ("t", "metrics", "error_id", "agent_id")}
        if "call_id" in fields:
            fields["call_id"] = ids.setdefault(fields["call_id"], len(ids))
        if event.type in ("token", "reasoning"):
            voice = (event.type, fields.get("speaker"), fields.get("parent"))
            if last == voice:
                continue
            last = voice
            fields.pop("text")
        else:
            last = None
        yield fields

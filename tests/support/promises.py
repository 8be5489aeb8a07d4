"""Checks the promises of PROTOCOL.md on the log of a run that has ended, and on what readers saw of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from orchestrator.events import Reasoning, Token, clean_text

from .scenario import CALM, CALM_WORDS, SECRET, TERMINALS, Stage
from .service import Event


def check_log(stage: Stage, events: list[Event]) -> None:
    """Check promises 1, 2, 3 and 6 on the whole log of a run that has ended."""
    assert events[0].type == "run.started"
    assert events[-1].type == "run.done"
    assert [e.type for e in events].count("run.done") == 1
    epoch = str(events[0].id).partition("-")[0]
    assert [e.id for e in events] == [f"{epoch}-{n}" for n in range(1, len(events) + 1)]
    agents = {info["agent_id"] for info in events[0].data["agents"]}
    agents |= {e.data["agent"]["agent_id"] for e in events if e.type == "run.agent_added"}
    assert agents == set(events[-1].data["agents"])
    for agent_id in agents:
        own = [e for e in events if e.data.get("agent_id") == agent_id]
        outcome = check_agent(stage, agent_id, own)
        assert events[-1].data["agents"][agent_id] == outcome
    assert events[-1].data["status"] == verdict([o["status"] for o in events[-1].data["agents"].values()])
    assert SECRET not in str(events)


def verdict(statuses: list[str]) -> str:
    if "done" in statuses:
        return "completed" if set(statuses) == {"done"} else "partial"
    return "failed" if "error" in statuses else "cancelled"


def check_agent(stage: Stage, agent_id: str, own: list[Event]) -> dict[str, Any]:
    attempts: list[list[Event]] = [[]]
    for event in own:
        kind = event.data["type"]
        if kind == "retry":
            assert attempts[-1] == [], "a retry follows an error"
            assert attempts[-2][-1].data["type"] == "error"
            assert event.data["attempt"] == attempts[-2][-1].data["attempt"] + 1
            continue
        attempts[-1].append(event)
        if kind in TERMINALS:
            attempts.append([])
    assert attempts.pop() == [], "nothing after the last terminal event"
    for number, attempt in enumerate(attempts, 1):
        *said, end = attempt
        assert end.data["attempt"] == number
        if said and said[0].data["type"] == "status" and said[0].data["status"] == "queued":
            said = said[1:]
        if not said:
            assert end.data["type"] in ("cancelled", "error"), "it never began"
            continue
        assert (said[0].data["type"], said[0].data["attempt"]) == ("started", number)
        check_said(stage, agent_id, number, said[1:], end)
    return {"status": attempts[-1][-1].data["type"], "attempt": len(attempts)}


def check_said(stage: Stage, agent_id: str, number: int, said: list[Event], end: Event) -> None:
    """Promise 3, and more: all that was yielded came out, in its order, merged only with its neighbours."""
    tokens = "".join(e.data["text"] for e in said if e.data["type"] == "token")
    if end.data["type"] == "done":
        assert end.data["text"] == tokens
    for left, right in pairwise(said):
        assert left.data["t"] <= right.data["t"]
    if agent_id == CALM:
        assert tokens == "".join(CALM_WORDS)[: len(tokens)]
        return
    # A time limit may end an attempt before its generator has run at all.
    tried = stage.tried.get((agent_id, number))
    yielded = [] if tried is None else list(flat_emissions(tried.said))
    seen = list(flat_events(said))
    assert seen == yielded[: len(seen)]
    if end.data["type"] == "done":
        assert seen == yielded


def flat_emissions(items: Sequence[Any]) -> Iterator[Any]:
    """Yield what comes of *items*. The first half of a character waits for the other one; alone it comes last."""
    halves: dict[tuple[type[Token] | type[Reasoning], str | None, str | None], str] = {}
    for item in items:
        item = Token(item) if isinstance(item, str) else item
        if isinstance(item, Token | Reasoning):
            voice = (type(item), item.speaker, item.parent)
            text = halves.pop(voice, "") + item.text
            if "\ud800" <= text[-1:] <= "\udbff":
                halves[voice], text = text[-1], text[:-1]
            yield from ((type(item).TYPE, item.speaker, char) for char in clean_text(text))
        else:
            yield (type(item).TYPE,)
    for kind, speaker, _ in halves:
        yield (kind.TYPE, speaker, "\ufffd")


def flat_events(events: Sequence[Event]) -> Iterator[Any]:
    for event in events:
        kind = event.data["type"]
        if kind in ("token", "reasoning"):
            yield from ((kind, event.data.get("speaker"), char) for char in event.data["text"])
        else:
            yield (kind,)


def check_reader(log: list[Event], seen: list[Event], kept: set[str] | None, *, trimmed: bool) -> None:
    """Promise 4: each event once and in order, or a gap first. *seen* is what all connections brought.

    A gap is right only where the log was *trimmed*: these readers come back with what they saw.
    """
    by_id = {event.id: event for event in log}
    wanted = [e for e in log if kept is None or e.data.get("agent_id") is None or e.data["agent_id"] in kept]
    place = {event.id: n for n, event in enumerate(log)}
    at = -1
    after_gap = False
    for event in seen:
        if event.type == "run.gap":
            assert event.id is None
            assert trimmed
            assert event.data["reason"] == "trimmed"
            after_gap = True
            continue
        if event.type == "run.snapshot":
            assert after_gap, "a snapshot follows a gap"
            check_snapshot(log[: place[event.id] + 1], event)
            at = place[event.id]
            after_gap = False
            continue
        assert not after_gap, "after a gap comes the snapshot"
        assert by_id[event.id].data == event.data
        missed = [e for e in wanted if at < place[e.id] < place[event.id]]
        assert not missed, missed
        assert place[event.id] > at, "each event once, in order"
        at = place[event.id]
    assert at == len(log) - 1, "it saw the end"


def check_snapshot(log: list[Event], event: Event) -> None:
    """What the snapshot says is what the events up to it say; a caller's retry voids the text at once."""
    for agent_id, told in event.data["agents"].items():
        text, attempt = "", 1
        for e in log:
            if e.data.get("agent_id") != agent_id:
                continue
            attempt = e.data.get("attempt", attempt)
            kind = e.data["type"]
            if kind in ("retry", "started"):
                text = ""
            elif kind == "token":
                text += e.data["text"]
        assert told["attempt"] in (attempt, attempt + 1)
        assert told["text"] == (text if told["attempt"] == attempt else "")

"""The judge itself: a whole account passes, and each kind of damage is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.service import Event
from tests.workers.agents import link

from .oracle import judge


def event(seq: int, name: str, **data: Any) -> Event:
    agent, _, kind = name.partition(".")
    who = {} if agent == "run" else {"agent_id": agent}
    return Event(f"k3f9-{seq}", name, {**who, "type": kind, "t": seq, **data})


def account() -> list[Event]:
    """A run of one agent, which says three links."""
    said = [""]
    for n in range(3):
        said.append(link("a", n, said[-1]))
    texts = said[1:]
    return [
        event(1, "run.started"),
        event(2, "a.started", attempt=1),
        *(event(3 + n, "a.token", text=text) for n, text in enumerate(texts)),
        event(6, "a.done", attempt=1, text="".join(texts)),
        event(7, "run.done", agents={"a": {"status": "done", "attempt": 1}}),
    ]


def renumbered(seen: list[Event]) -> list[Event]:
    """The same events with ids as if nothing were amiss: what must be found then is in what they say."""
    return [replace(each, id=f"k3f9-{n}") for n, each in enumerate(seen, 1)]


def test_whole_account_passes() -> None:
    judge(account(), links=3)


DAMAGE: dict[str, Callable[[list[Event]], list[Event]]] = {
    "an event is lost": lambda seen: seen[:3] + seen[4:],
    "an event is there twice": lambda seen: [*seen[:4], seen[3], *seen[4:]],
    "two events changed places": lambda seen: [*seen[:3], seen[4], seen[3], *seen[5:]],
    "an event is of another epoch": lambda seen: [*seen[:3], replace(seen[3], id="zzzz-4"), *seen[4:]],
    "a link is lost behind good ids": lambda seen: renumbered(seen[:3] + seen[4:]),
    "two links changed places behind good ids": lambda seen: renumbered(
        [*seen[:3], seen[4], seen[3], *seen[5:]]
    ),
    "an attempt ends twice": lambda seen: renumbered([*seen[:6], seen[5], seen[6]]),
    "an attempt has no end": lambda seen: renumbered([*seen[:5], seen[6]]),
    "a token comes after the end": lambda seen: renumbered([*seen[:4], seen[5], seen[4], seen[6]]),
    "an attempt begins twice": lambda seen: renumbered([*seen[:2], seen[1], *seen[2:]]),
    "time runs backwards": lambda seen: [
        *seen[:3], replace(seen[3], data={**seen[3].data, "t": 0}), *seen[4:]
    ],
    "the whole text is another": lambda seen: [
        *seen[:5], replace(seen[5], data={**seen[5].data, "text": "x"}), seen[6]
    ],
    "the run has no end": lambda seen: seen[:-1],
    "the run has no beginning": lambda seen: seen[1:],
    "it failed of what it may not": lambda seen: [
        *seen[:5], event(6, "a.error", attempt=1, code="internal"), seen[6]
    ],
    "the gap was not to be": lambda seen: [
        *seen[:3], Event(None, "run.gap", {"type": "gap", "t": 3}), *seen[3:]
    ],
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_found(damage: Callable[[list[Event]], list[Event]]) -> None:
    with pytest.raises(AssertionError):
        judge(damage(account()), links=3)


def test_declared_gap_passes_only_with_its_snapshot() -> None:
    seen = account()
    gap = Event(None, "run.gap", {"type": "gap", "t": 5})
    texts = "".join(e.data["text"] for e in seen[2:5])
    agents = {"a": {"status": "running", "attempt": 1, "text": texts}}
    snapshot = event(5, "run.snapshot", status="running", agents=agents)
    judge([*seen[:3], gap, snapshot, *seen[5:]], links=3, gaps=True)
    with pytest.raises(AssertionError):
        judge([*seen[:3], gap, *seen[5:]], links=3, gaps=True)

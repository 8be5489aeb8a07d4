"""Covers `orchestrator/framing/base.py`: the one table of dialects."""

from __future__ import annotations

import pytest

from orchestrator.errors import ConfigError
from orchestrator.framing import base
from orchestrator.framing.base import (
    DIALECTS,
    Dialect,
    StatelessFraming,
    Subscriber,
    check_dialects,
    dialects,
    register,
)
from orchestrator.framing.sse import SseFraming


def test_a_row_finds_its_class_and_opens_it_for_a_subscriber() -> None:
    row = Dialect("x", "orchestrator.framing.sse:SseFraming", "x")
    assert row.framing is SseFraming
    framing = row.open(Subscriber("run_1", ref="mine"))
    assert isinstance(framing, SseFraming)
    assert framing.subscriber.ref == "mine"


def test_a_name_stands_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "DIALECTS", dict(DIALECTS))
    row = register(Dialect("new", "orchestrator.framing.sse:SseFraming", "x"))
    assert base.DIALECTS["new"] is row
    with pytest.raises(ValueError, match="'new'"):
        register(row)
    assert "new" not in DIALECTS


def test_each_carrier_has_its_own_and_the_default_comes_first() -> None:
    assert dialects()[0].name == "event"
    assert [row.name for row in dialects("websocket")] == ["websocket"]
    assert not {row.name for row in dialects()} & {row.name for row in dialects("websocket")}


def test_a_channel_is_written_by_those_that_say_which_run_an_event_is_of() -> None:
    assert [row.name for row in dialects(of_channels=True)] == ["event", "message"]
    assert all(row.of_channels for row in dialects("websocket", of_channels=True))


@pytest.mark.parametrize("row", DIALECTS.values(), ids=lambda row: row.name)
def test_every_row_is_described_for_the_apis_own_page(row: Dialect) -> None:
    assert row.description
    assert not row.description.endswith(".")
    assert row.framing.content_type


def test_a_dialect_without_state_says_nothing_unless_it_is_written() -> None:
    framing = StatelessFraming(Subscriber("run_1"))
    assert b"" == framing.opening(1) == framing.resumed() == framing.heartbeat() == framing.closing()
    assert framing.retry(5) == b""
    assert not framing.folds
    assert not framing.is_finished


class HalfWritten:
    content_type = "text/x"


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("no_such_module:Lines", "cannot be loaded (No module named 'no_such_module')"),
        ("orchestrator.framing.sse:Nothing", "has no attribute 'Nothing'"),
        ("orchestrator.framing.sse", "cannot be loaded"),
        ("tests.framing.test_base:HalfWritten", "lacks headers, folds, opening"),
    ],
)
def test_a_row_that_is_wrong_is_named_with_its_place(
    monkeypatch: pytest.MonkeyPatch, place: str, why: str
) -> None:
    assert check_dialects() == []
    monkeypatch.setitem(DIALECTS, "new", Dialect("new", place, "x"))
    (problem,) = check_dialects()
    assert str(problem).startswith(f"DIALECTS of orchestrator.framing.base: {place}: ")
    assert why in str(problem)
    with pytest.raises(ConfigError, match="DIALECTS of"):
        DIALECTS["new"].open(Subscriber("run_1"))

"""Covers `orchestrator/framing/folded.py`: what one connection has heard, whatever its dialect writes."""

from __future__ import annotations

import pytest

from orchestrator.eventlog.base import Draft, Entry
from orchestrator.events import (
    Approval,
    ApprovalRequest,
    Payload,
    Progress,
    Reasoning,
    Retry,
    Started,
    Status,
    Token,
    ToolCall,
    ToolResult,
    encode_data,
)
from orchestrator.framing.base import Subscriber
from orchestrator.framing.folded import FoldedFraming, StreamedAgent

from .scene import EPOCH, RUN, done, ended, started


class Log(FoldedFraming):
    """Writes the names of its own methods, so that a test sees what was made of each event."""

    def started(self) -> list[bytes]:
        return [b"data: started %d" % len(self.voices)]

    def agent_started(self, voice: StreamedAgent) -> list[bytes]:
        return [f"data: begin {voice.attempt_id}".encode()]

    def opened(self, voice: StreamedAgent) -> list[bytes]:
        return [f"data: open {voice.open} {voice.part_id}".encode()]

    def delta(self, voice: StreamedAgent, text: bytes) -> bytes:
        return b"data: delta " + text

    def closed(self, voice: StreamedAgent) -> list[bytes]:
        return [f"data: close {voice.part_id}".encode()]

    def tool_called(self, voice: StreamedAgent, call: ToolCall) -> list[bytes]:
        return [f"data: call {call.call_id}".encode()]

    def retried(self, voice: StreamedAgent, retry: Retry, void: list[str]) -> list[bytes]:
        return [f"data: void {','.join(void)}".encode()]

    def pause(self) -> list[bytes]:
        return [b"data: pause"]


class Heard:
    def __init__(self, newest: int = 0) -> None:
        self.framing = Log(Subscriber(RUN, titles={"late": "Late"}, newest=newest))
        self.seq = 0

    def entry(self, agent_id: str | None, payload: Payload) -> Entry:
        self.seq += 1
        return Entry(EPOCH, self.seq, *Draft(RUN, agent_id, payload.TYPE, encode_data(agent_id, payload, 1)))

    def hear(self, *events: tuple[str | None, Payload]) -> list[str]:
        text = self.framing.entries([self.entry(*event) for event in events]).decode()
        return [line[6:] for line in text.split("\n") if line.startswith("data: ")]

    def ids(self, *events: tuple[str | None, Payload]) -> list[str]:
        text = self.framing.entries([self.entry(*event) for event in events]).decode()
        return [line[4:] for line in text.split("\n") if line.startswith("id: ")]


def test_a_part_grows_until_another_kind_begins() -> None:
    heard = Heard()
    assert heard.hear(
        started("a"), ("a", Started(1)), ("a", Reasoning("hm")), ("a", Token("x")), ("a", Token("y")), ("a", done()),
    ) == [
        "started 1", "begin a.0.1", "open reasoning a.0.1.1", 'delta "hm"', "close a.0.1.1", "open text a.0.1.2",
        'delta "x"', 'delta "y"', "close a.0.1.2",
    ]  # fmt: skip


def test_each_agent_has_a_part_of_its_own() -> None:
    heard = Heard()
    heard.hear(started("a", "b"), ("a", Token("1")), ("b", Token("2")))
    assert heard.hear(("a", Token("3")), ("b", Token("4"))) == ['delta "3"', 'delta "4"']


def test_the_last_block_of_an_event_carries_its_cursor_and_an_event_without_one_none() -> None:
    heard = Heard()
    assert heard.ids(started("a"), ("a", Started(1)), ("a", Status("thinking")), ("a", Token("x"))) == [
        f"{EPOCH}-1",
        f"{EPOCH}-2",
        f"{EPOCH}-4",
    ]


def test_a_nested_agents_words_and_empty_ones_are_no_part_of_the_answer() -> None:
    heard = Heard()
    heard.hear(started("a"), ("a", Started(1)))
    assert heard.hear(("a", Token("", None)), ("a", Token("inner", parent="c1"))) == []


def test_what_a_failed_attempt_said_is_void() -> None:
    heard = Heard()
    heard.hear(started("a"), ("a", Started(1)), ("a", Reasoning("hm")), ("a", Token("x")))
    assert heard.hear(("a", Retry(2, 0.1, "timeout_idle"))) == ["close a.0.1.2", "void a.0.1.1,a.0.1.2"]
    assert heard.hear(("a", Started(2)), ("a", Token("y")))[:2] == ["begin a.0.2", "open text a.0.2.1"]


def test_a_turn_of_a_panel_keeps_what_was_said_before() -> None:
    heard = Heard()
    heard.hear(started("a"), ("a", Started(1, turn=1)), ("a", Token("x")), ("a", done()))
    assert heard.hear(("a", Started(1, turn=2)), ("a", Token("y")))[:2] == [
        "begin a.2.1",
        "open text a.2.1.1",
    ]


def test_the_answer_ends_once_all_that_run_wait_for_somebody() -> None:
    heard = Heard()
    ask = ApprovalRequest("c1", "pay", "{}")
    heard.hear(started("a", "b"), ("a", Started(1)), ("b", Started(1)))
    assert "pause" not in heard.hear(("a", ask))
    assert not heard.framing.is_finished
    assert heard.hear(("b", done()))[-1] == "pause"
    assert heard.framing.is_finished


def test_nothing_pauses_while_old_events_are_read_again() -> None:
    """An approval that was answered later would end the stream of whoever reads from the first event."""
    heard = Heard(newest=5)
    ask = ApprovalRequest("c1", "pay", "{}")
    assert "pause" not in heard.hear(started("a"), ("a", Started(1)), ("a", ask))
    assert "pause" not in heard.hear(("a", Approval("c1", approve=True)), ("a", Token("x")))


@pytest.mark.parametrize(
    "after", [Approval("c1", True), Token("x"), ToolResult("c1", "x", False)], ids=lambda p: p.TYPE
)
def test_an_agent_that_goes_on_waits_no_more(after: Payload) -> None:
    heard = Heard()
    heard.hear(started("a"), ("a", Started(1)), ("a", ApprovalRequest("c1", "pay", "{}")))
    assert heard.framing.all_wait
    heard.hear(("a", after))
    assert not heard.framing.all_wait


def test_progress_leaves_an_agent_waiting() -> None:
    heard = Heard()
    heard.hear(
        started("a"), ("a", Started(1)), ("a", ApprovalRequest("c1", "pay", "{}")), ("a", Progress("x"))
    )
    assert heard.framing.all_wait


def test_a_call_is_shown_once_whether_or_not_it_was_asked_for_first() -> None:
    heard = Heard()
    heard.hear(started("a"), ("a", Started(1)), ("a", ApprovalRequest("c1", "pay", "{}")))
    assert heard.hear(("a", Approval("c1", True)), ("a", ToolCall("c1", "pay", "{}"))) == []
    assert heard.hear(("a", ToolCall("c2", "look", "{}"))) == ["call c2"]


def test_a_new_connection_takes_up_what_is_open() -> None:
    heard = Heard()
    heard.framing.skip(
        [heard.entry(*event) for event in (started("a", "b"), ("a", Started(1)), ("a", Token("x")))]
    )
    assert heard.framing.resumed().decode().split("\n\n")[:-1] == [
        "data: started 2", "data: begin a.0.1", "data: open text a.0.1.1",
    ]  # fmt: skip
    assert heard.hear(("a", Token("y"))) == ['delta "y"']


def test_an_agent_whose_first_events_are_gone_begins_where_it_is() -> None:
    heard = Heard()
    assert heard.hear(("late", Token("x"))) == ["open text late.0.1.1", 'delta "x"']
    assert heard.framing.voices["late"].title == "Late"


def test_the_runs_end_is_kept() -> None:
    heard = Heard()
    heard.hear(started("a"), ended("partial"))
    assert heard.framing.status == "partial"

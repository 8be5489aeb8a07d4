"""Covers `orchestrator/framing/sse.py`: entries as Server-Sent-Events, read back by a strict parser."""

from __future__ import annotations

import json

import pytest

from orchestrator.eventlog.base import Cursor, Entry
from orchestrator.eventlog.gap import Gap
from orchestrator.events import Data, RunGap, RunStarted, Snapshot
from orchestrator.events.encoding import encode_snapshot
from orchestrator.events.snapshot import AgentSnapshot
from orchestrator.framing.base import Subscriber
from orchestrator.framing.sse import HEARTBEAT, SseFraming, UnnamedSseFraming, data_with_run
from orchestrator.sse_parser import SSEParser


def entry(
    seq: int = 1, agent_id: str | None = "a", type_: str = "token", data: bytes = b'{"text":"x"}'
) -> Entry:
    return Entry("epoch", seq, "run_1", agent_id, type_, data)


def test_a_frame_has_its_id_its_name_and_one_line_of_data() -> None:
    assert SseFraming().entries([entry(7)]) == b'id: epoch-7\nevent: a.token\ndata: {"text":"x"}\n\n'


def test_frames_are_joined_in_their_order() -> None:
    framing = SseFraming()
    entries = [entry(n) for n in range(1, 4)]
    assert framing.entries(entries) == b"".join(framing.entries([each]) for each in entries)
    assert framing.entries([]) == b""


def test_what_is_the_runs_own_is_named_after_the_run() -> None:
    assert b"event: run.started\n" in SseFraming().entries([entry(1, None, "started")])


def test_without_names_one_handler_sees_all() -> None:
    written = UnnamedSseFraming().entries([entry(), entry(2, None, "done")])
    assert b"event:" not in written
    assert written.count(b"id: epoch-") == 2


def test_a_channel_says_whose_run_it_is() -> None:
    """In front of the data; `run.started` has it already."""
    assert data_with_run(entry()) == b'{"run_id":"run_1","text":"x"}'
    started = entry(1, None, RunStarted.TYPE, b'{"run_id":"run_1","agents":[]}')
    assert data_with_run(started) == started.data
    for framing in (SseFraming, UnnamedSseFraming):
        written = framing(Subscriber(None, "room")).entries([entry()])
        assert b'data: {"run_id":"run_1","text":"x"}\n\n' in written


def test_the_commonest_frame_is_made_once_and_shared() -> None:
    one = entry()
    first = SseFraming().entries([one])
    assert one.frame == first
    one.data = b"changed"
    assert SseFraming().entries([one]) == first
    assert UnnamedSseFraming().entries([one]) != first, "another framing has frames of its own"


@pytest.mark.parametrize("framing", [SseFraming(), UnnamedSseFraming()])
def test_of_a_gap_only_the_last_state_is_a_cursor(framing: SseFraming) -> None:
    notice = RunGap("trimmed", "epoch-1", "epoch-3", "epoch-9")
    state = Snapshot("run_1", "c", None, "hi", "running", 1, None, "epoch-7", {})
    told, first, last = framing.gap(Gap(notice, [state, state], Cursor("epoch", 9), {}), 5)
    assert b"id:" not in told + first
    assert last.startswith(b"id: epoch-9\n")
    parts = [Gap(notice, [state], Cursor("epoch", 9), {}, n == 0, n == 1) for n in range(2)]
    assert [frame for part in parts for frame in framing.gap(part, 5)] == [told, first, last]
    assert (b"event: run.gap\n" in told) is (b"event: run.snapshot\n" in first) is framing.named


@pytest.mark.parametrize("framing", [SseFraming(), UnnamedSseFraming()])
def test_a_large_state_comes_in_pieces_and_all_after_it_in_order(framing: SseFraming) -> None:
    """Twenty readers of a state of 32 MB took more than a GiB, as each had all of it at once."""
    said = [Data("rows", ["x" * 50_000]) for _ in range(40)]
    agent = AgentSnapshot("done", 1, "text", None, None, None, data=said)
    large = Snapshot("run_1", "c", None, "hi", "running", 1, None, "epoch-7", {"a": agent})
    small = Snapshot("run_2", "c", None, "hi", "running", 1, None, "epoch-7", {})
    gap = Gap(
        RunGap("trimmed", "epoch-1", "epoch-3", "epoch-9"), [small, large, small], Cursor("epoch", 9), {}
    )
    told = list(framing.gap(gap, 5))
    assert all(frame.endswith(b"\n\n") for frame in told), "they are whole"
    sent = b"".join(told)
    for piece in framing.rest():
        sent += piece
        assert len(piece) < 200_000
        assert framing.has_rest is not (piece == b"\n\n" and sent.count(b"run_2") == 2), "within a frame"
    _, *states = SSEParser().feed(sent)
    assert [json.loads(each.data) for each in states] == [
        json.loads(encode_snapshot(state, 5)) for state in gap.snapshots
    ]
    assert [each.id for each in states] == [None, None, "epoch-9"]


def test_a_strict_parser_reads_all_of_it() -> None:
    """However the bytes are cut; opening, heartbeat and retry are no events."""
    framing = SseFraming()
    data = json.dumps({"text": "ü\u2028 \\n line"}, ensure_ascii=False).encode()
    body = (
        framing.opening(1500)
        + framing.entries([entry(1, data=data)])
        + HEARTBEAT
        + framing.retry(7)
        + framing.entries([entry(2)])
    )
    for size in (1, 2, 7, len(body)):
        parser = SSEParser()
        found = [event for at in range(0, len(body), size) for event in parser.feed(body[at : at + size])]
        assert [(event.id, event.event) for event in found] == [
            ("epoch-1", "a.token"),
            ("epoch-2", "a.token"),
        ]
        assert json.loads(found[0].data) == {"text": "ü\u2028 \\n line"}
        assert parser.retry_ms == 7

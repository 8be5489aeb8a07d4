"""The contract of the `Framing` Protocol, held against every row of the table of dialects.

A dialect joins by its row alone. What its frames mean to its own client is tested with that client.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.errors import GapReason
from orchestrator.eventlog.base import Cursor, Entry
from orchestrator.eventlog.gap import Gap
from orchestrator.events import (
    AgentMetrics,
    Approval,
    ApprovalRequest,
    Data,
    Done,
    Error,
    File,
    Payload,
    Progress,
    Reasoning,
    Retry,
    RunDone,
    RunGap,
    RunMetrics,
    RunStarted,
    Snapshot,
    Source,
    Started,
    Status,
    Token,
    ToolCall,
    ToolResult,
    encode_data,
)
from orchestrator.events.run import AgentInfo, AgentOutcome
from orchestrator.events.snapshot import AgentSnapshot
from orchestrator.framing.base import DIALECTS, Dialect, Framing, Subscriber
from orchestrator.sse_parser import ServerSentEvent, SSEParser

EPOCH, RUN = "k3f9", "run_contract"
ODD = 'a\u2028b\u2029c\u0085d\U0001f980e\x00f\r\ng"h\\i\ud7ff'
"""What ends lines in some readers, lies beyond 16 bits, ends strings in C, or is escaped in JSON."""

SOURCE, FILE, WHY = "https://example.org/sky", "https://example.org/sky.png", "Go on then."
METRICS = AgentMetrics(1, 2, 3, 4, None, 0)
PATHS = [
    (None, RunStarted(RUN, RUN, [AgentInfo(a, a.title(), "function", None) for a in ("one", "two")])),
    ("one", Started(1)),
    ("two", Started(1)),
    ("one", Status("thinking", "about it")),
    ("one", Reasoning("hm " + ODD)),
    ("one", Token("first ")),
    ("two", Token("second")),
    ("one", Token(ODD)),
    ("one", ToolCall("c1", "look", '{"at":"sky"}')),
    ("one", ToolResult("c1", "blue " + ODD, False)),
    ("one", Source("s1", url=SOURCE, title="The sky")),
    ("one", File("f1", "sky.png", "image/png", FILE)),
    ("one", Data("sky", {"odd": "so " + ODD}, data_id="d1")),
    ("one", Progress("Looking", fraction=0.5)),
    ("two", Retry(2, 0.5, "timeout_idle")),
    ("two", Started(2)),
    ("two", Token("again")),
    ("one", Token(" last")),
    ("two", Error("internal", "It broke.", "err_1", False, METRICS, 2)),
    ("one", ApprovalRequest("c2", "send", "{}")),
    ("one", Approval("c2", True, WHY)),
    ("one", ToolCall("c2", "send", "{}")),
    ("one", ToolResult("c2", "sent", False)),
    ("one", Done(f"first {ODD} last", None, "stop", METRICS, 1)),
    (
        None,
        RunDone(
            "partial",
            {"one": AgentOutcome("done", 1), "two": AgentOutcome("error", 2)},
            RunMetrics(9, 9, None, None, 1),
        ),
    ),
]  # fmt: skip
TEXTS = ["first ", "second", ODD, "again", " last"]


def entries() -> list[Entry]:
    return [entry(n, agent_id, payload) for n, (agent_id, payload) in enumerate(PATHS, 1)]


def entry(seq: int, agent_id: str | None, payload: Payload) -> Entry:
    return Entry(EPOCH, seq, RUN, agent_id, payload.TYPE, encode_data(agent_id, payload, seq))


def opened(dialect: Dialect) -> Framing:
    return dialect.open(Subscriber(RUN, RUN, newest=len(PATHS)))


def pieces(dialect: Dialect, framing: Framing, told: list[Entry]) -> list[bytes]:
    """Return what goes to the client: over a WebSocket a message for each entry."""
    if dialect.carrier == "websocket":
        return [framing.entries([each]) for each in told]
    return [framing.entries(told)]


def read(dialect: Dialect, sent: list[bytes], *, split: int | None = None) -> list[Any]:
    """Read what was sent as its carrier's reader does: JSON objects, and words that are none as they are."""
    if dialect.carrier == "websocket":
        return [json.loads(message) for message in sent if message]
    return [_decode(event) for event in parsed(b"".join(sent), split=split)]


def _decode(event: ServerSentEvent) -> Any:
    return json.loads(event.data) if event.data.startswith(("{", "[{")) else event.data


def parsed(body: bytes, *, split: int | None = None) -> list[ServerSentEvent]:
    parser = SSEParser()
    if split is None:
        return parser.feed(body)
    return parser.feed(body[:split]) + parser.feed(body[split:])


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def gap(*, reason: GapReason = "trimmed") -> Gap:
    agents = {
        "one": AgentSnapshot(
            "running",
            1,
            f"first {ODD}",
            None,
            None,
            None,
            sources=[Source("s1", url=SOURCE)],
            files=[File("f1", "sky.png", "image/png", FILE)],
        ),
        "two": AgentSnapshot("error", 2, "again", {"code": "internal", "message": "It broke."}, None, None),
    }
    snapshot = Snapshot(RUN, RUN, None, "What?", "running", 1, None, f"{EPOCH}-9", agents)
    notice = RunGap(reason, f"{EPOCH}-2", f"{EPOCH}-5", f"{EPOCH}-9")
    return Gap(notice, [snapshot], Cursor(EPOCH, 9), {RUN: 9})


every_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda row: row.name)
every_speaker = pytest.mark.parametrize(
    "dialect", [row for row in DIALECTS.values() if row.says_pieces], ids=lambda row: row.name
)
"""Those that send a text as it comes."""

every_stream = pytest.mark.parametrize(
    "dialect", [row for row in DIALECTS.values() if row.carrier == "stream"], ids=lambda row: row.name
)


@every_speaker
def test_every_text_arrives_whole_whatever_its_characters(dialect: Dialect) -> None:
    """Odd characters are the text's own: none ends a line, a string or a frame."""
    sent = b"".join(pieces(dialect, opened(dialect), entries()))
    assert not {"\u2028", "\u2029", "\u0085", "\x00", "\r"} & set(sent.decode())
    said = list(strings(read(dialect, pieces(dialect, opened(dialect), entries()))))
    assert all(any(text in each for each in said) for text in TEXTS)


@every_stream
def test_a_cut_at_any_byte_changes_nothing_for_the_parser(dialect: Dialect) -> None:
    body = opened(dialect).opening(1000) + opened(dialect).entries(entries())
    whole = parsed(body)
    assert whole
    assert all(parsed(body, split=at) == whole for at in range(len(body)))


@every_stream
def test_one_entry_at_a_time_gives_the_bytes_of_all_at_once(dialect: Dialect) -> None:
    """Where a page ends is chance, so it may not show."""
    framing = opened(dialect)
    assert b"".join(framing.entries([each]) for each in entries()) == opened(dialect).entries(entries())


@every_stream
def test_ids_are_cursors_that_only_rise(dialect: Dialect) -> None:
    """A cursor of one dialect is one of every other."""
    ids = [each.id for each in parsed(opened(dialect).entries(entries())) if each.id is not None]
    known = [each.id for each in entries()]
    assert ids
    places = [known.index(each) for each in ids]
    assert places == sorted(set(places))


@every_stream
def test_a_heartbeat_is_heard_and_says_nothing(dialect: Dialect) -> None:
    """It is bytes, moves no cursor, and repeats nothing."""
    framing = opened(dialect)
    head, beat = framing.entries(entries()[:8]), framing.heartbeat()
    assert beat
    assert beat.endswith(b"\n\n")
    assert all(event.id is None for event in parsed(beat))
    tail = framing.entries(entries()[8:])
    quiet = opened(dialect)
    assert head + tail == quiet.entries(entries()[:8]) + quiet.entries(entries()[8:])
    assert not any(
        text in said for said in strings([_decode(event) for event in parsed(beat)]) for text in TEXTS
    )


@every_speaker
def test_a_gap_starts_from_the_snapshot(dialect: Dialect) -> None:
    """What was said before is told as it stands, and the rest follows once."""
    framing = opened(dialect)
    told = [piece for piece in framing.gap(gap(), 9) if piece]
    said = list(strings(read(dialect, told)))
    assert any(f"first {ODD}" in each for each in said)
    after = [entry(10, "one", Token(" rest")), entry(11, "one", Token(" end"))]
    more = list(strings(read(dialect, pieces(dialect, framing, after))))
    assert sum(" rest" in each for each in more) == 1
    assert not any(ODD in each for each in more)


@every_speaker
@pytest.mark.parametrize("at", range(1, len(PATHS)))
def test_a_late_reader_hears_the_rest_and_only_the_rest(dialect: Dialect, at: int) -> None:
    """Whatever event was the last one seen, what follows has each later word once and no earlier one."""
    framing = opened(dialect)
    framing.skip(entries()[:at])
    sent = [framing.resumed(), *pieces(dialect, framing, entries()[at:])]
    tokens = [p.text for agent, p in PATHS[at:] if isinstance(p, Token)]
    before = [p.text for agent, p in PATHS[:at] if isinstance(p, Token)]
    said = list(strings(_deltas(read(dialect, sent))))
    assert [text for text in said if text in tokens] == tokens
    assert not [text for text in said if text in before]


SUMS = ("done", ".completed", ".failed", ".created", ".in_progress", ".added")


@every_stream
def test_sources_and_files_are_told_once_they_are_said_and_after_a_gap(dialect: Dialect) -> None:
    """Also to who comes when the events that told them are gone."""
    whole = list(strings(read(dialect, pieces(dialect, opened(dialect), entries()))))
    assert all(any(url in each for each in whole) for url in (SOURCE, FILE))
    framing = opened(dialect)
    told = [piece for piece in framing.gap(gap(), 9) if piece]
    ended = pieces(dialect, framing, [entry(30, *PATHS[-2]), entry(31, *PATHS[-1])])
    late = list(strings(read(dialect, [*told, *ended])))
    assert all(any(url in each for each in late) for url in (SOURCE, FILE))


def _deltas(told: list[Any]) -> list[Any]:
    """Return what is new in each frame: not the sums that beginnings and endings repeat."""
    return [
        each for each in told if not (isinstance(each, dict) and str(each.get("type", "")).endswith(SUMS))
    ]

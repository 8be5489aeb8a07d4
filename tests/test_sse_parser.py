"""The parser reads what WHATWG HTML 9.2 says, however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.sse_parser import MAX_RETRY_MS, EventTooLarge, ServerSentEvent, SSEParser


def parse(*chunks: bytes) -> list[ServerSentEvent]:
    parser = SSEParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def event(data: str, name: str = "message", last: str = "", own: str | None = None) -> ServerSentEvent:
    return ServerSentEvent(name, data, last, own)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        # The four examples of the specification.
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [event("YHOO\n+2\n10")]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [event("first event", last="1", own="1"), event("second event", own=""), event(" third event")],
        ),
        (b"data\n\ndata\ndata\n\ndata:", [event(""), event("\n")]),
        (b"data:test\n\ndata: test\n\n", [event("test"), event("test")]),
        # One rule each.
        (b"event: a.token\ndata: x\n\ndata: y\n\n", [event("x", "a.token"), event("y")]),
        (b"event:\ndata: x\n\n", [event("x")]),
        (b"event: a\n\ndata: x\n\n", [event("x")]),
        (b"id: 7\n\ndata: x\n\n", [event("x", last="7")]),
        (b"id: 7\ndata: x\n\nid: a\0b\ndata: y\n\n", [event("x", last="7", own="7"), event("y", last="7")]),
        (b"id: 7\ndata: x\n\nid:\ndata: y\n\n", [event("x", last="7", own="7"), event("y", own="")]),
        (b"\xef\xbb\xbfdata: x\n\n", [event("x")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\ndata: y\n\n", [event("y")]),
        (b"\n\xef\xbb\xbfdata: x\n\n", []),
        (b"data: x\r\rdata: y\r\n\r\ndata: z\n\r\n", [event("x"), event("y"), event("z")]),
        (b"Data: x\n data: x\ndata : x\nfoo: x\n\n", []),
        (b"data: caf\xc3\xa9 \xff\n\n", [event("café \ufffd")]),
        (b"data: x\x00\x85\xe2\x80\xa8y\x0b\n\n", [event("x\0\ufffd\u2028y\x0b")]),
        (b"data: never ended", []),
        (b"data: never ended\n", []),
        (b"", []),
    ],
)
def test_reads_what_the_specification_says(stream: bytes, expected: list[ServerSentEvent]) -> None:
    assert parse(stream) == expected
    # A socket cuts wherever it likes: at every byte, and everywhere at once.
    for cut in range(len(stream) + 1):
        assert parse(stream[:cut], stream[cut:]) == expected
    assert parse(*(stream[at : at + 1] for at in range(len(stream)))) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"retry: 1500\n", 1500),
        (b"retry:0\n", 0),
        (b"retry: 007\n", 7),
        (b"retry: -1\n", None),
        (b"retry: 1.5\n", None),
        (b"retry: 1s\n", None),
        (b"retry:\n", None),
        (b"retry\n", None),
        (b"retry:  5\n", None),
        ("retry: ٣\n".encode(), None),
        (b"retry: " + b"9" * 10_000 + b"\n", MAX_RETRY_MS),
    ],
)
def test_retry_takes_ascii_digits_only(line: bytes, expected: int | None) -> None:
    parser = SSEParser()
    assert parser.feed(line) == []
    assert parser.retry_ms == expected


def test_the_cursor_moves_only_when_its_event_is_whole() -> None:
    """A client that loses the connection between `id:` and the blank line must ask for that event again."""
    parser = SSEParser(last_event_id="e-1")
    parser.feed(b"id: e-2\ndata: x\n")
    assert parser.last_event_id == "e-1"
    parser.feed(b"\n")
    assert parser.last_event_id == "e-2"


def test_an_inherited_id_is_told_from_an_own_one() -> None:
    """`run.gap` carries no id; it must not be taken for a repetition of the event before."""
    parser = SSEParser(last_event_id="e-1")
    [gap] = parser.feed(b"event: run.gap\ndata: {}\n\n")
    assert (gap.last_event_id, gap.id) == ("e-1", None)


@pytest.mark.parametrize(
    "stream",
    [b"data: " + b"x" * 200, b": " + b"x" * 200, b"data: x\n" * 200, b"data:" + b"x" * 200 + b"\n\n"],
    ids=["line", "comment", "many lines", "whole event"],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_an_endless_event_is_refused(stream: bytes, step: int) -> None:
    def feed_all() -> None:
        parser = SSEParser(max_event_bytes=100)
        for at in range(0, len(stream), step):
            parser.feed(stream[at : at + step])

    with pytest.raises(EventTooLarge) as caught:
        feed_all()
    assert caught.value.limit == 100


def test_the_bound_counts_one_event_not_the_stream() -> None:
    parser = SSEParser(max_event_bytes=100)
    assert len(parser.feed((b"data: " + b"x" * 80 + b"\n\n") * 50)) == 50


def by_the_letter(stream: bytes) -> list[ServerSentEvent]:
    """The specification's own steps, one character at a time; slow, and shares nothing with the parser."""
    text = stream.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff") if stream.startswith(b"\xef\xbb\xbf") else text
    lines, line, at = [], "", 0
    while at < len(text):
        if text[at] in "\r\n":
            at += 1 if text[at : at + 2] != "\r\n" else 2
            lines.append(line)
            line = ""
        else:
            line += text[at]
            at += 1
    found, data, name, buffer, own = [], "", "", "", None
    for line in lines:
        if line == "":
            if data:
                found.append(ServerSentEvent(name or "message", data[:-1], buffer, own))
            data, name, own = "", "", None
        elif not line.startswith(":"):
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if key == "data":
                data += value + "\n"
            elif key == "event":
                name = value
            elif key == "id" and "\0" not in value:
                buffer = own = value
    return found


PIECES = st.sampled_from(
    [
        *(b"data", b"event", b"id", b"retry", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b"x", b"{}"),
        *(b"\xef\xbb\xbf", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\xff", b"\xe2\x80"),
        *(b"data: a\n\n", b"id: 9\n", b":c\r"),
    ]
)
STREAMS = st.lists(PIECES, max_size=40).map(b"".join)


@given(STREAMS, st.data())
@example(b"data: a\r\n\r\nid: 9\rdata: b\r\r", None)
def test_cuts_change_nothing_and_the_letter_agrees(stream: bytes, data: st.DataObject | None) -> None:
    expected = by_the_letter(stream)
    assert parse(stream) == expected
    assert parse(*(stream[at : at + 1] for at in range(len(stream)))) == expected
    if data is not None:
        cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
        edges = [0, *cuts, len(stream)]
        assert parse(*(stream[a:b] for a, b in pairwise(edges))) == expected

"""What was found last, by asking how further vendors' servers and gateways answer: kinds 1, 6 and 9."""

from __future__ import annotations

from typing import Any

from .wire import (
    CHAT,
    DONE,
    RESPONSES,
    Expect,
    Replay,
    Reply,
    chat,
    chunk,
    completed,
    data,
    message,
    stream,
    text_delta,
)

HELLO = Expect("hello there")
STOP = chunk(finish="stop")


def so_far(*texts: str, field: str = "content", last: Any = STOP) -> bytes:
    """Deltas of which each says everything so far."""
    return data(*(chunk({field: text}) for text in texts), last)


SAID_TWICE = [
    chat("each delta has all so far", HELLO, so_far("hello th", "hello there"), DONE),
    chat("each delta has all so far, from one letter on", HELLO, so_far("h", "hello", "hello th", "hello there"), DONE),
    chat("all so far, and again when it ends", HELLO, so_far("hello", "hello the", "hello there", last=chunk({"content": "hello there"}, "stop")), DONE),
    chat("all so far, some of them twice", HELLO, so_far("hello", "hello the", "hello the", "hello there", "hello there"), DONE),
    chat("reasoning so far, then the answer so far", Expect("hello there", reasoning="hm, well then"),
         data(*(chunk({"reasoning_content": text}) for text in ("hm", "hm, well", "hm, well then"))), so_far("hello", "hello the", "hello there"), DONE),
    chat("openrouter's reasoning so far", Expect("hello there", reasoning="hm, well then"),
         data(*(chunk({"reasoning": text}) for text in ("hm, well", "hm, well then")), chunk({"content": "hello there"}), STOP), DONE),
    chat("a word that begins as the answer does", Expect("ha haha"), so_far("ha ", "haha"), DONE),
    chat("a rule of dashes", Expect("-" * 28), so_far("----", "--------", "----------------"), DONE),
    chat("the second word begins with the first", Expect("TheTheory of it"), so_far("The", "Theory", " of it"), DONE),
    chat("two words, the second of which holds the first", Expect("nono"), so_far("no", "no"), DONE),
]  # fmt: skip


def plain(api: Any) -> list[bytes]:
    said = data(chunk({"content": "hello there"}), STOP)
    return [said, DONE] if api == CHAT else [text_delta("hello there"), completed(message("hello there"))]


def headed(name: str, *headers: tuple[str, str], **options: Any) -> list[Replay]:
    """Answers whose head is odd, on both APIs."""
    kind = ("Content-Type", "text/event-stream")
    return [
        Replay(name, api, [stream(*plain(api), headers=(kind, *headers), **options)], HELLO)
        for api in (CHAT, RESPONSES)
    ]


def length_of(api: Any) -> tuple[str, str]:
    return ("Content-Length", str(sum(len(piece) for piece in plain(api))))


HEADS = [
    *headed("a length beside chunks", ("Content-Length", "7")),
    *headed("a length of nothing beside chunks", ("content-length", "0")),
    *(Replay("the length twice", api, [Reply(plain(api), headers=[("Content-Type", "text/event-stream"), length_of(api), length_of(api)],
                                             chunked=False)], HELLO) for api in (CHAT, RESPONSES)),
]  # fmt: skip

REPLAYS: list[Replay] = [*SAID_TWICE, *HEADS]

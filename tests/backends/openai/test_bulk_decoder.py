"""Events that are alike but for their text are read many at once; nothing else may come out than one by one."""

from __future__ import annotations

import json
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.backends.openai.model.chat import decoder as chat_decoder
from orchestrator.backends.openai.model.chat.bulk_decoder import LEARN_AFTER, TRIES, BulkDecoder
from orchestrator.backends.openai.model.chat.chunk import Chunk
from orchestrator.errors import AgentError

from .test_decoders import chat

HEAD = b'data: {"id":"c","created":1,"choices":[{"index":0,"delta":{"content":"'
TAIL = b'"},"finish_reason":null}]}\n\n'
END = (
    b'data: {"id":"c","created":1,"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)

PIECES = [
    b"Hel",
    b"lo ", b"a\\nb", b'\\"', b"\\\\", b"\xc3\xa9", b"\xf0\x9f\x99\x82", b"\\ud83d\\ude42", b"\\u0041", b"", b"}",
    b"data: ",
    json.dumps(HEAD.decode())[1:-1].encode(),  # an answer about answers
]  # fmt: skip
BROKEN = [b"\\", b'"', b"\n", b"\x01", b"\xc3", b"\xa9", b"\\ud83d", b"\\ude42", b"\\x", b"\x00"]
"""What is no text of JSON by itself, though joined to its neighbours it might be."""

OTHERS = [
    b": alive\n\n",
    b"event: ping\ndata: {}\n\n",
    b"id: 3\n" + HEAD + b"with an id" + TAIL,
    HEAD.replace(b'"created":1', b'"created":2') + b"later" + TAIL,
    HEAD.replace(b'"index":0', b'"index":1') + b"another answer" + TAIL,
    HEAD + b'said","reasoning":"thought' + TAIL,
    HEAD + b'said","refusal":"no' + TAIL,
    HEAD + b'once","content":"twice' + TAIL,
    HEAD + b"counted" + TAIL.replace(b"}]}", b'}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'),
    HEAD + b"last" + TAIL.replace(b"null", b'"length"'),
    b'data: {"error":{"message":"quota","code":429}}\n\n',
    b"data: nonsense\n\n",
    HEAD + b"filtered" + TAIL.replace(b"}]}", b'}],"error":{"message":"x"}}'),
]  # fmt: skip


def said(stream: bytes, cuts: list[int]) -> tuple[Any, ...]:
    """Return all that a decoder makes of *stream*, cut at *cuts*."""
    decoder = chat()
    edges = [0, *sorted({cut % (len(stream) + 1) for cut in cuts}), len(stream)]
    events = [e for a, b in pairwise(edges) if a < b for e in decoder.feed(stream[a:b])]
    if not decoder.ended:
        events += decoder.end()
    text: dict[str, str] = {}
    for event in events:
        if event.type.endswith(".delta"):
            text[event.type] = text.get(event.type, "") + event.delta
    done = [e.response.model_dump() for e in events if e.type == "response.completed"]
    failure: AgentError | None = decoder.failure
    return text, done, None if failure is None else (failure.code, failure.message)


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(st.sampled_from(PIECES), st.sampled_from(PIECES), st.sampled_from(PIECES + BROKEN)).map(
            lambda piece: HEAD + piece + TAIL
        )
        | st.sampled_from(OTHERS),
        max_size=16,
    ),
    st.lists(st.integers(0, 4000), max_size=6),
)
def test_nothing_else_comes_out_than_one_by_one(events: list[bytes], cuts: list[int]) -> None:
    """However the bytes are cut, and whatever stands between."""
    stream = b"".join(events) + END
    together = said(stream, cuts)
    ends = list(accumulate(map(len, events)))
    each_alone = said(stream, ends)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chat_decoder, "BulkDecoder", Never)
        assert said(stream, cuts) == together
        assert said(stream, ends) == each_alone


class Never(BulkDecoder):
    def learn(self, payload: bytes, chunk: Chunk) -> None:
        """Learn nothing."""


def test_alike_events_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, pieces = chat(), [b"w%d " % n for n in range(50)]
    for piece in pieces[:LEARN_AFTER]:
        decoder.feed(HEAD + piece + TAIL)
    monkeypatch.setattr(chat_decoder, "_decode", None)
    [event] = decoder.feed(b"".join(HEAD + piece + TAIL for piece in pieces[LEARN_AFTER:]))
    assert event.delta == b"".join(pieces[LEARN_AFTER:]).decode()
    assert decoder.failure is None


@pytest.mark.parametrize("step", [1, 3, 40])
def test_pieces_that_each_repeat_all_so_far_are_said_once(step: int) -> None:
    words = [f"word{n} " for n in range(30)]
    stream = b"".join(HEAD + "".join(words[:n]).encode() + TAIL for n in range(1, 31)) + END
    text, [_], failure = said(stream, list(range(0, len(stream), step * 50)))
    assert failure is None
    assert text["response.output_text.delta"] == "".join(words)


@pytest.mark.parametrize(
    "around",
    [
        b'{"choices":[{"delta":{"content":"%b"}}],"content":"%b"}',
        b'{"content":"x","choices":[{"delta":{"content":"%b"}}]}',
        b'{"choices":[{"delta":{"content":"%b","content":"z"}}]}',
        b'{"choices":[{"delta":{"content":"%b"},"finish_reason":"stop"}]}',
        b'{"choices":[{"delta":{"content":"%b"}}],"usage":{"total_tokens":1}}',
    ],
)
def test_what_is_ambiguous_or_says_more_teaches_nothing(around: bytes) -> None:
    payload = around.replace(b"%b", b"text")
    runs = BulkDecoder()
    runs.learn(payload, chat_decoder._decode(payload))
    assert not runs.is_known


def test_a_server_that_says_each_in_other_words_is_not_looked_at_for_ever() -> None:
    runs = BulkDecoder()
    payloads = [b'{"content":%d,"choices":[{"delta":{"content":"a"}}],"x":"content"}' % n for n in range(9)]
    ambiguous = [p.replace(b'"x":"content"', b'"content":"b"') for p in payloads]
    for payload in ambiguous[:TRIES]:
        runs.learn(payload, chat_decoder._decode(payload))
    runs.learn(payloads[0], chat_decoder._decode(payloads[0]))
    assert not runs.is_known

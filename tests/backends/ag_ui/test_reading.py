"""What an AG-UI agent's events are read as, whatever its server is like."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import AgentError
from orchestrator.backends.ag_ui.reading import RunReading
from orchestrator.backends.ag_ui.transcript import Transcript
from orchestrator.backends.base import Emission
from orchestrator.backends.upstream.connections import decode_object
from orchestrator.events import Token, ToolCall, ToolResult
from tests.support.emissions import of_kind, text_in

QUESTION = {"id": "q", "role": "user", "content": "hi"}
EARLIER = {"id": "e", "role": "assistant", "content": "earlier"}


def text(kind: str, message: str | None, delta: str | None = None) -> dict[str, Any]:
    return {"type": f"TEXT_MESSAGE_{kind}", "messageId": message, "delta": delta}


def finished(**keys: Any) -> dict[str, Any]:
    return {"type": "RUN_FINISHED", **keys}


def read(*events: dict[str, Any]) -> tuple[list[Emission], RunReading]:
    reading = RunReading(Transcript(QUESTION, [EARLIER]))
    return [each for event in events for each in reading.feed(event)], reading


def test_messages_that_come_at_once_are_heard_one_after_the_other() -> None:
    pieces = [text("CONTENT", message, f"{message}{n} ") for n in range(3) for message in "ab"]
    said, _ = read(
        {"type": "SUBAGENT_STARTED", "subagentRunId": "s", "name": "alice"},
        {**text("START", "a"), "subagentRunId": "s"},
        text("START", "b"),
        *pieces,
        text("END", "a"),
        text("END", "b"),
        finished(),
    )
    assert text_in(said) == "a0 a1 a2 b0 b1 b2 "
    assert [each.speaker for each in of_kind(said, Token)] == ["alice"] * 3 + [None] * 3


def test_a_message_that_is_never_ended_holds_back_nothing_for_good() -> None:
    said, reading = read(
        text("START", "a"), text("CONTENT", "a", "one "), text("START", "b"), text("CONTENT", "b", "two")
    )
    assert text_in(said) == "one "
    assert text_in([*reading.waiting()]) == "two"
    rest, _ = read(
        text("START", "a"),
        text("CONTENT", "a", "one "),
        text("START", "b"),
        text("CONTENT", "b", "two"),
        finished(),
    )
    assert text_in(rest) == "one two"


def test_chunks_need_no_end() -> None:
    said, _ = read(text("CHUNK", "a", "one "), text("CHUNK", None, "more "), text("CHUNK", "b", "two"))
    assert [each.text for each in of_kind(said, Token)] == ["one ", "more ", "two"]


@pytest.mark.parametrize(
    ("messages", "answer"),
    [
        ([EARLIER, {**QUESTION, "id": "theirs"}, {"id": "a", "role": "assistant", "content": "so"}], "so"),
        ([EARLIER, {"id": "a", "role": "assistant", "content": "so"}], "so"),
        ([QUESTION, {"id": "a", "role": "assistant", "content": [{"type": "text", "text": "so"}]}], "so"),
        ([{"id": "x", "role": "user", "content": "another"}, EARLIER], ""),
        ([EARLIER], ""),
    ],
)
def test_an_answer_that_only_the_messages_have_is_heard(messages: list[Any], answer: str) -> None:
    """Servers may give all messages ids of their own, or have none of the user's in them."""
    said, _ = read({"type": "MESSAGES_SNAPSHOT", "messages": messages}, finished())
    assert text_in(said) == answer


def test_what_a_run_waits_for_has_an_id() -> None:
    """By an empty one nobody could answer, and the agent would wait until its time is over."""
    interrupts = [{"reason": "one"}, {"reason": "two"}]
    _, reading = read(finished(outcome={"type": "interrupt", "interrupts": interrupts}))
    assert [each.interrupt_id for each in reading.interrupts] == ["interrupt.0", "interrupt.1"]


@pytest.mark.parametrize(
    "outcome", ["interrupt", {"type": "interrupt"}, {"type": "interrupt", "interrupts": []}]
)
def test_one_that_waits_for_nothing_that_is_said_has_not_answered(outcome: Any) -> None:
    with pytest.raises(AgentError, match="does not say for what"):
        read(finished(outcome=outcome))


def test_json_of_a_text_that_was_cut_within_an_emoji_is_read() -> None:
    """JavaScript counts an emoji as two characters, and sends each half as an escape."""
    assert decode_object('{"a":"\\ud83d\\ude00"}', "It") == {"a": "😀"}
    cut = decode_object('{"a":"x\\ud83d","b":["\\uDE00","\\ud83d."]}', "It")
    assert cut == {"a": "x\ud83d", "b": ["\ude00", "\ufffd."]}, "the other half may begin the next text"
    for wrong in ('{"a":"\\ud83d"', '{"a":"\\ud83d","b":NaN}', "{"):
        with pytest.raises(AgentError, match="not JSON"):
            decode_object(wrong, "It")


def call(number: int, arguments: str) -> list[dict[str, Any]]:
    call_id = f"c{number}"
    return [
        {"type": "TOOL_CALL_START", "toolCallId": call_id, "toolCallName": "look"},
        {"type": "TOOL_CALL_ARGS", "toolCallId": call_id, "delta": arguments},
        {"type": "TOOL_CALL_END", "toolCallId": call_id},
    ]


LARGE = "x" * 1_000_000


@pytest.mark.parametrize(
    "events",
    [
        lambda n: call(n, LARGE),
        lambda n: [{"type": "CUSTOM", "name": "on_interrupt", "value": LARGE, "rawEvent": {"id": str(n)}}],
        lambda n: [{"type": "TOOL_CALL_RESULT", "toolCallId": "c", "messageId": f"m{n}", "content": "x"}],
    ],
    ids=["arguments", "questions", "results"],
)
def test_a_run_without_an_end_does_not_take_the_memory(events: Any) -> None:
    reading = RunReading(Transcript(QUESTION))

    def feed() -> None:
        for number in range(20_000):
            for event in events(number):
                reading.feed(event)

    with pytest.raises(AgentError, match="more than can be followed"):
        feed()


def test_results_are_kept_for_the_next_run_while_they_fit_into_it() -> None:
    transcript = Transcript(QUESTION)
    reading = RunReading(transcript)
    for number in range(20):
        for event in call(number, "{}"):
            reading.feed(event)
        result = {"type": "TOOL_CALL_RESULT", "toolCallId": f"c{number}", "content": LARGE}
        (heard,) = reading.feed(result)
        assert heard == ToolResult(f"c{number}", LARGE, False), "what is said does not depend on what is kept"
    kept = [each["content"] for each in transcript.messages if each["role"] == "tool"]
    assert kept[0] == LARGE
    assert kept[-1] == "[1,000,000 characters that are not kept]"
    assert sum(map(len, kept)) < 9_000_000


def test_an_account_of_odd_messages_takes_nothing_from_the_answer() -> None:
    odd = [{"role": "assistant", "id": {"a": 1}}, {"role": "assistant", "id": "m", "toolCalls": None}]
    account = {"type": "MESSAGES_SNAPSHOT", "messages": [{**QUESTION, "id": ["q"]}, *odd]}
    start, *rest = call(1, "{}")
    said, reading = read(
        account, {**start, "parentMessageId": "m"}, *rest, text("CONTENT", "m", "ok"), finished()
    )
    assert (of_kind(said, ToolCall), text_in(said)) == ([ToolCall("c1", "look", "{}")], "ok")
    assert reading.ended
    assert read({**account, "messages": odd}, text("CONTENT", "m", "ok"), finished())[1].ended

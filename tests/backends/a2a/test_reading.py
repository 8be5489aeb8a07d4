"""What an A2A agent's updates are read as, whatever its server is like."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from orchestrator import AgentError
from orchestrator.backends.a2a.reading import TaskReading
from orchestrator.backends.base import Emission
from orchestrator.events import Data, File, Reasoning, Status
from orchestrator.events.content import DATA_BYTES, DATA_URL_CHARS, MOST
from tests.support.emissions import of_kind, text_in

DONE = {"statusUpdate": {"taskId": "t", "status": {"state": "TASK_STATE_COMPLETED"}}}


def piece(artifact: str, part: str | dict[str, Any], *, append: bool = False, **keys: Any) -> dict[str, Any]:
    parts = [{"text": part} if isinstance(part, str) else part]
    update = {
        "taskId": "t",
        "append": append,
        "artifact": {"artifactId": artifact, "parts": parts},
        **keys,
    }
    return {"artifactUpdate": update}


def read(*updates: dict[str, Any]) -> tuple[list[Emission], TaskReading]:
    reading = TaskReading()
    return [each for update in updates for each in reading.feed(update)], reading


def test_artifacts_that_come_at_once_are_heard_one_after_the_other() -> None:
    said, _ = read(
        piece("a", "a1 ", lastChunk=False),
        piece("b", "b1 ", lastChunk=False),
        piece("a", "a2 ", append=True, lastChunk=True),
        piece("b", "b2 ", append=True),
        piece("c", "c whole "),
        DONE,
    )
    assert text_in(said) == "a1 a2 b1 b2 c whole "


def test_what_had_to_wait_is_heard_before_a_failure() -> None:
    reading, said = TaskReading(), list[Emission]()
    failed = {"statusUpdate": {"taskId": "t", "status": {"state": "TASK_STATE_FAILED"}}}
    updates = (piece("a", "a1 ", lastChunk=False), piece("b", "b1 ", lastChunk=False), failed)

    def hear() -> None:
        for update in updates:
            for each in reading.feed(update):
                said.append(each)

    with pytest.raises(AgentError, match="failed at its task"):
        hear()
    assert text_in(said) == "a1 b1 "


def test_one_that_comes_whole_need_not_say_so() -> None:
    said, _ = read(piece("a", "one "), piece("b", "two "))
    assert [each for each in said if each] == ["one ", "two "]


def test_what_is_too_large_or_too_much_costs_no_answer() -> None:
    large = {"raw": "A" * DATA_URL_CHARS, "mediaType": "image/png"}
    said, _ = read(
        piece("f", large),
        piece("d", {"data": {"long": "x" * DATA_BYTES}}),
        *(piece("n", {"data": number}, append=True) for number in range(MOST[Data] + 5)),
        *(piece(f"f{number}", {"url": "https://example.org/"}) for number in range(MOST[File] + 5)),
        piece("a", "words"),
        DONE,
    )
    assert (len(of_kind(said, Data)), len(of_kind(said, File))) == (MOST[Data], MOST[File])
    assert text_in(said) == "words"


@pytest.mark.parametrize(
    ("updates", "text", "output"),
    [
        ([piece("d", {"data": {"n": 1}}), DONE], '{"n":1}', {"n": 1}),
        ([{"message": {"parts": [{"data": [1]}]}}], "[1]", [1]),
        ([piece("d", {"data": {"n": 1}}), piece("a", "one"), DONE], "one", UNSET),
    ],
)
def test_an_answer_of_data_alone_is_structured(updates: list[Any], text: str, output: Any) -> None:
    said, reading = read(*updates)
    assert (text_in(said), reading.output) == (text, output)


ASKED = {"role": "ROLE_USER", "parts": [{"text": "hi"}]}
WORKS = {"role": "ROLE_AGENT", "parts": [{"text": "I begin"}]}
SAYS = {"role": "ROLE_AGENT", "parts": [{"text": "It is "}, {"text": "so."}]}
MESSAGE = {"role": "ROLE_AGENT", "parts": [{"text": "The last word."}]}


@pytest.mark.parametrize(
    ("history", "more", "heard"),
    [
        ([ASKED, WORKS, SAYS], {}, "It is so."),
        ([SAYS, ASKED], {}, ""),
        ([ASKED, SAYS], {"artifacts": [{"artifactId": "a", "parts": [{"text": "This."}]}]}, "This."),
        ([ASKED, SAYS], {"artifacts": [{"artifactId": "a", "parts": [{"data": 1}]}]}, "1"),
        ([ASKED, WORKS], {"status": {"state": "TASK_STATE_COMPLETED", "message": MESSAGE}}, "The last word."),
        ("odd", {}, ""),
        ([1, {"role": "ROLE_AGENT", "parts": "x"}], {}, ""),
    ],
)
def test_the_last_message_of_the_history_is_the_answer_if_there_is_no_other(
    history: Any, more: dict[str, Any], heard: str
) -> None:
    """As servers without artifacts have it: the answer is one of the task's messages."""
    task = {"id": "t", "status": {"state": "TASK_STATE_COMPLETED"}, "history": history, **more}
    said, reading = read({"task": task})
    assert (text_in(said), reading.done) == (heard, True)


def test_an_answer_of_data_alone_is_one_with_half_a_character_too() -> None:
    said, reading = read(piece("a", {"data": {"title": "cut \ud83d", "rows": [1]}}), DONE)
    assert text_in(said) == '{"title":"cut \ufffd","rows":[1]}'
    assert reading.output == {"title": "cut \ufffd", "rows": [1]}


def test_who_reports_on_his_work_does_not_answer() -> None:
    """Some servers say in a part's metadata who speaks, of a report on the way as well."""
    part = {"text": "Searching", "metadata": {"speaker": "planner"}}
    status = {
        "state": "TASK_STATE_WORKING",
        "message": {"role": "ROLE_AGENT", "messageId": "m", "parts": [part]},
    }
    said, _ = read({"statusUpdate": {"taskId": "t", "status": status}})
    assert said == [Status("working", "Searching")]


def works(message: dict[str, Any]) -> dict[str, Any]:
    return {"statusUpdate": {"taskId": "t", "status": {"state": "TASK_STATE_WORKING", "message": message}}}


@pytest.mark.parametrize("named", [{}, {"messageId": "m1"}], ids=["texts", "ids"])
def test_what_was_said_at_work_is_no_answer_although_the_history_has_it(named: dict[str, Any]) -> None:
    """Servers move each status's message into the history when the next one comes."""
    begun = {**WORKS, **named}
    history = [ASKED, SAYS, begun]
    done = {"task": {"id": "t", "status": {"state": "TASK_STATE_COMPLETED"}, "history": history}}
    said, _ = read(works(begun), done)
    assert text_in(said) == "It is so."
    said, _ = read(works(begun), {"task": {**done["task"], "history": [ASKED, begun]}})
    assert (text_in(said), of_kind(said, Status)) == ("", [Status("working", "I begin")])


def agent_said(text: str, name: str | None = None) -> dict[str, Any]:
    return {"role": "ROLE_AGENT", "parts": [{"text": text}]} | ({"messageId": name} if name else {})


@pytest.mark.parametrize(
    ("at_work", "history", "heard"),
    [
        (("42", "m1"), [("42", "m1"), ("42", "m2")], "42"),
        (("Done.", "m1"), [("Thinking about it", "m0"), ("Done.", "m2")], "Done."),
        (("I begin", "m1"), [("It is so.", "m1")], "It is so."),
        (("I begin", "m1"), [("It is so.", "m0"), ("I begin", "m1")], "It is so."),
        (("I begin", "m1"), [("I begin", None)], ""),
        (("I begin", None), [("I begin", "m1")], ""),
        (("I begin", None), [("It is so.", "m1")], "It is so."),
    ],
)
def test_an_answer_may_say_the_same_as_was_said_at_work(
    at_work: tuple[str, str | None], history: list[tuple[str, str | None]], heard: str
) -> None:
    """Ids tell the two apart, or texts if one has no id; an id that is used again is not enough."""
    task = {"id": "t", "status": {"state": "TASK_STATE_COMPLETED"}}
    messages = [ASKED, *(agent_said(*each) for each in history)]
    said, _ = read(works(agent_said(*at_work)), {"task": {**task, "history": messages}})
    assert text_in(said) == heard


def test_a_thought_of_nothing_is_none() -> None:
    nothing = {"text": "", "metadata": {"adk_thought": True}}
    said, _ = read(piece("a", nothing, append=True), piece("a", "It is so.", append=True), DONE)
    assert not of_kind(said, Reasoning)
    assert text_in(said) == "It is so."
    status = {"state": "TASK_STATE_WORKING"}
    about = {"type": "reasoning", "text": ""}
    assert read({"statusUpdate": {"taskId": "t", "status": status, "metadata": about}})[0] == []


THOUGHT = {"adk_thought": True}
CALL = {"adk_type": "function_call"}


@pytest.mark.parametrize(
    "update",
    [
        lambda n: piece("a", {"text": "y" * 100_000, "metadata": THOUGHT}, append=True),
        lambda n: piece(f"a{n}", {"data": 1}, append=True),
        lambda n: piece("a", {"data": {"id": f"c{n}", "name": "look"}, "metadata": CALL}, append=True),
    ],
    ids=["thoughts", "artifacts", "calls"],
)
def test_a_task_without_an_end_does_not_take_the_memory(update: Any) -> None:
    reading = TaskReading()

    def feed() -> None:
        for number in range(20_000):
            list(reading.feed(update(number)))

    with pytest.raises(AgentError, match="more than can be followed") as caught:
        feed()
    assert (caught.value.code, caught.value.retryable) == ("upstream_invalid", False)

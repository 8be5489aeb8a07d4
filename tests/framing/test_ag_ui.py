"""Covers `orchestrator/framing/ag_ui.py`: AG-UI events."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.events import ApprovalRequest, Reasoning, Retry, Started, Token, ToolCall, ToolResult

from .scene import Scene, cancelled, done, ended, error, started


def types(told: list[Any]) -> list[str]:
    return [each["type"] for each in told]


def test_an_agent_is_a_subagent_and_all_that_was_begun_is_ended() -> None:
    scene = Scene("ag-ui", thread_id="t1", client_run_id="r1")
    told = scene.say(
        started("a"), ("a", Started(1)), ("a", Reasoning("hm")), ("a", Token("x")), ("a", done("x"))
    )
    assert types(told) == [
        "RUN_STARTED", "SUBAGENT_STARTED", "REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT",
        "REASONING_MESSAGE_END", "REASONING_END", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END",
        "SUBAGENT_FINISHED",
    ]  # fmt: skip
    assert (told[0]["threadId"], told[0]["runId"]) == ("t1", "r1")
    assert {each["subagentRunId"] for each in told[1:]} == {"a.0.1"}
    (last,) = scene.say(ended())
    assert (last["type"], last["outcome"]) == ("RUN_FINISHED", {"type": "success"})


def test_older_clients_get_steps() -> None:
    scene = Scene("ag-ui", subagents=False)
    told = scene.say(started("a"), ("a", Started(1)), ("a", Token("x")), ("a", error("No.")))
    assert types(told)[1] == "STEP_STARTED"
    assert types(told)[-2:] == ["CUSTOM", "STEP_FINISHED"]
    assert not any("subagentRunId" in each for each in told)


def test_no_optional_field_is_null() -> None:
    """The client's own checks refuse null where a field may only be left out."""
    scene = Scene("ag-ui")
    told = scene.say(
        started("a"), ("a", Started(1)), ("a", ToolCall("c1", "look", "")), ("a", ToolResult("c1", "x", False)),
        ("a", Token("x")), ("a", cancelled()), ended("cancelled"),
    )  # fmt: skip
    assert not [each for each in told if None in each.values()]
    assert "TOOL_CALL_ARGS" not in types(told), "an empty piece of arguments is refused, too"


def test_a_retry_ends_the_attempt_and_names_what_is_void() -> None:
    scene = Scene("ag-ui")
    scene.say(started("a"), ("a", Started(1)), ("a", Token("x")))
    told = scene.say(("a", Retry(2, 0.5, "timeout_idle")), ("a", Started(2)))
    assert types(told) == ["TEXT_MESSAGE_END", "CUSTOM", "SUBAGENT_FINISHED", "SUBAGENT_STARTED"]
    assert told[1]["value"]["void"] == ["a.0.1.1"]


@pytest.mark.parametrize(("dialect", "key"), [("ag-ui", "toolCallId"), ("ai-sdk", "toolCallId")])
def test_a_call_of_the_next_attempt_is_another_one_though_it_has_the_same_id(dialect: str, key: str) -> None:
    """AG-UI's client fails at a call that goes on under another subagent than that which began it."""
    scene = Scene(dialect)
    said = ("a", ToolCall("c1", "look", "{}")), ("a", ToolResult("c1", "blue", False))
    first = scene.say(
        started("a"), ("a", Started(1)), *said, ("a", error()), ("a", Retry(2, 0.5, "internal"))
    )
    second = scene.say(("a", Started(2)), *said)
    assert {each[key] for each in first if key in each} == {"a:c1"}
    assert {each[key] for each in second if key in each} == {"a.0.2:c1"}


def test_a_question_interrupts_the_run() -> None:
    scene = Scene("ag-ui")
    scene.say(started("a"), ("a", Started(1)), ("a", Token("x")))
    told = scene.say(("a", ApprovalRequest("c1", "pay", "{}")))
    assert types(told)[-2:] == ["SUBAGENT_FINISHED", "RUN_FINISHED"]
    (interrupt,) = told[-1]["outcome"]["interrupts"]
    assert (interrupt["id"], interrupt["toolCallId"]) == ("run_1/a/c1", "a:c1")


def test_a_failed_run_says_why() -> None:
    scene = Scene("ag-ui")
    assert types(scene.say(started("a"), ("a", Started(1)), ("a", error("No."))))[-1] == "SUBAGENT_ERROR"
    (last,) = scene.say(ended("failed"))
    assert (last["type"], last["message"], last["code"]) == ("RUN_ERROR", "No.", "internal")


def test_a_new_connection_begins_what_still_runs() -> None:
    scene = Scene("ag-ui")
    scene.skip(started("a", "b"), ("a", Started(1)), ("a", Token("x")), ("b", Started(1)), ("b", done()))
    assert types(scene.resumed()) == ["RUN_STARTED", "SUBAGENT_STARTED", "TEXT_MESSAGE_START"]
    assert types(scene.say(("a", Token("y")))) == ["TEXT_MESSAGE_CONTENT"]

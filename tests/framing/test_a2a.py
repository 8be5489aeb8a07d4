"""Covers `orchestrator/framing/a2a.py`: updates of an A2A task."""

from __future__ import annotations

from typing import Any

from orchestrator.events import ApprovalRequest, Reasoning, Retry, Started, Token, ToolCall
from orchestrator.framing.a2a import INPUT_REQUIRED

from .scene import Scene, done, ended, error, started


def artifacts(told: list[Any]) -> list[tuple[str, bool, bool]]:
    found = [each["artifactUpdate"] for each in told if "artifactUpdate" in each]
    return [(each["artifact"]["parts"][0]["text"], each["append"], each["lastChunk"]) for each in found]


def states(told: list[Any]) -> list[str]:
    return [each["statusUpdate"]["status"]["state"] for each in told if "statusUpdate" in each]


def test_an_attempt_is_an_artifact_that_grows() -> None:
    scene = Scene("a2a", context_id="ctx")
    first = scene.say(started("a"))
    assert first[0]["task"] == {
        "id": "run_1",
        "contextId": "ctx",
        "status": {"state": "TASK_STATE_SUBMITTED"},
        "metadata": {"agent_count": 1},
    }
    told = scene.say(("a", Started(1)), ("a", Token("Ye")), ("a", Token("s.")), ("a", done("Yes.")))
    assert artifacts(told) == [("Ye", False, False), ("s.", True, False), ("", True, True)]
    assert states(scene.say(ended())) == ["TASK_STATE_COMPLETED"]


def test_a_client_of_json_rpc_gets_each_frame_as_an_answer_to_its_call() -> None:
    scene = Scene("a2a", rpc_id="r7")
    told = scene.say(started("a"), ("a", Token("x")))
    assert {(each["jsonrpc"], each["id"]) for each in told} == {("2.0", "r7")}
    assert artifacts([each["result"] for each in told]) == [("x", False, False)]


def test_thoughts_and_tools_are_told_beside_the_artifacts() -> None:
    scene = Scene("a2a")
    told = scene.say(started("a"), ("a", Reasoning("hm")), ("a", ToolCall("c1", "look", "{}")))
    assert [each["statusUpdate"]["metadata"]["type"] for each in told[1:]] == [
        "started",
        "reasoning",
        "tool_call",
    ]
    assert artifacts(told) == []


def test_a_retry_takes_its_artifact_back() -> None:
    scene = Scene("a2a")
    scene.say(started("a"), ("a", Started(1)), ("a", Token("x")))
    (told,) = scene.say(("a", Retry(2, 0.5, "timeout_idle")))
    assert told["statusUpdate"]["metadata"]["void"] == ["a.0.1"]
    assert scene.framing.task()["artifacts"] == []
    assert artifacts(scene.say(("a", Started(2)), ("a", Token("y")))) == [("y", False, False)]


def test_a_question_needs_input() -> None:
    scene = Scene("a2a")
    told = scene.say(started("a"), ("a", Started(1)), ("a", ApprovalRequest("c1", "pay", "{}")))
    assert states(told)[-1] == INPUT_REQUIRED == scene.framing.task()["status"]["state"]
    assert "pay" in told[-1]["statusUpdate"]["status"]["message"]["parts"][0]["text"]
    assert scene.framing.is_finished


def test_a_failure_has_its_words() -> None:
    scene = Scene("a2a")
    scene.say(started("a"), ("a", error("It broke.")))
    (last,) = scene.say(ended("failed"))
    assert last["statusUpdate"]["status"]["state"] == "TASK_STATE_FAILED"
    assert last["statusUpdate"]["status"]["message"]["parts"] == [{"text": "It broke."}]


def test_whoever_comes_later_hears_first_what_the_task_is() -> None:
    events = [started("a"), ("a", Started(1)), ("a", Token("Yes."))]
    whole = Scene("a2a", with_task=True)
    whole.skip(*events)
    (told,) = whole.resumed()
    assert told["task"]["artifacts"][0]["parts"] == [{"text": "Yes."}]
    again = Scene("a2a")
    again.skip(*events)
    (told,) = again.resumed()
    assert "artifacts" not in told["task"], "this reader has them, and would have them twice"
    assert artifacts(again.say(("a", Token("!")))) == [("!", True, False)]

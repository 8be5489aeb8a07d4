"""Covers `orchestrator/framing/mcp.py`: the answer to an MCP tool call."""

from __future__ import annotations

from orchestrator.events import Retry, Started, Status, Token
from orchestrator.events.panel import PanelResult, PanelStage

from .scene import Scene, cancelled, done, ended, error, started


def test_the_result_is_words_for_a_model_and_data_for_a_program() -> None:
    scene = Scene("mcp", rpc_id=7)
    assert (
        scene.say(
            started("a", "b"), ("a", Started(1)), ("a", Token("Yes.")), ("a", done()), ("b", error("No."))
        )
        == []
    )
    (answer,) = scene.say(ended("partial"))
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
    result = answer["result"]
    assert result["content"] == [{"type": "text", "text": "A:\nYes.\n\nB:\n(failed: No.)"}]
    assert result["structuredContent"]["agents"]["b"] == {
        "status": "error",
        "text": "",
        "code": "internal",
        "message": "No.",
    }
    assert result["isError"] is False


def test_one_agent_alone_is_quoted_without_its_name() -> None:
    scene = Scene("mcp")
    scene.say(started("a"), ("a", Token("Yes.")), ("a", done()), ended())
    assert scene.framing.result()["content"][0]["text"] == "Yes."


def test_progress_is_told_to_whoever_gave_a_token_and_its_steps_rise() -> None:
    scene = Scene("mcp", progress_token="p1")
    told = scene.say(
        started("a"),
        ("a", Started(1)),
        ("a", Status("tool", "clock")),
        ("a", Token("x")),
        ("a", Token("y")),
        ("a", done()),
    )
    assert {each["method"] for each in told} == {"notifications/progress"}
    assert [each["params"]["progress"] for each in told] == [2, 3, 4, 6], "each as its event is numbered"
    assert [each["params"]["message"] for each in told] == [
        "A works",
        "A: tool, clock",
        "A answers",
        "A is done",
    ]
    assert told[0]["params"]["progressToken"] == "p1"


def test_a_failed_attempts_words_are_no_part_of_the_answer() -> None:
    scene = Scene("mcp")
    scene.say(started("a"), ("a", Started(1)), ("a", Token("half")), ("a", Retry(2, 0.5, "timeout_idle")))
    scene.say(("a", Started(2)), ("a", Token("whole")), ("a", done(attempt=2)), ended())
    assert scene.framing.result()["content"][0]["text"] == "whole"


def test_a_run_in_which_all_failed_is_an_error_with_their_words() -> None:
    scene = Scene("mcp")
    scene.say(started("a", "b"), ("a", error("No.")), ("b", error("No.")), ended("failed"))
    result = scene.framing.result()
    assert (result["isError"], result["content"][0]["text"]) == (True, "No.")


def test_of_a_panel_the_last_word_is_the_answer_else_what_was_decided() -> None:
    scene = Scene("mcp")
    scene.say(started("a", "m", panel="judge"), ("panel", PanelStage("judge", "judge", "final", ["m"])))
    scene.say(("a", Started(1, "panel")), ("a", Token("Yes.")), ("a", done()))
    scene.say(("m", Started(1, "final")), ("m", Token("So.")), ("m", done()), ended())
    assert scene.framing.result()["structuredContent"]["answer"] == "So."
    scene = Scene("mcp")
    scene.say(started("a", panel="vote"), ("a", Started(1, "panel")), ("a", Token("Yes!")), ("a", done()))
    scene.say(("panel", PanelResult("vote", "vote", "decided", "a", [], {}, [], answer="yes")), ended())
    assert scene.framing.result()["content"][0]["text"] == "yes"


def test_a_cancelled_agent_has_its_status_in_place_of_words() -> None:
    scene = Scene("mcp")
    scene.say(started("a", "b"), ("a", cancelled()), ("b", Token("Yes.")), ("b", done()), ended("partial"))
    assert scene.framing.result()["content"][0]["text"] == "A:\n(cancelled)\n\nB:\nYes."

"""Covers `orchestrator/framing/ai_sdk.py`: the AI SDK's UI message stream."""

from __future__ import annotations

from orchestrator.events import ApprovalRequest, Reasoning, Retry, Started, Token, ToolCall, ToolResult
from orchestrator.events.panel import PanelResult, PanelStage

from .scene import Scene, done, ended, error, started


def types(told: list[object]) -> list[object]:
    return [each["type"] if isinstance(each, dict) else each for each in told]


def test_every_part_is_begun_and_ended_under_its_own_id() -> None:
    scene = Scene("ai-sdk")
    told = scene.say(
        started("a"), ("a", Started(1)), ("a", Reasoning("hm")), ("a", Token("x")), ("a", done("x"))
    )
    assert types(told) == [
        "start", "data-agent", "reasoning-start", "reasoning-delta", "reasoning-end",
        "text-start", "text-delta", "text-end", "data-agent",
    ]  # fmt: skip
    assert [each["id"] for each in told if each["type"].startswith("text")] == ["a.0.1.2"] * 3
    assert types(scene.say(ended())) == ["finish", "[DONE]"]


def test_a_text_says_whose_it_is_for_pages_that_show_nothing_else() -> None:
    scene = Scene("ai-sdk", labels=True)
    told = scene.say(started("a"), ("a", Started(1)), ("a", Token("x")))
    assert [each["delta"] for each in told if each["type"] == "text-delta"] == ["**A:** ", "x"]


def test_a_tool_ends_in_its_output_or_its_error_and_never_stays_open() -> None:
    scene = Scene("ai-sdk")
    scene.say(started("a"), ("a", Started(1)))
    assert types(scene.say(("a", ToolCall("c1", "look", "{}")), ("a", ToolResult("c1", "blue", False)))) == [
        "tool-input-available",
        "tool-output-available",
    ]
    (failed,) = scene.say(("a", ToolCall("c2", "look", "oops")), ("a", ToolResult("c2", "No.", True)))[1:]
    assert (failed["type"], failed["errorText"]) == ("tool-output-error", "No.")
    left = scene.say(("a", ToolCall("c3", "look", "{}")), ("a", done()))
    assert left[1]["errorText"] == "The tool was not run."


def test_an_approval_is_asked_for_only_where_the_client_knows_such_a_frame() -> None:
    ask = ApprovalRequest("c1", "pay", "{}")
    scene = Scene("ai-sdk", approvals=True)
    told = scene.say(started("a"), ("a", Started(1)), ("a", ask))
    (question,) = (
        each for each in told if isinstance(each, dict) and each["type"] == "tool-approval-request"
    )
    assert question["approvalId"] == "run_1/a/c1"
    assert types(told)[-2:] == ["finish", "[DONE]"]
    older = Scene("ai-sdk")
    told = older.say(started("a"), ("a", Started(1)), ("a", ask))
    assert "tool-approval-request" not in types(told)
    assert not older.framing.is_finished


def test_a_retry_names_the_parts_that_do_not_count() -> None:
    scene = Scene("ai-sdk")
    scene.say(started("a"), ("a", Started(1)), ("a", Token("x")))
    told = scene.say(("a", Retry(2, 0.5, "timeout_idle")))
    assert types(told) == ["text-end", "data-agent"]
    assert (told[-1]["data"]["void"], told[-1]["data"]["code"]) == (["a.0.1.1"], "timeout_idle")


def test_a_failed_run_ends_in_its_errors_and_a_cancelled_one_in_an_abort() -> None:
    scene = Scene("ai-sdk")
    scene.say(started("a"), ("a", error("It broke.")))
    told = scene.say(ended("failed"))
    assert types(told) == ["message-metadata", "error", "[DONE]"]
    assert told[1]["errorText"] == "It broke."
    assert types(Scene("ai-sdk").say(started("a"), ended("cancelled")))[1:] == ["abort", "finish", "[DONE]"]


def test_a_panel_is_one_part_that_is_replaced() -> None:
    scene = Scene("ai-sdk")
    scene.say(started("a", panel="vote"))
    stage = PanelStage("vote", "vote", "panel", ["a"])
    result = PanelResult("vote", "vote", "decided", "a", [], {"yes": 1}, [], answer="yes")
    told = scene.say(("panel", stage), ("panel", result))
    assert [each["id"] for each in told] == ["panel", "panel"]
    assert told[1]["data"]["answer"] == "yes"

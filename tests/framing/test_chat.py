"""Covers `orchestrator/framing/chat.py`: chunks of OpenAI's chat completions."""

from __future__ import annotations

from typing import Any

from orchestrator.events import Reasoning, Started, Token, Usage
from orchestrator.events.panel import PanelResult, PanelStage
from orchestrator.events.snapshot import AgentSnapshot
from orchestrator.framing.chat import chat_id

from .scene import Scene, done, ended, error, started


def deltas(chunks: list[Any]) -> list[tuple[int, dict[str, Any], str | None]]:
    found = [chunk["choices"][0] for chunk in chunks if chunk != "[DONE]" and chunk["choices"]]
    return [(choice["index"], choice["delta"], choice["finish_reason"]) for choice in found]


def test_each_agent_is_a_choice() -> None:
    scene = Scene("chat", model="a+b", created=5)
    opened = scene.say(started("a", "b"))
    assert {(chunk["id"], chunk["model"], chunk["created"]) for chunk in opened} == {("chatcmpl-1", "a+b", 5)}
    assert [place for place, _, _ in deltas(opened)] == [0, 1]
    said = scene.say(("b", Started(1)), ("b", Reasoning("hm")), ("b", Token("Yes.")), ("b", done("Yes.")))
    assert deltas(said) == [
        (1, {"reasoning_content": "hm"}, None),
        (1, {"content": "Yes."}, None),
        (1, {}, "stop"),
    ]


def test_a_stream_ends_with_done_whatever_became_of_the_run() -> None:
    scene = Scene("chat")
    scene.say(started("a"), ("a", Started(1)), ("a", error("It broke.")))
    last = scene.say(ended("failed"))
    assert last[-1] == "[DONE]"
    assert last[0]["error"] == {
        "message": "It broke.",
        "type": "server_error",
        "param": None,
        "code": "internal",
    }
    assert scene.framing.closing() == b""
    assert b"[DONE]" in Scene("chat").framing.closing(), "also where the server ends it before the run does"


def test_usage_is_summed_and_sent_if_it_was_asked_for() -> None:
    scene = Scene("chat", include_usage=True)
    scene.say(started("a", "b"), ("a", done("x", Usage(1, 2))), ("b", done("y", Usage(10, 20))))
    usage = scene.say(ended())[0]
    assert (usage["choices"], usage["usage"]) == (
        [],
        {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33},
    )


def test_of_a_panel_only_the_last_word_is_the_answer() -> None:
    """Members' words come whole and as reasoning: several at once cannot be read word by word in one choice."""
    scene = Scene("chat")
    scene.say(started("a", "m", panel="judge"))
    assert deltas(scene.say(("a", Started(1, "panel")), ("a", Token("Yes.")))) == []
    assert deltas(scene.say(("a", done("Yes.")))) == [(0, {"reasoning_content": "A:\nYes.\n\n"}, None)]
    assert deltas(scene.say(("m", Started(1, "final")), ("m", Token("So it is.")), ("m", done()))) == [
        (0, {"content": "So it is."}, None)
    ]
    assert deltas(scene.say(ended())) == [(0, {}, "stop")]
    (choice,) = scene.framing.completion()["choices"]
    assert (choice["message"]["content"], choice["message"]["reasoning_content"]) == ("So it is.", "A:\nYes.")


def test_a_panel_without_a_moderator_answers_with_what_it_decided() -> None:
    scene = Scene("chat")
    result = PanelResult("vote", "vote", "decided", "a", [], {}, [], answer="Yes.")
    scene.say(started("a", panel="vote"), ("panel", PanelStage("vote", "vote", "panel", ["a"])))
    assert deltas(scene.say(("panel", result))) == [(0, {"content": "Yes."}, None)]
    assert scene.framing.completion()["choices"][0]["message"]["content"] == "Yes."


def test_the_whole_run_as_one_completion() -> None:
    scene = Scene("chat", model="m")
    scene.say(
        started("a", "b"),
        ("a", Token("Ye")),
        ("a", Token("s.")),
        ("a", done()),
        ("b", error()),
        ended("partial"),
    )
    whole = scene.framing.completion()
    assert whole["object"] == "chat.completion"
    assert [
        (c["message"]["agent_id"], c["message"]["content"], c["finish_reason"]) for c in whole["choices"]
    ] == [
        ("a", "Yes.", "stop"),
        ("b", "", "error"),
    ]


def test_after_a_gap_the_text_so_far_comes_first() -> None:
    scene = Scene("chat")
    told = scene.gap(a=AgentSnapshot("running", 1, "Ye", None, None, None))
    assert (0, {"content": "Ye"}, None) in deltas(told)
    assert deltas(scene.say(("a", Token("s.")))) == [(0, {"content": "s."}, None)]


def test_a_runs_id_is_the_completions() -> None:
    assert chat_id("run_abc") == "chatcmpl-abc"

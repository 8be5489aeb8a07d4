"""Covers `orchestrator/server/http/dialects/prompt.py`: who is asked, and what, in another API's words."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.config.panels import check_panel
from orchestrator.errors import InvalidRequest, NotFound
from orchestrator.run.registry import AgentRegistry
from orchestrator.server.http.dialects.prompt import (
    ParsedPrompt,
    addressed,
    models,
    read_content,
    read_messages,
)
from tests.support.spine import settings


def registry() -> AgentRegistry:
    agents = {"a": settings("a", title="Ann", description="Says yes."), "b": settings("b")}
    panels = {"jury": check_panel({"panel_id": "jury", "method": "vote", "members": ["a", "b"]})}
    return AgentRegistry(agents, backends={}, panels=panels)


def test_the_users_last_message_is_the_question_and_the_others_stand_before_it() -> None:
    question = read_messages(
        [
            {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."}, {"role": "tool", "content": "42"}, "odd",
            {"role": "user", "content": [{"type": "text", "text": "And now?"}]},
            {"role": "assistant", "content": "Well,"},
        ]
    )  # fmt: skip
    assert question.text == "And now?"
    assert question.message == "Instructions: Be brief.\n\nUser: Hi\n\nAssistant: Hello.\n\nUser: And now?"


def test_a_question_alone_is_asked_as_it_is() -> None:
    assert ParsedPrompt("hi").message == "hi"
    assert read_messages([{"role": "user", "content": "hi"}]).message == "hi"


@pytest.mark.parametrize("messages", [None, "hi", {}, [], [{"role": "assistant", "content": "x"}], [1, None]])
def test_without_a_question_nothing_is_asked(messages: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_messages(messages, at="input")
    assert [field.at for field in caught.value.fields] == ["input"]


@pytest.mark.parametrize(
    ("content", "text", "images"),
    [
        ("hi", "hi", []), (None, "", []), (7, "", []), (["odd"], "", []),
        ([{"type": "input_text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb", []),
        ([{"type": "text", "text": 5}, {"type": "audio", "text": "x"}], "", []),
        ([{"type": "image_url", "image_url": {"url": "https://x/y.png"}}], "", ["https://x/y.png"]),
        ([{"type": "input_image", "image_url": "https://x/y.png"}, {"image_url": {"url": 5}}], "", ["https://x/y.png"]),
    ],
)  # fmt: skip
def test_contents(content: Any, text: str, images: list[str]) -> None:
    assert read_content(content) == (text, images)


@pytest.mark.parametrize(
    ("model", "body", "who"),
    [
        (None, {}, {}), ("default", {}, {}), ("a", {}, {"agents": ["a"]}), ("b+a", {}, {"agents": ["b", "a"]}),
        ("panel:jury", {}, {"panel": "jury"}), ("gpt-9", {"agents": ["a"]}, {"agents": ["a"]}),
        ("a", {"panel": "jury", "agents": None}, {"panel": "jury"}),
    ],
)  # fmt: skip
def test_a_model_names_agents_or_a_panel_unless_the_body_does(
    model: object, body: dict[str, Any], who: dict[str, Any]
) -> None:
    assert addressed(registry(), model, body) == who


@pytest.mark.parametrize("model", ["gpt-9", "a+zed", "panel:zed", "a+"])
def test_an_unknown_model_is_not_found(model: str) -> None:
    with pytest.raises(NotFound):
        addressed(registry(), model, {})


@pytest.mark.parametrize("model", [7, "", ["a"]])
def test_a_model_that_is_no_name_is_the_clients_fault(model: object) -> None:
    with pytest.raises(InvalidRequest):
        addressed(registry(), model, {})


def test_all_that_can_be_asked_is_listed_and_can_be_asked() -> None:
    found = list(models(registry()))
    assert found[0] == ("a", "Ann", "Says yes.")
    assert [model for model, _, _ in found] == ["a", "b", "panel:jury"]
    for model, _, _ in found:
        assert addressed(registry(), model, {})

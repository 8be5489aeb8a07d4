"""Covers `orchestrator/panels/settings.py`: what fits together within one panel, without a file."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.panels.settings import MOST_PATTERN_CHARS, MOST_STAGES, PanelSettings
from orchestrator.settings.environment import EnvText


def panel(**keys: Any) -> PanelSettings:
    return PanelSettings.model_validate({"method": "vote", "members": ["a", "b"], **keys})


def layered(layers: Any) -> PanelSettings:
    return panel(method="layers", moderator="m", members=["a"], layers=layers)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"method": "duel"}, "should be one of moderator"), ({"members": ["a", "a"]}, "twice"),
        ({"members": ["a"]}, "needs 2 members"), ({"moderator": "m"}, "has no part"),
        ({"method": "judge"}, "is missing"), ({"method": "debate", "prompt": "{answers}"}, "read by nobody"),
        ({"prompt": "{anwsers}"}, "unknown placeholder {anwsers}"),
        ({"prompt": "{question}" * 5000}, "has {question} 5000 times, more than 4"),
        ({"limits": {"max_input_chars": 10**9}}, "1000000"), ({"start_when": "never"}, "should be all"),
        ({"start_when": {"all": False}}, "should say"), ({"start_when": {"quorum": 3}}, "quorum"),
        ({"method": "judge", "moderator": {"agent": "m", "fallback": ["m"]}}, "twice"),
        ({"method": "judge", "moderator": 5}, "agent's id"), ({"rounds": MOST_STAGES + 1}, str(MOST_STAGES)),
        ({"valid": "x" * (MOST_PATTERN_CHARS + 1)}, "shorten"), ({"panel_id": "No"}, "rename"), ({"typo": 1}, "typo"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_named(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        panel(**keys)
    assert says in str(caught.value)


def test_short_forms_say_the_same_as_long_ones() -> None:
    short = panel(method="judge", moderator="m", start_when="all")
    long = panel(method="judge", moderator={"agent": "m", "fallback": []}, start_when={"all": True})
    assert short == long
    assert panel(method="judge", moderator={"agent": "m", "fallback": "n"}).last_words == ("m", "n")


@pytest.mark.parametrize(
    "layers", [0, MOST_STAGES + 1, True, "two", [], [[]], [["a"], []], [["a", "a"]], [["RUN!"]], [[3]]]
)
def test_layers_that_are_none(layers: Any) -> None:
    with pytest.raises(ValidationError):
        layered(layers)


def test_layers_are_counted_or_have_agents_of_their_own() -> None:
    counted, named = layered(3), layered([["x", "y"], ["y", "z"]])
    assert (counted.named_layers, counted.answering, counted.opening) == ((), ("a",), ("a",))
    assert named.named_layers == (("x", "y"), ("y", "z"))
    assert (named.answering, named.opening) == (("x", "y", "z"), ("x", "y"))
    assert named.everyone == ("a", "m", "x", "y", "z")
    assert layered(EnvText("3")).layers == 3


def test_layers_of_a_method_without_any_ask_nobody() -> None:
    assert panel(layers=[["x"]]).everyone == ("a", "b")


def test_events_call_it_by_its_id_else_by_its_method() -> None:
    assert (panel(panel_id="jury").name, panel().name) == ("jury", "vote")


def test_a_pattern_of_a_request_is_not_compiled_here_and_one_of_a_file_is() -> None:
    """Compiling takes seconds if its author wants it to, and would hold the loop up."""
    assert panel(method="race", valid="(").valid == "("
    with pytest.raises(ValidationError, match="regular expression"):
        PanelSettings.model_validate(
            {"method": "race", "members": ["a", "b"], "valid": "("}, context={"file": "panels/x.yaml"}
        )


def test_it_survives_being_kept_as_plain_data() -> None:
    """A run's record holds it so, and another worker reads it back."""
    for one in (
        panel(),
        layered([["x"], ["y"]]),
        panel(method="judge", moderator={"agent": "m", "attempts": 3}),
    ):
        assert PanelSettings.model_validate(one.model_dump(mode="json")) == one

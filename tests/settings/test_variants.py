"""What a request may change of an agent, and what becomes of its settings."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.backends.offline.settings import OfflineSettings
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.backends.registry import settings_classes
from orchestrator.settings.variants import VariableKey, WrongVariant, variable_keys, vary


def model_agent(**keys: Any) -> OpenAIAgentsSettings:
    given: dict[str, Any] = {
        "agent_id": "skeptic", "model": "small", "instructions": "Doubt.", "base_url": "http://127.0.0.1:9/v1",
        "variants": ("instructions", "model", "model_settings.temperature", "model_settings.max_tokens",
                     "model_settings.truncation", "model_settings.reasoning", "model_settings.parallel_tool_calls"),
        "variant_models": ("large",), "prices": {"input": 1, "output": 2},
        "model_settings": {"temperature": 0.5, "top_p": 1.0},
    }  # fmt: skip
    return OpenAIAgentsSettings(**{**given, **keys})


def test_each_key_is_described_by_the_type_that_a_form_needs() -> None:
    assert variable_keys(model_agent()) == [
        VariableKey("instructions", "text"),
        VariableKey("model", "text", ("small", "large")),
        VariableKey("model_settings.temperature", "number"),
        VariableKey("model_settings.max_tokens", "integer"),
        VariableKey("model_settings.truncation", "text", ("auto", "disabled")),
        VariableKey("model_settings.reasoning", "json"),
        VariableKey("model_settings.parallel_tool_calls", "boolean"),
    ]


def test_all_that_a_kind_lets_be_changed_can_be_described() -> None:
    for settings in settings_classes().values():
        for key in settings.may_vary:
            name, _, inner = key.partition(".")
            assert name in settings.model_fields, key
            assert bool(inner) == (name == "model_settings"), key


def test_changes_are_merged_and_leave_the_agent_as_it_was() -> None:
    agent = model_agent()
    changed = vary(agent, {"instructions": "Be bold.", "model_settings": {"temperature": 1.2}})
    assert (changed.instructions, changed.model_settings) == ("Be bold.", {"temperature": 1.2, "top_p": 1.0})
    assert (agent.instructions, agent.model_settings["temperature"]) == ("Doubt.", 0.5)
    assert changed.prices == agent.prices


def test_another_model_has_no_price() -> None:
    """What it costs is not known: a sum that looks right and is wrong would be worse than none."""
    assert vary(model_agent(), {"model": "large"}).prices is None
    assert vary(model_agent(), {"model": "small"}).prices is not None


@pytest.mark.parametrize(
    ("changes", "at", "why"),
    [
        ({"tools": []}, "tools", "is none of the keys"),
        ({"api_key": "x"}, "api_key", "is none of the keys"),
        ({"model": "huge"}, "model", "may be one of large"),
        ({"model": 7}, "model", "should be text"),
        ({"model_settings": {"top_p": 0.5}}, "model_settings.top_p", "is none of the keys"),
        ({"model_settings": {"extra_body": {}}}, "model_settings.extra_body", "is none of the keys"),
        ({"model_settings": {"temperature": "hot"}}, "model_settings.temperature", "should be a number"),
        ({"model_settings": {"temperature": True}}, "model_settings.temperature", "should be a number"),
        ({"model_settings": {"temperature": -1}}, "model_settings.temperature", "greater than or equal to 0"),
        ({"model_settings": {"truncation": "never"}}, "model_settings.truncation", "should be 'auto' or"),
        ({"model_settings": 3}, "model_settings", "should hold keys and values"),
        ({"instructions": 3}, "instructions", "should be text"),
    ],
)
def test_what_may_not_be_changed_is_refused_with_its_place(
    changes: dict[str, Any], at: str, why: str
) -> None:
    with pytest.raises(WrongVariant) as refused:
        vary(model_agent(), changes)
    ((where, what),) = refused.value.problems
    assert where == at
    assert why in what


@pytest.mark.parametrize("value", [1.5, -1, "x", "3", True, None, []])
def test_a_strict_number_stays_strict(value: object) -> None:
    with pytest.raises(WrongVariant):
        vary(OfflineSettings(agent_id="a", variants=("seed",)), {"seed": value})


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"variants": ("api_key",)}, "'api_key' in `variants`"),
        ({"variants": ("model_settings.extra_headers",)}, "extra_headers"),
        ({"variants": ("model_settings",)}, "'model_settings' in `variants`"),
        ({"variants": ("model",), "variant_models": ()}, "`variant_models`"),
        ({"variants": (), "variant_models": ("large",)}, "`variant_models`"),
        ({"limits": {"max_cost": 1.0}}, "what `variant_models` cost is not known"),
    ],
)
def test_a_file_that_lists_what_cannot_be_is_refused(keys: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        model_agent(**keys)


def test_an_object_of_ones_own_brings_its_settings() -> None:
    with pytest.raises(ValidationError, match="remove `variants`"):
        OpenAIAgentsSettings(agent_id="a", agent="shop:agent", variants=("instructions",))

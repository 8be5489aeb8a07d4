"""Whether a provider's filter says that it took something out."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.backends.openai.model.content_filter import is_filtered

FILTERED: list[Any] = [
    {"promptFeedback": {"blockReason": "SAFETY"}},
    {"choices": [{"content_filter_results": {"hate": {"filtered": True}}}]},
    {"prompt_filter_results": [{"content_filter_results": {"jailbreak": {"filtered": True}}}]},
    {"moderation": {"results": [{"flagged": True}]}},
    {"input_sensitive": True},
]
UNFILTERED: list[Any] = [
    None,
    {"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}},
    {"choices": [{"content_filter_results": {"hate": {"filtered": False}}, "delta": {"filtered": True}}]},
    {"filtered": True, "output_sensitive": False},
]


@pytest.mark.parametrize("value", FILTERED)
def test_a_filter_is_noticed_where_it_tells_of_itself(value: Any) -> None:
    assert is_filtered(value)


@pytest.mark.parametrize("value", UNFILTERED)
def test_a_filter_that_let_all_through_is_none(value: Any) -> None:
    assert not is_filtered(value)

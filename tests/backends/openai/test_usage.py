"""What an answer counts: OpenAI's own form is read without a search, to the same result as any other's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.backends.openai.model import usage
from orchestrator.backends.openai.model.content_filter import _BLOCK_REASONS, _FLAGS, _FLAGS_OF_FILTERS
from orchestrator.backends.openai.model.stream_markers import may_count, may_judge
from orchestrator.backends.openai.model.usage import _INPUT, _OUTPUT, _PLACES, usage_as_chat

PLAIN = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"total_tokens": 99},
        {"prompt_tokens_details": None, "completion_tokens_details": None},
        {"prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0}},
        {"completion_tokens_details": {"reasoning_tokens": 7, "accepted_prediction_tokens": 1}},
        {"prompt_tokens_details": {}, "completion_tokens_details": {"reasoning_tokens": 0}},
    ],
)
def test_openais_own_counts_are_read_at_once(more: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The short way exists for speed alone, so it must say what the search would say."""
    counted = PLAIN | more
    at_once = usage._openais(counted)
    assert at_once is not None
    assert usage_as_chat(counted) == at_once
    monkeypatch.setattr(usage, "_openais", lambda _: None)
    assert usage_as_chat(counted) == at_once


@pytest.mark.parametrize(
    "more",
    [
        {"prompt_tokens": "5"},
        {"completion_tokens": 0},
        {"total_tokens": None},
        {"prompt_cache_hit_tokens": 3},
        {"prompt_tokens_details": {"cache_creation_tokens": 3}},
        {"prompt_tokens_details": {"cached_tokens": None}},
        {"completion_tokens_details": [1]},
        {"prompt_tokens": True},
    ],
)
def test_whatever_else_a_server_counts_is_searched(more: dict[str, Any]) -> None:
    """A name or a number that OpenAI does not send may mean something."""
    assert usage._openais(PLAIN | more) is None


@pytest.mark.parametrize("name", sorted({*_INPUT, *_OUTPUT}))
def test_a_last_chunk_that_counts_is_looked_into(name: str) -> None:
    """A name that the quick look does not know would lose the run's count."""
    assert may_count(json.dumps({"choices": [], "x": {name: 1}}).encode())
    assert may_count(json.dumps({name.upper(): 1}).encode())


@pytest.mark.parametrize("name", sorted(_FLAGS | _FLAGS_OF_FILTERS | _BLOCK_REASONS | {"guardrailAction"}))
def test_a_last_chunk_that_tells_of_a_filter_is_looked_into(name: str) -> None:
    """An answer that was withheld must not look like one that ended well."""
    assert may_judge(json.dumps({"choices": [{"content_filter_results": {name: True}}]}).encode())
    assert may_judge(json.dumps({name: True}).encode())


def test_a_plain_last_chunk_is_not_looked_into() -> None:
    last = (
        b'{"id":"c1","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}'
    )
    assert not may_count(last)
    assert not may_judge(last)
    assert may_judge(rb'{"choices":[],"\u0065rror":{}}')
    assert "usage" in _PLACES

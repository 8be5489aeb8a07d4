"""What is counted as a number of tokens, and that an answer stands whatever was counted of it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from orchestrator import Usage
from orchestrator.backends.a2a.reading import TaskReading
from orchestrator.backends.ag_ui.reading import RunReading
from orchestrator.backends.ag_ui.transcript import Transcript
from orchestrator.backends.langgraph.reading import GraphReading
from orchestrator.backends.langgraph.runs import GraphRuns
from orchestrator.backends.letta.decoder import MessageDecoder
from orchestrator.backends.token_counts import token_count

NONE: list[Any] = [
    None,
    True,
    -1,
    -0.5,
    math.nan,
    math.inf,
    -math.inf,
    2**53,
    10**30,
    "7",
    "x",
    [1],
    {"a": 1},
]


@pytest.mark.parametrize(("value", "count"), [(0, 0), (7, 7), (7.0, 7), (2**53 - 1, 2**53 - 1)])
def test_numbers_are_counts_as_protobuf_has_them_too(value: Any, count: int) -> None:
    assert token_count(value) == count
    assert type(token_count(value)) is int


@pytest.mark.parametrize("value", NONE, ids=repr)
def test_all_else_is_none(value: Any) -> None:
    assert token_count(value) is None


class Message:
    """A message of LangChain whose model was answered by an odd server."""

    type, id, content = "ai", "m", "It stands."

    def __init__(self, odd: Any) -> None:
        details: Any = {"cache_read": odd, "reasoning": odd}
        self.usage_metadata = {"input_tokens": odd, "output_tokens": 3.0, "input_token_details": details,
                               "output_token_details": odd}  # fmt: skip


def of_graph(odd: Any) -> Usage | None:
    reading = GraphReading(GraphRuns(), speakers=False)
    list(reading.feed("messages", (Message(odd), {})))
    return reading.usage


def of_task(odd: Any) -> Usage | None:
    reading = TaskReading()
    about = {"usage": {"input_tokens": odd, "output_tokens": 3.0, "cached_input_tokens": odd}}
    list(reading.feed({"statusUpdate": {"status": {"state": "TASK_STATE_WORKING"}, "metadata": about}}))
    return reading.usage


def of_run(odd: Any) -> Usage | None:
    reading = RunReading(Transcript({"id": "q", "role": "user", "content": "hi"}))
    counts = {"inputTokens": odd, "outputTokens": 3.0, "cachedInputTokens": odd, "reasoningTokens": odd}
    reading.feed({"type": "RUN_FINISHED", "usage": [odd, counts]})
    return reading.usage


def of_microsofts(odd: Any) -> Usage | None:
    reading = RunReading(Transcript({"id": "q", "role": "user", "content": "hi"}))
    counts = {"input_token_count": odd, "output_token_count": 3.0, "cache_read_input_token_count": odd}
    reading.feed({"type": "CUSTOM", "name": "usage", "value": counts})
    reading.feed({"type": "RUN_FINISHED"})
    return reading.usage


def of_letta(odd: Any) -> Usage | None:
    decoder = MessageDecoder()
    counts = {
        "prompt_tokens": odd,
        "completion_tokens": 3,
        "cached_input_tokens": odd,
        "reasoning_tokens": odd,
    }
    list(decoder.feed({"message_type": "usage_statistics", **counts}))
    return decoder.usage


@pytest.mark.parametrize("odd", NONE, ids=repr)
@pytest.mark.parametrize("read", [of_letta, of_graph, of_task, of_run, of_microsofts])
def test_an_odd_count_leaves_the_others(read: Any, odd: Any) -> None:
    assert read(odd) == Usage(0, 3)

"""Upstream exceptions become the protocol's codes by their type, and nothing of their text comes along."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import httpx2
import openai
import pytest
from agents.exceptions import (
    MaxTurnsExceeded,
    ModelBehaviorError,
    ModelRefusalError,
    ToolTimeoutError,
    UserError,
)

from orchestrator.backends.openai.errors import agent_error, model_error
from orchestrator.backends.upstream.http_errors import retry_after_seconds, status_error
from orchestrator.errors import AgentError

SECRET = "sk-live-123"
REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-4", 0.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        ("Fri, 02 Jan 2026 03:04:35 -0000", 30.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    """RFC 9110 allows both; a clock that is behind never gives a negative wait, nonsense gives none."""
    assert retry_after_seconds({"retry-after": value}, now=lambda: NOW) == seconds


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "upstream_auth"), (403, "upstream_auth"), (429, "upstream_rate_limited"),
     (404, "upstream_rejected"), (422, "upstream_rejected"), (500, "upstream_unavailable"),
     (529, "upstream_unavailable"), (408, "upstream_unavailable")],
)  # fmt: skip
def test_a_status_is_named_in_the_message(status: int, code: str) -> None:
    error = status_error(status, {"x-debug": SECRET})
    assert error.code == code
    assert f"HTTP {status}" in error.message
    assert SECRET not in error.message


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (openai.APITimeoutError(REQUEST), "upstream_unavailable"),
        (openai.APIConnectionError(message=SECRET, request=REQUEST), "upstream_unavailable"),
        (openai.APIError(SECRET, REQUEST, body={"message": SECRET}), "upstream_invalid"),
        (openai.APIError(SECRET, REQUEST, body={"code": "insufficient_quota"}), "upstream_rejected"),
        (httpx2.RemoteProtocolError(SECRET), "upstream_unavailable"),
        (httpx2.ReadTimeout(SECRET), "upstream_unavailable"),
        (aiohttp.ClientPayloadError(SECRET), "upstream_unavailable"),
        (ConnectionResetError(SECRET), "upstream_unavailable"),
        (json.JSONDecodeError(SECRET, "{", 0), "upstream_invalid"),
        (KeyError(SECRET), "upstream_invalid"),
        (ModelBehaviorError(SECRET), "upstream_invalid"),
    ],
)
def test_what_comes_out_of_a_models_stream_is_the_upstreams_fault(exc: Exception, code: str) -> None:
    """An exception of an unknown kind there means an answer that could not be understood."""
    error = model_error(exc)
    assert error.code == code
    assert SECRET not in error.message


@pytest.mark.parametrize(
    ("exc", "in_tool", "code"),
    [
        (MaxTurnsExceeded(SECRET), False, "max_turns"),
        (ToolTimeoutError("clock", 1.0), False, "tool_failed"),
        (KeyError(SECRET), True, "tool_failed"),
        (ConnectionError(SECRET), True, "tool_failed"),
        (KeyError(SECRET), False, "internal"),
        (UserError(SECRET), False, "internal"),
        (ModelRefusalError(SECRET), False, "refusal"),
        (ExceptionGroup("two", [MaxTurnsExceeded("x"), KeyError()]), False, "max_turns"),
    ],
)
def test_what_ends_a_run_is_told_by_its_type(exc: Exception, in_tool: bool, code: Any) -> None:
    error = agent_error(exc, in_tool=in_tool)
    assert error.code == code
    assert SECRET not in error.message


def test_an_agent_error_stays_itself() -> None:
    error = AgentError("budget", "spent")
    assert agent_error(error, in_tool=True) is error
    assert model_error(error) is error

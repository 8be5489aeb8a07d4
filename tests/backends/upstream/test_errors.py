"""Covers `orchestrator/backends/upstream/errors.py`: what an upstream says of its own failure."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.backends.upstream.errors import (
    error_in_stream,
    is_error,
    status_in,
    verdict_in,
    verdict_of_status,
)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "upstream_rejected"), (401, "upstream_auth"), (402, "upstream_rejected"), (403, "upstream_auth"),
        (404, "upstream_rejected"), (408, "upstream_unavailable"), (409, "upstream_unavailable"),
        (429, "upstream_rate_limited"), (500, "upstream_unavailable"), (529, "upstream_unavailable"),
    ],
)  # fmt: skip
def test_a_status_alone_says_what_to_do(status: int, code: str) -> None:
    assert verdict_of_status(status)[0] == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("insufficient_quota", "upstream_rejected"), ({"code": "InsufficientQuota"}, "upstream_rejected"),
        ({"error": {"type": "insufficient-quota"}}, "upstream_rejected"),
        ({"type": "overloaded_error"}, "upstream_unavailable"),
        ({"type": "rate_limit_error"}, "upstream_rate_limited"), ({"code": "invalid_api_key"}, "upstream_auth"),
        ({"code": 1302}, "upstream_rate_limited"), ({"type": "content_filter"}, "refusal"),
        ({"type": "insufficient_quota", "code": "rate_limit_exceeded"}, "upstream_rejected"),
    ],
)  # fmt: skip
def test_words_are_read_however_they_are_spelled_and_wherever_they_stand(error: Any, code: str) -> None:
    found = verdict_in(error)
    assert found is not None
    assert found[0] == code


QUOTED = "You asked: what does rate_limit_exceeded mean, and how does one get out of it again?"


@pytest.mark.parametrize("error", [None, "", {}, {"message": QUOTED}, "x" * 100, [], 7, {"code": "novel"}])
def test_prose_and_unknown_words_say_nothing(error: Any) -> None:
    """A message may quote the user: matching it would let a question decide what becomes of its answer."""
    assert verdict_in(error) is None


def test_in_a_stream_words_win_over_a_status_and_a_status_over_plain_rejection() -> None:
    assert error_in_stream({"code": 500, "type": "insufficient_quota"}).code == "upstream_rejected"
    assert error_in_stream({"code": "429", "type": "invalid_request_error"}).code == "upstream_rate_limited"
    assert error_in_stream({"message": "s3cret"}).code == "upstream_invalid"
    assert "s3cret" not in str(error_in_stream({"message": "s3cret", "code": "s3cret"}))


@pytest.mark.parametrize(
    ("wait", "seconds"), [(3, 3.0), ("2.5", 2.5), (-1, None), ("soon", None), (float("inf"), None)]
)
def test_how_long_to_wait_is_read_if_it_is_a_time(wait: Any, seconds: float | None) -> None:
    assert error_in_stream({"type": "rate_limit_error", "retry_after": wait}).retry_after == seconds


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (None, False), ({}, False), ({"code": 0, "message": ""}, False), ({"code": None}, False), ("null", False),
        ([], False), ({"code": "success"}, False), ("boom", True), ({"message": "x"}, True), ([{"code": "x"}], True),
        ({"code": 0, "message": "x"}, True),
    ],
)  # fmt: skip
def test_an_empty_error_with_each_good_piece_is_none(error: Any, failed: bool) -> None:
    assert is_error(error) is failed


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 429}, 429),
        ({"error": {"status": "503"}}, 503),
        ({"code": 200}, None),
        ({"code": True}, None),
        ("429", 429),
        ("4290", None),
        ({"code": "4290"}, None),
    ],
)
def test_a_status_is_a_number_or_digits(error: Any, status: int | None) -> None:
    assert status_in(error) == status

"""Covers `backends/upstream/http_errors.py`: an upstream's refusing HTTP answer in the protocol's words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.backends.upstream.http_errors import (
    MAX_BODY_BYTES,
    origin_of,
    redirect_error,
    retry_after_seconds,
    status_error,
)


def test_an_account_without_credit_is_no_limit_that_passes() -> None:
    """Both answer 429; trying the first again would never end well."""
    body = b'{"error": {"type": "insufficient_quota", "message": "s3cret"}}'
    broke, busy = status_error(429, {}, body=body), status_error(429, {"Retry-After": "3"}, body=b"")
    assert (broke.code, broke.retry_after) == ("upstream_rejected", None)
    assert (busy.code, busy.retry_after) == ("upstream_rate_limited", 3.0)
    assert "HTTP 429" in str(busy)
    assert "s3cret" not in str(broke)


@pytest.mark.parametrize(
    "body", [None, b"", b"<html>", b"\xff", b'{"a":' * 10, {"error": {"code": "unknown"}}]
)
def test_a_body_that_says_nothing_leaves_the_status(body: object) -> None:
    assert status_error(401, {}, body=body).code == "upstream_auth"


def test_a_body_is_read_so_far_and_no_further() -> None:
    body = b'{"x": "' + b"y" * MAX_BODY_BYTES + b'", "type": "insufficient_quota"}'
    assert status_error(429, {}, body=body).code == "upstream_rate_limited"


@pytest.mark.parametrize(
    ("location", "to"),
    [
        ("https://other.example/login?token=s3cret", "to https://other.example"), ("/login?token=s3cret", "to http://a.example"),
        (None, "to nowhere"), ("", "to nowhere"), ("ftp://x", "to nowhere"), ("https://[::1", "to nowhere"),
    ],
)  # fmt: skip
def test_a_redirect_is_named_by_its_origin_alone(location: str | None, to: str) -> None:
    error = redirect_error(302, "http://a.example/v1?key=s3cret", location)
    assert to in str(error)
    assert "s3cret" not in str(error)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://A.example:443/x", "https://a.example"), ("http://a:8080", "http://a:8080"),
        ("http://[::1]:80/", "http://[::1]"), ("HTTPS://a", "https://a"),
    ],
)  # fmt: skip
def test_origins(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", ["", "a.example", "ftp://a", "https://"])
def test_what_is_no_address_has_no_origin(url: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        origin_of(url)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None), ({"Retry-After": "3"}, 3.0), ({"retry-after": "0.5"}, 0.5), ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "soon"}, None), ({"Retry-After": "nan"}, None), ({"Retry-After": "inf"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5), ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"Retry-After": "Mon, 30 Nov 2026 00:00:10 GMT"}, 10.0),
        ({"Retry-After": "Sun, 29 Nov 2026 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "Mon, 30 Nov 2026 00:00:10 -0000"}, 10.0),
    ],
)  # fmt: skip
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    assert retry_after_seconds(headers, now=lambda: now) == seconds

"""An upstream's refusing HTTP answer → the protocol's words. Knows no SDK and reads no body."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..errors import AgentError


def status_error(status: int, headers: Mapping[str, str], *, who: str = "The model's provider") -> AgentError:
    """Translate an HTTP answer that is no success; *who* answered begins the message."""
    if status in (401, 403):
        return AgentError("upstream_auth", f"{who} refused the credentials (HTTP {status}).")
    if status == 429:
        wait = retry_after_seconds(headers)
        message = f"{who} limits how often it is asked (HTTP 429)."
        return AgentError("upstream_rate_limited", message, retry_after=wait)
    if status >= 500 or status == 408:  # both ask to be asked again
        wait = retry_after_seconds(headers)
        return AgentError(
            "upstream_unavailable", f"{who} is not available (HTTP {status}).", retry_after=wait
        )
    return AgentError("upstream_rejected", f"{who} rejected the request (HTTP {status}).")


def retry_after_seconds(
    headers: Mapping[str, str], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> float | None:
    """Read `Retry-After`, seconds or a date (RFC 9110, 10.2.3); None where there is none to go by."""
    value = headers.get("retry-after") or headers.get("Retry-After")
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (_aware(parsedate_to_datetime(value)) - now()).total_seconds()
        except ValueError:
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _aware(when: datetime) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=UTC)

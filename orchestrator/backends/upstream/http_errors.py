"""An upstream's refusing HTTP answer → the protocol's words. Knows no SDK and does no I/O.

Of a body no more is looked at than the words of its error object (`errors`); its text goes nowhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from ...errors import AgentError
from .error_codes import DECISIVE, LIMITED
from .errors import PROVIDER, verdict_in, verdict_of_status

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_BODY_BYTES = 64 * 1024
"""So much of an error's body is read at most."""


def status_error(
    status: int, headers: Mapping[str, str], *, who: str = PROVIDER, body: Any = None
) -> AgentError:
    """Translate an HTTP answer that is no success.

    Args:
        who: Begins the message. body: Of the answer, as bytes or decoded; an account without credit answers 429
            as well as one that asks too often, and only the body distinguishes them.
    """
    if status in REDIRECTS:
        return redirect_error(status, "", headers.get("location"), who=who)
    code, message = verdict_of_status(status)
    said = verdict_in(_decoded(body))
    if said is not None and said[0] != code and (said in DECISIVE or (said == LIMITED and status < 500)):
        code, message = said
    wait = retry_after_seconds(headers)
    return AgentError(code, f"{message.format(who=who)[:-1]} (HTTP {status}).", retry_after=wait)


def redirect_error(status: int, url: str, location: str | None, *, who: str = PROVIDER) -> AgentError:
    """Say that an answer sends the request elsewhere, and to which origin: no path and no query is repeated."""
    try:
        target = origin_of(urljoin(url, location or ""))
    except ValueError:
        target = None
    to = f"to {target}" if target is not None and location else "to nowhere"
    return AgentError("upstream_rejected", f"{who} redirects {to} (HTTP {status}), which is not followed.")


def endless_redirect(*, who: str = PROVIDER) -> AgentError:
    """Say that redirects lead on and on."""
    return AgentError("upstream_rejected", f"{who} redirects without an end.")


def origin_of(url: str) -> str:
    """Return scheme, host and port of *url*, the port only if it is not the scheme's own.

    Raises:
        ValueError: It is no address of a web server.
    """
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise ValueError("no address of a web server")
    scheme = parts.scheme.lower()
    port = parts.port
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}" + (f":{port}" if port and port != {"http": 80, "https": 443}[scheme] else "")


def _decoded(body: Any) -> Any:
    if not isinstance(body, (bytes, bytearray)):
        return body
    try:
        return json.loads(body[:MAX_BODY_BYTES])
    except (ValueError, RecursionError):
        return None


def retry_after_seconds(
    headers: Mapping[str, str], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> float | None:
    """Read `Retry-After`, seconds or a date (RFC 9110, 10.2.3), or `retry-after-ms` (OpenAI, Azure).

    None if there is none to go by.
    """
    finer = headers.get("retry-after-ms") or headers.get("Retry-After-Ms")
    try:
        if finer and math.isfinite(milliseconds := float(finer)) and milliseconds >= 0:
            return milliseconds / 1000
    except ValueError:
        pass
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

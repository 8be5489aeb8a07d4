"""Text that may be written to a terminal: cleaned of what would drive it, and cut to a line.

Whatever an agent or a server said goes through `clean` first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

DETAIL_CHARS = 300

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS: titles, links
    # Not by C1 signs: quotation marks become those when they are misread, and would take a line's words with them.
    r"|\x1b[ -/]*[0-~]?"
)
_BREAKS = re.compile(r"\r\n|[\r\x85\u2028\u2029]")
# Bidirectional overrides reorder what stands beside them, prefixes and titles included.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Return *text* without escape sequences and control characters; line feeds and tabs stay."""
    if text.isprintable():
        return text
    text = _BREAKS.sub("\n", _ESCAPES.sub("", text))
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))


def one_line(text: str, limit: int = DETAIL_CHARS) -> str:
    """Return *text*, cleaned, on one line of at most *limit* characters."""
    flat = " ".join(clean(text[: 4 * limit]).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def speed(metrics: Mapping[str, Any]) -> str:
    """Spell an agent's metrics: time to its first token, pace, whole time."""
    parts = []
    ttft, duration = metrics.get("ttft_ms"), metrics.get("duration_ms")
    if ttft is not None:
        parts.append(f"{ttft / 1000:.2f} s to first token")
    if metrics.get("tokens_per_s") is not None:
        parts.append(f"{metrics['tokens_per_s']:.0f} tok/s")
    if duration is not None:
        parts.append(f"{duration / 1000:.1f} s")
    return ", ".join(parts)

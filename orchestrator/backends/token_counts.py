"""What a framework or a server counts, as a number of tokens: what is none is not worth an answer."""

from __future__ import annotations

from typing import Any

_MOST = 2**53
"""Beyond it JSON's readers in JavaScript count wrong, and what a model used is far below."""


def token_count(value: Any) -> int | None:
    """Return *value* as a number of tokens; None if it is none.

    Protobuf has every number as a float, and servers say -1, NaN or a word for what they do not know.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST:
        return None
    return int(value)

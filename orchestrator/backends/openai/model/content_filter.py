"""Whether a provider's filter says, beside the answer, that it took something out. Owns no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .coercion import plain_key

_FLAGS = frozenset({"inputsensitive", "outputsensitive"})
_FLAGS_OF_FILTERS = frozenset({"filtered", "blocked", "flagged"})
_BLOCK_REASONS = frozenset({"blockreason", "blockedreason"})
_FILTERS = re.compile(r"filter|feedback|moderation|guardrail|safety")
_DEPTH = 6


def is_filtered(value: Any, *, of_filter: bool = False, depth: int = 0) -> bool:
    """Whether a chunk or a response tells that a filter took something out: Azure's, Gemini's and MiniMax's ways."""
    if depth > _DEPTH:
        return False
    if isinstance(value, list):
        return any(is_filtered(each, of_filter=of_filter, depth=depth + 1) for each in value)
    if not isinstance(value, Mapping):
        return False
    for name, found in value.items():
        key = plain_key(name)
        if found is True and (key in _FLAGS or (of_filter and key in _FLAGS_OF_FILTERS)):
            return True
        if key in _BLOCK_REASONS and isinstance(found, str) and not found.upper().endswith("UNSPECIFIED"):
            return bool(found)
        if key.endswith("guardrailaction") and found == "INTERVENED":
            return True
        inside = of_filter or _FILTERS.search(key) is not None
        if (inside or key == "choices") and is_filtered(found, of_filter=inside, depth=depth + 1):
            return True
    return False

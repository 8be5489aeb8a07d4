"""Chooses the reasoning that goes back to the server that said it. Owns no message: the SDK's converter asks.

DeepSeek, Kimi, GLM, MiMo and others answer 400 to a call that comes back without the `reasoning_content` that it was
made with; none is known to mind what it said itself, but for Mistral, which says its reasoning in another place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agents.models.reasoning_content_replay import (
    ReasoningContentReplayContext,
    default_should_replay_reasoning_content,
)

_STRICT_HOSTS = ("mistral.ai",)
_STRICT_MODELS = ("mistral", "magistral", "ministral", "codestral", "devstral", "pixtral")


def goes_back(context: ReasoningContentReplayContext) -> bool:
    """Whether reasoning is sent with its call: what the same model said, to the server that said it."""
    model = context.model.lower()
    if any(host in (context.base_url or "") for host in _STRICT_HOSTS) or is_strict(model):
        return False
    if default_should_replay_reasoning_content(context):
        return True
    origin = context.reasoning.origin_model
    return origin is not None and origin.lower() == model


def is_strict(model: str) -> bool:
    """Whether a model's server refuses reasoning that comes back."""
    return model.lower().rpartition("/")[2].startswith(_STRICT_MODELS)


def thought_in(delta: Mapping[str, Any]) -> str:
    """Return the reasoning in a delta that has it under a rare name, or not as a plain text."""
    for key in (
        "reasoning_content",
        "reasoning",
        "reasoning_text",
        "thinking",
        "thinking_content",
        "thought",
    ):
        if said := _said_in(delta.get(key)):
            return said
    return ""


def _said_in(value: Any) -> str:
    if isinstance(value, list):
        return "".join(map(_said_in, value))
    if isinstance(value, Mapping):
        keys = ("text", "content", "thinking", "reasoning", "summary")
        return next((said for key in keys if (said := _said_in(value.get(key)))), "")
    return value if isinstance(value, str) else ""


def add_details(known: list[dict[str, Any]], received: Iterable[Any]) -> str:
    """Add the pieces of `reasoning_details` to those *known*, so that they can go back; return their new text.

    OpenRouter sends each block in pieces, MiniMax the block as far as it goes, again and again.
    """
    new = ""
    for piece in received:
        if not isinstance(piece, Mapping):
            continue
        block = known[-1] if known and _continues(known[-1], piece) else None
        if block is None:
            known.append(dict(piece))
            new += _text(piece)
            continue
        for key, value in piece.items():
            before = block.get(key)
            if key in ("text", "summary") and isinstance(value, str) and isinstance(before, str):
                rest = value[len(before) :] if value.startswith(before) else value
                block[key] = before + rest
                new += rest
            elif value is not None:
                block[key] = value
    return new


def _text(piece: Mapping[str, Any]) -> str:
    text = piece.get("text") or piece.get("summary")
    return text if isinstance(text, str) else ""


def _continues(block: Mapping[str, Any], piece: Mapping[str, Any]) -> bool:
    """Whether *piece* belongs to *block*: the same kind at the same place. Encrypted ones come whole."""
    if block.get("type") != piece.get("type") or "data" in block or "data" in piece:
        return False
    return block.get("index") == piece.get("index") and piece.get("id") in (None, block.get("id"))

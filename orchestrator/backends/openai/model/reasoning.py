"""Chooses the reasoning that goes back to the server that said it. Owns no message: the SDK's converter asks.

DeepSeek, Kimi, GLM, MiMo and others answer 400 to a call that comes back without the `reasoning_content` that it was
made with; none is known to mind what it said itself, but for Mistral, which says its reasoning in another place.
"""

from __future__ import annotations

from agents.models.reasoning_content_replay import (
    ReasoningContentReplayContext,
    default_should_replay_reasoning_content,
)

_STRICT_HOSTS = ("mistral.ai",)
_STRICT_MODELS = ("mistral", "magistral", "ministral", "codestral", "devstral", "pixtral")


def goes_back(context: ReasoningContentReplayContext) -> bool:
    """Whether reasoning is sent with its call: what the same model said, to the server that said it."""
    model = context.model.lower()
    if any(host in (context.base_url or "") for host in _STRICT_HOSTS):
        return False
    if model.rpartition("/")[2].startswith(_STRICT_MODELS):
        return False
    if default_should_replay_reasoning_content(context):
        return True
    origin = context.reasoning.origin_model
    return origin is not None and origin.lower() == model

"""The line that says what answers for agents with `backend: auto`, and how to change it."""

from __future__ import annotations

from collections.abc import Sequence

from ..backends.auto.search import OFFLINE_VARIABLE, ModelSearch


def describe_models(agent_ids: Sequence[str], models: ModelSearch) -> str:
    """Say in one line who answers for *agent_ids*, and how to have it otherwise."""
    who = _listed(agent_ids)
    are = "is an offline stand-in" if len(agent_ids) == 1 else "are offline stand-ins"
    if models.is_off:
        return f"{who} {are}, as --offline or {OFFLINE_VARIABLE} asks; without it a model answers, if there is one."
    found = models.found
    if found is None:
        why = f": {models.lack}" if models.lack else ""
        return (
            f"{who} {are}, not language models{why}. For real answers set OPENAI_API_KEY or "
            "OPENAI_COMPATIBLE_BASE_URL, or start Ollama with a model that calls tools."
        )
    return f"{found.name} ({found.place}, as {found.reason}) answers for {who}; --offline asks no model."


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]

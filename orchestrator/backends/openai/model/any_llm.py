"""Models that any-llm reaches, through the SDK's extension. Imports it no sooner than there is such a model."""

from __future__ import annotations

from typing import Any

from agents import Model

from ...upstream.redirects import guard_client


def keeping_origin(model: Any) -> Model:
    """Have the client that any-llm makes for *model* refuse redirects to other origins."""
    make = model._get_provider
    if not isinstance(make, _KeepingOrigin):
        model._get_provider = _KeepingOrigin(make)
    kept: Model = model
    return kept


class _KeepingOrigin:
    """What a model asks for its provider, as `make` makes it."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self) -> Any:
        provider = self._make()
        guard_client(getattr(provider, "client", None))
        return provider

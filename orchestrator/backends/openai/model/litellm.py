"""Models that LiteLLM reaches in this process, through the SDK's extension. Imports litellm.

LiteLLM asks twice more by itself, and its clients follow redirects wherever they lead; neither is left to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import litellm
from agents import ModelSettings
from agents.extensions.models.litellm_model import LitellmModel
from litellm.caching.llm_caching_handler import LLMClientCache

from ...upstream.redirects import guard_client

ASKS_ONCE = {"max_retries": 0, "num_retries": 0}


class GuardedLitellmModel(LitellmModel):
    """A model of LiteLLM's that is asked once, and only at the origin that it names."""

    async def _fetch_response(
        self, system_instructions: Any, input: Any, model_settings: ModelSettings, *args: Any, **options: Any
    ) -> Any:
        _guard_clients()
        settings = replace(model_settings, extra_args={**ASKS_ONCE, **(model_settings.extra_args or {})})
        return await super()._fetch_response(system_instructions, input, settings, *args, **options)


def kept(model: LitellmModel) -> LitellmModel:
    """Return a model that a user has made as one that is asked once; one of a class of theirs stays as it is.

    The clients of both refuse redirects.
    """
    _guard_clients()
    if type(model) is not LitellmModel:
        return model
    same: LitellmModel = GuardedLitellmModel.__new__(GuardedLitellmModel)
    vars(same).update(vars(model))
    return same


class _GuardedClients(LLMClientCache):  # type: ignore[misc]  # litellm is not there when types are checked
    """The store of LiteLLM's HTTP clients, through which each of them goes: each refuses redirects elsewhere.

    LiteLLM has no setting for it, and takes a client of ours only for some providers.
    """

    def set_cache(self, key: str, value: object, *args: Any, **options: Any) -> Any:
        guard_client(value)
        return super().set_cache(key, value, *args, **options)

    def get_cache(self, key: str, *args: Any, **options: Any) -> Any:
        value = super().get_cache(key, *args, **options)
        guard_client(value)  # one that was closed is made anew in place, without its settings
        return value


def _guard_clients() -> None:
    clients = litellm.in_memory_llm_clients_cache
    if not isinstance(clients, _GuardedClients):
        guarded: Any = _GuardedClients()
        guarded.__dict__.update(clients.__dict__)  # what it holds already
        litellm.in_memory_llm_clients_cache = guarded

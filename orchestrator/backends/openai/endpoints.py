"""The clients by which models are reached: one for each server and key, made once and closed with the backend.

Owns the choice of transport and key. What a client does on the wire is its own: `model` (fast) or
`model.sdk_client` (the SDK's), or any-llm's for a model's name that begins with `any-llm/`.
"""

from __future__ import annotations

import os
from typing import Any

import httpx2
from agents import Model, OpenAIChatCompletionsModel, OpenAIResponsesModel
from agents.models._openai_shared import get_default_openai_key, get_use_responses_by_default
from pydantic import SecretStr

from .model.any_llm import keeping_origin
from .model.fast import FastChatModel, FastResponsesModel, FastTransport
from .model.sdk_client import CheckedClient
from .settings import OpenAIAgentsSettings

CONNECT_SECONDS = 10.0
READ_GRACE_SECONDS = 5.0
"""The stock client gives a silent connection up this long after the agent's own limits, which say more."""
NO_KEY = "none"
"""Sent by the stock client to a server of one's own that asks for no key; it insists on one."""
LITELLM = "litellm/"
ANY_LLM = "any-llm/"
"""Begins the name of a model that any-llm reaches: `any-llm/<provider>/<model>`, as in the SDK."""


class Endpoints:
    """The clients of one backend, those of its handoff targets included."""

    def __init__(self) -> None:
        self._fast: dict[tuple[str | None, str | None], FastTransport] = {}
        self._stock: dict[tuple[str | None, str | None], CheckedClient] = {}
        self._any_llm: dict[tuple[Any, ...], Model] = {}

    def create_model(self, settings: OpenAIAgentsSettings, name: str) -> Model:
        """Make the model called *name* over the API, server, key and transport that *settings* say.

        Raises:
            ConfigError: OpenAI itself is asked for, and there is no key; or any-llm, and it is not installed.
        """
        if name.startswith(ANY_LLM):
            return self._any_llm_model(settings, name)
        if name.startswith(LITELLM) and settings.base_url is None:
            return self._litellm_model(settings, name)
        if settings.base_url is None:
            name = name.removeprefix("openai/")  # a gateway's names may begin so, OpenAI's own do not
        chat = settings.api == "chat_completions"
        if settings.transport == "fast":
            transport = self._transport(settings)
            return FastChatModel(name, transport) if chat else FastResponsesModel(name, transport)
        client = self._client(settings)
        stock = OpenAIChatCompletionsModel if chat else OpenAIResponsesModel
        return stock(name, openai_client=client)

    def create_default_model(self, settings: OpenAIAgentsSettings, name: str) -> Model:
        """Make the model called *name* where the SDK's own defaults are, as an app has set them.

        Raises:
            ConfigError: There is no key.
        """
        key = get_default_openai_key() or os.environ.get("OPENAI_API_KEY")
        base_url = os.environ.get("OPENAI_BASE_URL") or None
        if not key and base_url is None:
            message = "needs a key: `set_default_openai_key`, or OPENAI_API_KEY in the environment"
            raise settings.problem("api_key", message)
        which = (base_url, key)
        if settings.transport == "sdk":
            stock = OpenAIResponsesModel if get_use_responses_by_default() else OpenAIChatCompletionsModel
            return stock(name, openai_client=self._stock_client(settings, base_url, key))
        if which not in self._fast:
            self._fast[which] = FastTransport(base_url, key, headers=_account_headers())
        transport = self._fast[which]
        return (
            FastResponsesModel(name, transport)
            if get_use_responses_by_default()
            else FastChatModel(name, transport)
        )

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._fast.values():
            await transport.aclose()
        for client in self._stock.values():
            await client.close()
        for model in self._any_llm.values():
            await model.close()

    def _transport(self, settings: OpenAIAgentsSettings) -> FastTransport:
        which = (settings.base_url, _key(settings))
        if which not in self._fast:
            self._fast[which] = FastTransport(*which)
        return self._fast[which]

    def _client(self, settings: OpenAIAgentsSettings) -> CheckedClient:
        return self._stock_client(settings, settings.base_url, _key(settings))

    def _stock_client(
        self, settings: OpenAIAgentsSettings, base_url: str | None, key: str | None
    ) -> CheckedClient:
        which = (base_url, key)
        if which not in self._stock:
            limits = settings.limits
            patience = max(limits.first_token_timeout_s, limits.idle_timeout_s) + READ_GRACE_SECONDS
            self._stock[which] = CheckedClient(
                # Never the environment's key for a server of one's own: it belongs to another.
                api_key=key if key is not None or base_url is None else NO_KEY,
                base_url=base_url,
                timeout=httpx2.Timeout(patience, connect=CONNECT_SECONDS),
            )
        return self._stock[which]

    def _litellm_model(self, settings: OpenAIAgentsSettings, name: str) -> Model:
        try:
            from .model.litellm import GuardedLitellmModel
        except ImportError as exc:
            message = f"{name!r} needs litellm: pip install 'fanin-orchestrator[litellm]'"
            raise settings.problem("model", message) from exc

        return GuardedLitellmModel(name.removeprefix(LITELLM), api_key=secret_text(settings.api_key))

    def _any_llm_model(self, settings: OpenAIAgentsSettings, name: str) -> Model:
        try:
            from agents.extensions.models.any_llm_model import AnyLLMModel
        except ImportError as exc:
            message = f"{name!r} needs any-llm: pip install 'fanin-orchestrator[any-llm]'"
            raise settings.problem("model", message) from exc
        # Which of the two APIs a provider has is any-llm's to know, unless the file says it.
        api = settings.api if "api" in settings.model_fields_set else None
        which = (name, settings.base_url, secret_text(settings.api_key), api)
        if which not in self._any_llm:
            _, base_url, key, api = which
            model = AnyLLMModel(name.removeprefix(ANY_LLM), base_url=base_url, api_key=key, api=api)
            self._any_llm[which] = keeping_origin(model)
        return self._any_llm[which]


def _account_headers() -> dict[str, str]:
    """The headers that OpenAI's client makes of the environment."""
    named = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
    return {header: value for header, name in named.items() if (value := os.environ.get(name))}


def secret_text(value: SecretStr | None) -> str | None:
    """Return what a `SecretStr` hides, None for none."""
    return None if value is None else value.get_secret_value()


def _key(settings: OpenAIAgentsSettings) -> str | None:
    """Return the key that *settings* give; None leaves it to the environment, or to no key at all."""
    key = secret_text(settings.api_key)
    if key is None and settings.base_url is None and not os.environ.get("OPENAI_API_KEY"):
        message = "needs a key: set `api_key`, or OPENAI_API_KEY in the environment"
        raise settings.problem("api_key", message)
    return key

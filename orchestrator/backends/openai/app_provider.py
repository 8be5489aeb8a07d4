"""Finds the models of a user's own agents: as in the app, unless the file names a server. Owns no client.

An app says it by `set_default_openai_client`, `…_api` and `…_key`, by OPENAI_BASE_URL and OPENAI_DEFAULT_MODEL, and by
prefixes of the models' names.
"""

from __future__ import annotations

from agents import Model, ModelProvider, MultiProvider
from agents.models import _openai_shared
from agents.models.default_models import get_default_model

from .endpoints import ANY_LLM, LITELLM, Endpoints
from .settings import OpenAIAgentsSettings

_SAYS_WHERE = frozenset({"base_url", "api_key", "api"})
OPENAI = "openai/"


def says_where(settings: OpenAIAgentsSettings) -> bool:
    """Whether an agent's file says itself where its models are."""
    return bool(
        _SAYS_WHERE & {key for key in settings.model_fields_set if getattr(settings, key) is not None}
    )


class AppProvider(ModelProvider):
    """Resolves model names as the app does that the agent comes from.

    What the SDK would do with a client of its own making is done over ours; a client that the app has set is used as
    it is, and so are the SDK's other providers.
    """

    def __init__(
        self, endpoints: Endpoints, settings: OpenAIAgentsSettings, theirs: ModelProvider | None = None
    ) -> None:
        self._endpoints = endpoints
        self._settings = settings
        self._theirs = theirs
        self._default: MultiProvider | None = None

    def get_model(self, model_name: str | None) -> Model:
        """Return the model of that name; the SDK's default model for None.

        Raises:
            ConfigError: There is no key, or a library is missing.
        """
        if self._theirs is not None and not says_where(self._settings):
            return self._theirs.get_model(model_name)
        name = model_name or get_default_model()
        if says_where(self._settings):
            if self._settings.base_url is None:
                name = name.removeprefix(OPENAI)
            return self._endpoints.create_model(self._settings, name)
        if "/" in name and not name.startswith(OPENAI):
            if name.startswith((ANY_LLM, LITELLM)):
                return self._endpoints.create_model(self._settings, name)
            return self._sdk().get_model(name)
        if (
            _openai_shared.get_default_openai_client() is not None
            or _openai_shared.get_default_openai_responses_transport() != "http"
        ):
            return self._sdk().get_model(model_name)
        return self._endpoints.create_default_model(self._settings, name.removeprefix(OPENAI))

    def _sdk(self) -> MultiProvider:
        if self._default is None:
            self._default = MultiProvider()
        return self._default

    async def aclose(self) -> None:
        if self._default is not None:
            await self._default.aclose()

"""The keys of an agent with `backend: a2a`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from ...settings.agent import AgentSettings
from ...settings.scalars import Url

Binding = Literal["auto", "jsonrpc", "http+json"]


class A2aSettings(AgentSettings):
    """An agent behind A2A 1.0."""

    backend: Literal["a2a"] = "a2a"
    url: Url
    """Address of the agent, or of its card."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Sent with every request, as a key in `Authorization`."""
    binding: Binding = "auto"
    """How it is spoken to; `auto` takes the first that its card offers."""

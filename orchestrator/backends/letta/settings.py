"""The keys of an agent with `backend: letta`."""

from __future__ import annotations

from typing import Literal

from pydantic import SecretStr

from ...settings.agent import AgentSettings
from ...settings.scalars import Flag, Text, Url


class LettaSettings(AgentSettings):
    """An agent that lives in a Letta server."""

    backend: Literal["letta"] = "letta"
    letta_agent_id: Text
    """The agent's id at the Letta server."""
    base_url: Url | None = None
    """Address of the server; the hosted one unless given."""
    api_key: SecretStr | None = None
    stream_tokens: Flag = True
    """Whether text comes token by token, not message by message."""
    background: Flag = True
    """Whether, if the server offers it, a dropped connection is re-attached instead of failing."""

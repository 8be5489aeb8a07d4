"""The keys of an agent with `backend: remote`."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, SecretStr, model_validator

from ...settings.agent import AgentSettings
from ...settings.scalars import AgentId, Text, Url


class RemoteSettings(AgentSettings):
    """An agent, or a panel, of another instance of this service."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["agent"]}, {"required": ["panel"]}]})

    backend: Literal["remote"] = "remote"
    url: Url
    """Address of the other instance, as in http://127.0.0.1:8080."""
    token: SecretStr | None = None
    """The other instance's token, if it asks for one."""
    agent: AgentId | None = None
    """Id of the agent there that answers."""
    panel: Text | None = None
    """Id of the panel there whose result is the answer."""

    @model_validator(mode="after")
    def _check_who(self) -> RemoteSettings:
        if (self.agent is None) == (self.panel is None):
            raise ValueError("should have either `agent` or `panel`: who answers at the other instance")
        return self

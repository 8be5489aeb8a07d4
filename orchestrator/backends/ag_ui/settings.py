"""The keys of an agent with `backend: ag-ui`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from ...settings.agent import AgentSettings
from ...settings.scalars import Url


class AgUiSettings(AgentSettings):
    """An agent behind AG-UI."""

    backend: Literal["ag-ui"] = "ag-ui"
    url: Url
    """Where a run is posted to."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Sent with every request, as a key in `Authorization`."""
    protocol: Literal["auto", "1.0", "0.0"] = "auto"
    """What the agent speaks; `auto` says 1.0, and if that is refused, says nothing."""

"""The keys of an agent with `backend: function`."""

from __future__ import annotations

from typing import Literal

from ...settings.agent import AgentSettings
from ...settings.scalars import Reference


class FunctionSettings(AgentSettings):
    """An async generator function of the user's own."""

    backend: Literal["function"] = "function"
    stream: Reference
    """The function, as "module:function": `(AgentInput) -> AsyncIterator[str | Event payload]`."""

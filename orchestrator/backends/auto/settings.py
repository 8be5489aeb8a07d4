"""The keys of an agent with `backend: auto`."""

from __future__ import annotations

from typing import Literal

from ...settings.agent import AgentSettings
from ...settings.scalars import IntFromZero, PositiveNumber, Reference


class AutoSettings(AgentSettings):
    """An agent with a model if there is one, and offline else; which, is settled when the files are read."""

    backend: Literal["auto"] = "auto"
    instructions: str = ""
    """The system prompt, of a model as of the stand-in."""
    tools: tuple[Reference, ...] = ()
    """Functions that either may call, as "module:function"."""
    tokens_per_s: PositiveNumber = 30
    """How fast the stand-in speaks."""
    seed: IntFromZero = 0
    """Chooses among the stand-in's turns of phrase."""

"""The keys of an agent with `backend: offline`."""

from __future__ import annotations

from typing import ClassVar, Literal

from ...settings.agent import AgentSettings
from ...settings.scalars import IntFromZero, PositiveNumber, Reference


class OfflineSettings(AgentSettings):
    """A deterministic stand-in that needs no key and no network."""

    may_vary: ClassVar[tuple[str, ...]] = ("seed", "tokens_per_s")
    backend: Literal["offline"] = "offline"
    instructions: str = ""
    """The system prompt; the agent's manner follows from it."""
    tools: tuple[Reference, ...] = ()
    """Functions it may call, as "module:function"."""
    tokens_per_s: PositiveNumber = 30
    """How fast it speaks."""
    seed: IntFromZero = 0
    """Chooses among its turns of phrase; the same seed gives the same answer."""

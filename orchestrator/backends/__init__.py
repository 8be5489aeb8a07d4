"""One Protocol (`base`), one file per kind of agent."""

from .base import AgentInput, Backend, Emission, Finish, Turn

__all__ = ["AgentInput", "Backend", "Emission", "Finish", "Turn"]

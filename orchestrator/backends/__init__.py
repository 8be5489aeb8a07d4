"""One Protocol (`base`), one folder per kind of agent, and the table of kinds (`registry`)."""

from .base import AgentInput, Backend, Emission, Finish, Turn

__all__ = ["AgentInput", "Backend", "Emission", "Finish", "Turn"]

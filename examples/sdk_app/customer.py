"""Who asks, what the desk remembers of it, and how the desk must answer."""

from dataclasses import dataclass

from agents import SQLiteSession
from pydantic import BaseModel


@dataclass
class Customer:
    """The run's context."""

    name: str


class Answer(BaseModel):
    """The desk's structured answer."""

    summary: str
    order: str


_sessions: dict[str, SQLiteSession] = {}


def session_of(conversation: str) -> SQLiteSession:
    """Return the session of one conversation; it lives as long as the process."""
    return _sessions.setdefault(conversation, SQLiteSession(conversation))


def context(request: object) -> Customer:
    """Make the context of one attempt; the service calls this."""
    return Customer("Ada")


def session(request: object) -> SQLiteSession:
    """Return the session of the request's conversation; the service calls this."""
    return session_of(getattr(request, "conversation_id", None) or getattr(request, "run_id", "none"))

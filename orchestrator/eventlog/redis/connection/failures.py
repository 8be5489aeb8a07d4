"""What can become of a command that goes to Redis: the three ends beside an answer."""

from __future__ import annotations


class Lost(Exception):
    """The connection broke or fell silent; whether its last commands were carried out is unknown."""


class UnknownPrimary(Lost):
    """Every Sentinel that answers says that it watches no primary of that name."""


class Denied(Exception):
    """Redis wants other credentials."""


class Refusal(Exception):
    """Redis answered with an error; nothing was carried out."""

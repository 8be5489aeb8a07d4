"""The panel methods there are, one row each: what settings, requests and schemas must know before its code is loaded.

A method is one file beside this one and one row here. Owns no code of a method; `loader` imports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MethodKind:
    """What a method asks of a panel's other keys.

    Args:
        function: The method's code, as "module:function".
        moderator: Whether a panel must name a moderator, may, or must not.
        least_members: With how many members it makes sense.
        asks_again: Whether it asks members whose answers are there already.
        prompt_reader: Who is given `prompt`.
        takes_layers: Whether `layers` may name agents of its own for each layer.
    """

    function: str
    moderator: Literal["required", "optional", "none"] = "none"
    least_members: int = 1
    asks_again: bool = False
    prompt_reader: Literal["moderator", "members"] = "moderator"
    takes_layers: bool = False


_HERE = "orchestrator.panels.methods"

METHODS: dict[str, MethodKind] = {
    "moderator": MethodKind(f"{_HERE}.moderator:moderate", moderator="required"),
    "judge": MethodKind(f"{_HERE}.judge:judge", moderator="required", least_members=2),
    "rank": MethodKind(f"{_HERE}.rank:rank", moderator="optional", least_members=3, asks_again=True),
    "vote": MethodKind(f"{_HERE}.vote:vote", least_members=2, prompt_reader="members"),
    "race": MethodKind(f"{_HERE}.race:race", least_members=2, prompt_reader="members"),
    "layers": MethodKind(f"{_HERE}.layers:layers", moderator="required", asks_again=True, takes_layers=True),
    "debate": MethodKind(f"{_HERE}.debate:debate", moderator="optional", least_members=2, asks_again=True),
}
"""A method's name, as panels say it → its row."""


def method_kind(name: str) -> MethodKind:
    """Return the row of a method; for "module:function" of the user's own, one that asks nothing of other keys."""
    return METHODS.get(name) or MethodKind(name, moderator="optional", prompt_reader="members")

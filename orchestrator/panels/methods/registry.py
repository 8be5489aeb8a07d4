"""The panel methods there are, one row each: what settings, requests and schemas must know before its code is loaded.

A method is one file beside this one and one row here. Owns no code of a method; `loader` imports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MethodKind:
    """The demands of a method on a panel's other keys.

    Args:
        function: The method's code, as "module:function".
        title: What people call it; the method's name unless given.
        description: What happens, in a few words.
        moderator: Whether a panel must name a moderator, may, or must not.
        least_members: With how many members it makes sense.
        asks_again: Whether it asks members whose answers are there already.
        prompt_reader: Who is given `prompt`.
        takes_layers: Whether `layers` may name agents of its own for each layer.
        over_answers: Whether it makes sense over answers that are there already.
        keys: The further keys of a panel that it reads and that fit into a form.
        prompt: The prompt that is used unless a panel has one, as "module:constant".
        compares: Whether its points say which agent's answer is better.
    """

    function: str
    title: str = ""
    description: str = ""
    moderator: Literal["required", "optional", "none"] = "none"
    least_members: int = 1
    asks_again: bool = False
    prompt_reader: Literal["moderator", "members"] = "moderator"
    takes_layers: bool = False
    over_answers: bool = True
    keys: tuple[str, ...] = ("prompt",)
    prompt: str = ""
    compares: bool = False


_HERE = "orchestrator.panels.methods"

METHODS: dict[str, MethodKind] = {
    "moderator": MethodKind(
        f"{_HERE}.moderator:moderate",
        prompt=f"{_HERE}.moderator:PROMPT",
        title="Moderator",
        description="one sums up",
        moderator="required",
    ),
    "judge": MethodKind(
        f"{_HERE}.judge:judge",
        prompt=f"{_HERE}.judge:PROMPT",
        compares=True,
        title="Judge",
        description="one picks the best",
        moderator="required",
        least_members=2,
    ),
    "rank": MethodKind(
        f"{_HERE}.rank:rank",
        compares=True,
        prompt=f"{_HERE}.rank:SUMMARY",
        title="Ranking",
        description="they rank each other",
        moderator="optional",
        least_members=3,
        asks_again=True,
    ),
    "vote": MethodKind(
        f"{_HERE}.vote:vote",
        prompt=f"{_HERE}.vote:PROMPT",
        title="Vote",
        description="most of one mind win",
        least_members=2,
        prompt_reader="members",
    ),
    "race": MethodKind(
        f"{_HERE}.race:race",
        title="Race",
        description="the first one wins",
        least_members=2,
        prompt_reader="members",
        over_answers=False,
        keys=("prompt", "valid"),
    ),
    "layers": MethodKind(
        f"{_HERE}.layers:layers",
        prompt=f"{_HERE}.moderator:PROMPT",
        title="Layers",
        description="they improve, one sums up",
        moderator="required",
        asks_again=True,
        takes_layers=True,
        keys=("prompt", "layers"),
    ),
    "debate": MethodKind(
        f"{_HERE}.debate:debate",
        prompt=f"{_HERE}.moderator:PROMPT",
        title="Debate",
        description="they answer each other",
        moderator="optional",
        least_members=2,
        asks_again=True,
        keys=("prompt", "rounds"),
    ),
}
"""A method's name, as panels say it → its row."""


def method_kind(name: str) -> MethodKind:
    """Return the row of a method; for "module:function" of the user's own, one that asks nothing of other keys."""
    return METHODS.get(name) or MethodKind(name, moderator="optional", prompt_reader="members")

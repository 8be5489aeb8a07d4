"""What a panel may be told: the model behind a file of agents_config/panels, and behind an inline panel.

Owns names, types, defaults and what fits together within one panel. Which agents there are is `config`'s.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from .settings import (
    REFERENCE_PATTERN,
    AgentId,
    Flag,
    PositiveInt,
    PositiveNumber,
    Settings,
    Text,
)

METHODS = ("moderator", "judge", "rank", "vote", "race", "layers", "debate")
NEEDS_MODERATOR = frozenset({"moderator", "judge", "layers"})
MAY_HAVE_MODERATOR = NEEDS_MODERATOR | {"debate", "rank"}
LEAST_MEMBERS = {"judge": 2, "rank": 3, "vote": 2, "race": 2, "debate": 2}
PLACEHOLDERS = frozenset({"question", "answers", "missing"})
PANEL_ID_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
MOST_STAGES = 16
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def _check_method(value: str) -> str:
    if value in METHODS or re.fullmatch(REFERENCE_PATTERN, value):
        return value
    raise ValueError(f'should be one of {", ".join(METHODS)}, or your own as "module:function"')


def _check_panel_id(value: str) -> str:
    if not re.fullmatch(PANEL_ID_PATTERN, value):
        raise ValueError("should be 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit; rename it")
    return value


def _check_prompt(value: str) -> str:
    for name in _PLACEHOLDER.findall(value):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{each}}}" for each in sorted(PLACEHOLDERS))
            raise ValueError(f"has the unknown placeholder {{{name}}}; known are {known}")
    return value


def _check_regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as exc:
        raise ValueError(f"is no regular expression ({exc}); correct it") from exc
    return value


def _layers_or_count(value: Any) -> Any:
    counted = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_STAGES
    listed = isinstance(value, list | tuple) and 0 < len(value) <= MOST_STAGES
    if counted or (listed and all(isinstance(layer, list | tuple) and layer for layer in value)):
        return value
    raise ValueError(
        f"should be a number from 1 to {MOST_STAGES}, or a list with a list of agents for each layer"
    )


def _all_spelled_out(value: Any) -> Any:
    return {"all": True} if value == "all" else value


def _agent_spelled_out(value: Any) -> Any:
    return {"agent": value} if isinstance(value, str) else value


def _list_of_one(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class StartWhen(Settings):
    """When the last word begins: at the first of these that comes true."""

    all: Flag | None = None
    """When every member has ended; so it is where nothing else is said."""
    quorum: PositiveInt | None = None
    """When so many members have answered."""
    deadline_s: PositiveNumber | None = None
    """So many seconds after the stage began, once one member has answered."""

    @model_validator(mode="after")
    def _check_any(self) -> StartWhen:
        if self.all is False and self.quorum is None and self.deadline_s is None:
            raise ValueError("should say `all`, `quorum` or `deadline_s`")
        return self


class Moderator(Settings):
    """Who has the last word, and who has it if that one fails."""

    agent: AgentId
    fallback: Annotated[tuple[AgentId, ...], BeforeValidator(_list_of_one)] = ()
    """Asked one after another until one answers."""
    attempts: PositiveInt = 2
    """How often each of them is asked; its own `retry:` comes on top."""


class PanelLimits(Settings):
    """Bounds of one panel."""

    max_input_chars: PositiveInt = 100_000
    """Characters of all answers in one prompt; beyond it they are cut evenly."""
    stage_timeout_s: PositiveNumber = 120
    """Seconds for a review, a layer or a round; who has not ended then is cancelled."""


class PanelSettings(Settings):
    """How several agents come to one answer."""

    panel_id: Annotated[str, AfterValidator(_check_panel_id)] | None = None
    """The file's name without `.yaml` unless given; inline panels have none."""
    title: Text | None = None
    """Name that people see; the id unless given."""
    description: str = ""
    method: Annotated[str, AfterValidator(_check_method)]
    """moderator, judge, rank, vote, race, layers, debate, or your own as "module:function"."""
    members: tuple[AgentId, ...] = ()
    """Who answers; inline, the agents of the request unless given."""
    moderator: Annotated[Moderator, BeforeValidator(_agent_spelled_out)] | None = None
    """Who has the last word: an agent's id, or `{agent, fallback, attempts}`."""
    start_when: Annotated[StartWhen, BeforeValidator(_all_spelled_out)] = StartWhen(all=True)
    """`all`, or `{quorum, deadline_s, all}`."""
    prompt: Annotated[Text, AfterValidator(_check_prompt)] | None = None
    """Replaces the method's own; {question}, {answers} and {missing} are filled in."""
    revise: Flag = False
    """Whether late answers let the moderator write once more."""
    rounds: Annotated[PositiveInt, Field(le=MOST_STAGES)] = 2
    """Rounds of a debate."""
    layers: Annotated[int | tuple[tuple[AgentId, ...], ...], BeforeValidator(_layers_or_count)] = 2
    """Layers of `layers`: how many of the members, or the agents of each."""
    valid: Annotated[Text, AfterValidator(_check_regex)] | None = None
    """What the answer that wins a race must match (Python's `re.search`)."""
    limits: PanelLimits = Field(default_factory=PanelLimits)

    @model_validator(mode="after")
    def _check_method_fits(self) -> PanelSettings:
        if self.method in NEEDS_MODERATOR and self.moderator is None:
            raise ValueError(f"has `method: {self.method}`, which needs a `moderator`; name an agent")
        if self.method in METHODS and self.method not in MAY_HAVE_MODERATOR and self.moderator is not None:
            raise ValueError(f"has `method: {self.method}`, in which no `moderator` speaks; remove it")
        return self

    @model_validator(mode="after")
    def _check_members(self) -> PanelSettings:
        if len(set(self.members)) < len(self.members):
            raise ValueError("names a member twice; remove one")
        least = LEAST_MEMBERS.get(self.method, 1)
        if self.members and len(self.members) < least:
            raise ValueError(f"has `method: {self.method}`, which needs {least} members; add one")
        quorum = self.start_when.quorum
        if self.members and quorum is not None and quorum > len(self.members):
            raise ValueError(f"has a `quorum` of {quorum} but {len(self.members)} members; lower it")
        return self

    @property
    def name(self) -> str:
        """What events call it: its id, or its method."""
        return self.panel_id or self.method

    @property
    def last_words(self) -> tuple[str, ...]:
        """The moderator, then its fallbacks."""
        return (self.moderator.agent, *self.moderator.fallback) if self.moderator else ()

    @property
    def opening(self) -> tuple[str, ...]:
        """Who speaks in the first stage."""
        if self.method == "layers" and not isinstance(self.layers, int):
            return self.layers[0]
        return self.members

    @property
    def everyone(self) -> tuple[str, ...]:
        """Every agent that the panel may ask, once each."""
        named = (*self.members, *self.last_words)
        if self.method == "layers" and not isinstance(self.layers, int):
            named += tuple(agent_id for layer in self.layers for agent_id in layer)
        return tuple(dict.fromkeys(named))

"""The settings of a panel: the model behind a file of agents_config/panels, and behind an inline panel.

Owns names, types, defaults and what fits together within one panel. Which agents there are is `config`'s.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..settings.environment import EnvText
from ..settings.scalars import (
    REFERENCE_PATTERN,
    AgentId,
    Flag,
    PositiveInt,
    PositiveNumber,
    Settings,
    Text,
    check_agent_id,
)
from .methods.registry import METHODS, MethodKind, method_kind

PLACEHOLDERS = frozenset({"question", "answers", "missing"})
PANEL_ID_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
MOST_STAGES = 16
MOST_PATTERN_CHARS = 1000
MOST_TIMES_QUOTED = 4
"""How often a prompt may hold the same placeholder: each puts in a whole question, or all answers."""

UNKNOWN = rf"\{{(?!(?:{'|'.join(sorted(PLACEHOLDERS))})\}})\w+\}}"
"""Matches a placeholder that a prompt cannot have."""
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
    for name, times in Counter(_PLACEHOLDER.findall(value)).items():
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{each}}}" for each in sorted(PLACEHOLDERS))
            raise ValueError(f"has the unknown placeholder {{{name[:60]}}}; known are {known}")
        if times > MOST_TIMES_QUOTED:
            # A prompt of a request that asks for the question ten thousand times would fill memory.
            raise ValueError(f"has {{{name}}} {times} times, more than {MOST_TIMES_QUOTED}; say it once")
    return value


def _check_regex(value: str, info: ValidationInfo) -> str:
    if len(value) > MOST_PATTERN_CHARS:
        raise ValueError(f"has {len(value)} characters, more than {MOST_PATTERN_CHARS}; shorten it")
    if not (isinstance(info.context, Mapping) and info.context.get("file")):
        # Compiling takes seconds if its author wants it to, so one of a request is `regex_process`'s to check.
        return value
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as exc:
        raise ValueError(f"is no regular expression ({exc}); correct it") from exc
    return value


def _layers_or_count(value: Any) -> Any:
    if isinstance(value, EnvText) and value.isdecimal():
        value = int(value)
    counted = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_STAGES
    listed = isinstance(value, list | tuple) and 0 < len(value) <= MOST_STAGES
    if not counted and not (listed and all(isinstance(layer, list | tuple) and layer for layer in value)):
        raise ValueError(
            f"should be a number from 1 to {MOST_STAGES}, or a list with a list of agents for each layer"
        )
    for layer in () if counted else value:
        for agent_id in layer:
            _check_layer_agent(agent_id)
        if len(set(layer)) < len(layer):
            raise ValueError("names an agent twice in one layer; remove one")
    return value


def _check_layer_agent(agent_id: Any) -> None:
    """Check an id here: pydantic would report it as a fault in one branch of a union."""
    if not isinstance(agent_id, str):
        raise ValueError("holds an agent's id that is no text; put it in quotes")
    try:
        check_agent_id(agent_id)
    except ValueError as exc:
        raise ValueError(f"names {agent_id[:60]!r}, which {exc}") from exc


def _all_spelled_out(value: Any) -> Any:
    if value == "all":
        return {"all": True}
    if isinstance(value, Mapping | StartWhen):
        return value
    raise ValueError("should be all, or keys such as {quorum: 2, deadline_s: 10}")


def _agent_spelled_out(value: Any) -> Any:
    if isinstance(value, str):
        return {"agent": check_agent_id(value)}
    if value is None or isinstance(value, Mapping | Moderator):
        return value
    raise ValueError("should be an agent's id, or keys such as {agent: first, fallback: [second]}")


def _list_of_one(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Agents = Annotated[
    tuple[AgentId, ...], BeforeValidator(_list_of_one, json_schema_input_type=AgentId | tuple[AgentId, ...])
]


class StartWhen(Settings):
    """When the last word begins: at the first of these that comes true."""

    all: Flag | None = None
    """When every member has ended; so it is if nothing else is said."""
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
    fallback: Agents = ()
    """Asked one after another until one answers."""
    attempts: PositiveInt = 2
    """How often each of them is asked; its own `retry:` comes on top."""

    @model_validator(mode="after")
    def _check_fallback(self) -> Moderator:
        named = (self.agent, *self.fallback)
        if len(set(named)) < len(named):
            raise ValueError("names an agent twice; say `attempts` to ask it more often")
        return self


class PanelLimits(Settings):
    """Bounds of one panel."""

    max_input_chars: Annotated[PositiveInt, Field(le=1_000_000)] = 100_000
    """Characters of all answers in one prompt; beyond it they are cut evenly."""
    stage_timeout_s: PositiveNumber = 120
    """Seconds for a review, a layer or a round; who has not ended then is cancelled."""


PanelId = Annotated[
    str, AfterValidator(_check_panel_id), Field(json_schema_extra={"pattern": f"^{PANEL_ID_PATTERN}$"})
]
Method = Annotated[
    str,
    AfterValidator(_check_method),
    Field(json_schema_extra={"anyOf": [{"enum": list(METHODS)}, {"pattern": REFERENCE_PATTERN}]}),
]
LayerCount = Annotated[int, Field(ge=1, le=MOST_STAGES)]
LayerList = Annotated[
    tuple[Annotated[tuple[AgentId, ...], Field(min_length=1)], ...],
    Field(min_length=1, max_length=MOST_STAGES),
]


class PanelSettings(Settings):
    """How several agents come to one answer."""

    panel_id: PanelId | None = None
    """The file's name without `.yaml` unless given; inline panels have none."""
    title: Text | None = None
    """Name that people see; the id unless given."""
    description: str = ""
    method: Method
    """moderator, judge, rank, vote, race, layers, debate, or your own as "module:function"."""
    members: Annotated[tuple[AgentId, ...], Field(json_schema_extra={"uniqueItems": True})] = ()
    """Who answers; inline, the agents of the request unless given."""
    moderator: (
        Annotated[Moderator, BeforeValidator(_agent_spelled_out, json_schema_input_type=AgentId | Moderator)]
        | None
    ) = Field(default=None, validate_default=True)
    """Who has the last word: an agent's id, or `{agent, fallback, attempts}`."""
    start_when: Annotated[
        StartWhen,
        BeforeValidator(_all_spelled_out, json_schema_input_type=Literal["all"] | StartWhen),
    ] = StartWhen(all=True)
    """`all`, or `{quorum, deadline_s, all}`."""
    prompt: (
        Annotated[Text, AfterValidator(_check_prompt), Field(json_schema_extra={"not": {"pattern": UNKNOWN}})]
        | None
    ) = None
    """Replaces the moderator's or judge's, in a vote or race the members'; {question}, {answers} and {missing} are
    filled in."""
    revise: Flag = False
    """Whether late answers let the moderator write once more."""
    rounds: Annotated[PositiveInt, Field(le=MOST_STAGES, json_schema_extra={"maximum": MOST_STAGES})] = 2
    """Rounds of a debate."""
    layers: Annotated[
        int | tuple[tuple[AgentId, ...], ...],
        BeforeValidator(_layers_or_count, json_schema_input_type=LayerCount | LayerList),
    ] = 2
    """Layers of `layers`: how many of the members, or the agents of each."""
    valid: (
        Annotated[
            Text, AfterValidator(_check_regex), Field(json_schema_extra={"maxLength": MOST_PATTERN_CHARS})
        ]
        | None
    ) = None
    """What the answer that wins a race must match (Python's `re.search`)."""
    limits: PanelLimits = Field(default_factory=PanelLimits)

    _file: str = PrivateAttr(default="")

    @field_validator("members")
    @classmethod
    def _check_members(cls, members: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        method = info.data.get("method", "")
        if len(set(members)) < len(members):
            raise ValueError("names a member twice; remove one")
        least = method_kind(method).least_members
        if members and len(members) < least:
            raise ValueError(f"has too few for `method: {method}`, which needs {least} members; add one")
        return members

    @field_validator("moderator")
    @classmethod
    def _check_moderator(cls, moderator: Moderator | None, info: ValidationInfo) -> Moderator | None:
        method = info.data.get("method", "")
        wanted = method_kind(method).moderator
        if wanted == "required" and moderator is None:
            raise ValueError(f"is missing, which `method: {method}` needs; name an agent")
        if wanted == "none" and moderator is not None:
            raise ValueError(f"has no part in `method: {method}`; remove it")
        return moderator

    @field_validator("start_when")
    @classmethod
    def _check_start_when(cls, start_when: StartWhen, info: ValidationInfo) -> StartWhen:
        quorum, members = start_when.quorum, info.data.get("members")
        if members and quorum is not None and quorum > len(members):
            raise ValueError(f"has a `quorum` of {quorum} but {len(members)} members; lower it")
        return start_when

    @field_validator("prompt")
    @classmethod
    def _check_reader(cls, prompt: str | None, info: ValidationInfo) -> str | None:
        method, moderated = info.data.get("method", ""), info.data.get("moderator") is not None
        if prompt is not None and method_kind(method).prompt_reader == "moderator" and not moderated:
            raise ValueError(
                f"is read by nobody in `method: {method}` without a moderator; name one or remove it"
            )
        return prompt

    def model_post_init(self, context: Any, /) -> None:
        """Take the file's path from the validation context."""
        if isinstance(context, Mapping):
            self._file = context["file"]

    @property
    def file(self) -> str:
        """Path of the YAML file, as given; empty for an inline panel."""
        return self._file

    @property
    def name(self) -> str:
        """What events call it: its id, or its method."""
        return self.panel_id or self.method

    @property
    def last_words(self) -> tuple[str, ...]:
        """The moderator, then its fallbacks."""
        return (self.moderator.agent, *self.moderator.fallback) if self.moderator else ()

    @property
    def kind(self) -> MethodKind:
        """What its method asks of it."""
        return method_kind(self.method)

    @property
    def named_layers(self) -> tuple[tuple[str, ...], ...]:
        """The agents of each layer if the layers have agents of their own; else empty."""
        return () if isinstance(self.layers, int) or not self.kind.takes_layers else self.layers

    @property
    def answering(self) -> tuple[str, ...]:
        """Who answers at any time: the members, or the agents of all layers if these have their own."""
        if self.named_layers:
            return tuple(dict.fromkeys(agent_id for layer in self.named_layers for agent_id in layer))
        return self.members

    @property
    def opening(self) -> tuple[str, ...]:
        """Who speaks in the first stage."""
        return self.named_layers[0] if self.named_layers else self.members

    @property
    def everyone(self) -> tuple[str, ...]:
        """Every agent that the panel may ask, once each."""
        of_layers = (agent_id for layer in self.named_layers for agent_id in layer)
        return tuple(dict.fromkeys((*self.members, *self.last_words, *of_layers)))

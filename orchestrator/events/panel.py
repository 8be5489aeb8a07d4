"""The events of a panel: its stages, its result, who was late."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from .agent import Missing
from .base import AgentStatus, Payload


class Given(msgspec.Struct, frozen=True):
    """An answer that a panel begins with, because another run gave it."""

    agent: str
    title: str
    attempt: int
    chars: int


class PanelInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """The way in which the agents of a run work together. `of` names the run whose answers are `given`."""

    panel_id: str | None
    title: str
    method: str
    members: list[str]
    moderator: str | None
    fallback: list[str]
    of: str | None = None
    given: list[Given] = []


class PanelStage(Payload, frozen=True, omit_defaults=True):
    """A stage begins: `agents` speak, and `missing` are those whose answers it goes without.

    `info` is there if the panel was called during the run, so that `run.started` could not announce it.
    """

    TYPE: ClassVar[str] = "stage"
    panel: str
    method: str
    stage: str
    agents: list[str]
    round: int | None = None
    layer: int | None = None
    missing: list[Missing] = []  # noqa: RUF012 - msgspec makes a new one each time
    info: PanelInfo | None = None


class Score(msgspec.Struct, frozen=True):
    """One agent's place in a ranking."""

    agent: str
    score: int | float


class PanelResult(Payload, frozen=True, omit_defaults=True):
    """The panel's result. `by` and `attempt` name the last answer, if one agent had the last word.

    `tally` counts what was chosen: a vote's answers, a judge's or a ranking's agents. `missing` are those whose
    answers it goes without.
    """

    TYPE: ClassVar[str] = "result"
    panel: str
    method: str
    status: Literal["decided", "tie", "undecided", "failed", "cancelled"]
    winner: str | None
    ranking: list[Score]
    tally: dict[str, int | float]
    missing: list[Missing]
    answer: str | None = None
    by: str | None = None
    attempt: int | None = None
    revision: int | None = None


class PanelLate(Payload, frozen=True, omit_defaults=True):
    """A member answered when nobody waited for it any more."""

    TYPE: ClassVar[str] = "late"
    panel: str
    agent: str
    attempt: int
    status: AgentStatus
    chars: int


class PanelState(msgspec.Struct, omit_defaults=True):
    """A panel as it stands: `PanelInfo`, the newest stage and result, and who was late."""

    panel_id: str | None
    title: str
    method: str
    members: list[str]
    moderator: str | None
    fallback: list[str]
    stage: str | None
    result: PanelResult | None
    late: list[PanelLate]
    of: str | None = None
    given: list[Given] = []
    round: int | None = None
    layer: int | None = None


PANEL_PAYLOADS: dict[str, type[Payload]] = {p.TYPE: p for p in (PanelStage, PanelResult, PanelLate)}

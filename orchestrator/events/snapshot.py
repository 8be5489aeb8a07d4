"""A run as it stands, in one value: what a reader gets who cannot have all of its events."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from .agent import AgentMetrics, ApprovalRequest, InputRef, Missing, Usage
from .base import AgentStatus, RunStatus
from .content import Data, File, Progress, Source
from .panel import PanelState
from .run import AgentVariant


class EarlierTurn(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent's answer in an earlier turn of a panel."""

    turn: int
    stage: str
    attempt: int
    status: AgentStatus
    text: str
    round: int | None = None
    layer: int | None = None


class AgentSnapshot(msgspec.Struct, omit_defaults=True):
    """One agent as it stands: `text` is what its last attempt said so far. From `stage` on it is of a panel.

    `output` to `files` are of the same attempt: the newest of each bar, the newest data of each name and `data_id`
    in the place of the first, all else in order. `approvals` are the calls that wait for an answer.
    """

    status: AgentStatus
    attempt: int
    text: str
    error: dict[str, Any] | None
    metrics: AgentMetrics | None
    usage: Usage | None
    stage: str | None = None
    round: int | None = None
    layer: int | None = None
    turn: int | None = None
    inputs: list[InputRef] = []
    missing: list[Missing] = []
    turns: list[EarlierTurn] = []
    output: Any = msgspec.UNSET
    progress: list[Progress] = []
    data: list[Data] = []
    sources: list[Source] = []
    files: list[File] = []
    approvals: list[ApprovalRequest] = []
    variant: AgentVariant | msgspec.UnsetType = msgspec.UNSET


class RevealedAgent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The identity of an agent of a blind run: `configured` is its true id. The rest is null until it has ended."""

    agent_id: str
    configured: str
    title: str
    backend: str
    model: str | None
    metrics: AgentMetrics | None
    usage: Usage | None
    error: dict[str, Any] | None
    output: Any = msgspec.UNSET
    progress: list[Progress] = []
    data: list[Data] = []
    sources: list[Source] = []
    files: list[File] = []
    variant: AgentVariant | msgspec.UnsetType = msgspec.UNSET


class Revealed(msgspec.Struct, frozen=True):
    """The result of a vote: whom it was for, and who all are; `verdict` says why it was for nobody."""

    vote: str | None
    agents: list[RevealedAgent]
    verdict: Literal["tie", "both_bad"] | msgspec.UnsetType = msgspec.UNSET


class Snapshot(msgspec.Struct, omit_defaults=True):
    """A run as it stands at `last_event_id`. Times are milliseconds since 1970 (UTC)."""

    run_id: str
    channel: str
    conversation_id: str | None
    message: str
    status: RunStatus
    created_at: int
    ended_at: int | None
    last_event_id: str | None
    agents: dict[str, AgentSnapshot]
    panel: PanelState | None = None
    blind: bool = False
    revealed: Revealed | None = None


SNAPSHOT_TYPE = "snapshot"

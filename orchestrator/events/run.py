"""The events of a run itself: who takes part, how it ended, where its log has a gap."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ..errors import GapReason
from .base import AgentStatus, Payload, RunStatus
from .panel import PanelInfo


class AgentVariant(msgspec.Struct, frozen=True):
    """What a request changed of an agent for itself: `of` is the agent, `changes` are as its file would have them."""

    of: str
    changes: dict[str, Any]


class AgentInfo(msgspec.Struct, frozen=True):
    """One agent as `run.started` lists it; `variant` is there only if the request changed something of it."""

    agent_id: str
    title: str
    backend: str
    model: str | None
    variant: AgentVariant | msgspec.UnsetType = msgspec.UNSET

    @property
    def configured(self) -> str:
        """The id of the agent's file, which requests cannot choose: what is counted is counted under it."""
        return self.agent_id if isinstance(self.variant, msgspec.UnsetType) else self.variant.of


class AgentOutcome(msgspec.Struct, frozen=True):
    """The end of one agent's last attempt."""

    status: AgentStatus
    attempt: int


class RunMetrics(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sums over the run's agents; token counts are null if no provider reported any."""

    duration_ms: int
    output_chars: int
    input_tokens: int | None
    output_tokens: int | None
    retries: int
    cost: float | None = None


class RunStarted(Payload, frozen=True, omit_defaults=True):
    """The run's first event: who takes part."""

    TYPE: ClassVar[str] = "started"
    run_id: str
    channel: str
    agents: list[AgentInfo]
    panel: PanelInfo | None = None
    blind: bool = False


class AgentAdded(Payload, frozen=True, omit_defaults=True):
    """An agent joined while the run was open."""

    TYPE: ClassVar[str] = "agent_added"
    agent: AgentInfo


class RunDone(Payload, frozen=True, omit_defaults=True):
    """The run's last event: how it ended, for each agent and in all."""

    TYPE: ClassVar[str] = "done"
    status: RunStatus
    agents: dict[str, AgentOutcome]
    metrics: RunMetrics


class RunGap(Payload, frozen=True, omit_defaults=True):
    """The cursor could not be used. Carries no id, so it never becomes a cursor itself."""

    TYPE: ClassVar[str] = "gap"
    reason: GapReason
    requested: str
    earliest: str | None
    latest: str | None


RUN_PAYLOADS: dict[str, type[Payload]] = {p.TYPE: p for p in (RunStarted, AgentAdded, RunDone, RunGap)}

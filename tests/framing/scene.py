"""A run whose events a test writes down, as one dialect sends them and one reader reads them."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.eventlog.base import Cursor, Draft, Entry
from orchestrator.eventlog.gap import Gap
from orchestrator.events import (
    Cancelled,
    Done,
    Error,
    Payload,
    RunDone,
    RunGap,
    RunMetrics,
    RunStarted,
    Snapshot,
    Usage,
    encode_data,
)
from orchestrator.events.base import RunStatus
from orchestrator.events.panel import PanelInfo
from orchestrator.events.run import AgentInfo
from orchestrator.events.snapshot import AgentSnapshot
from orchestrator.framing.base import DIALECTS, Subscriber
from orchestrator.sse_parser import ServerSentEvent, SSEParser

RUN, EPOCH = "run_1", "k3f9"


class Scene:
    """One connection. `say` returns what the reader gets for it, as JSON where it is JSON."""

    def __init__(self, dialect: str, *, newest: int = 0, **options: Any) -> None:
        subscriber = Subscriber(RUN, RUN, newest=newest, options=options)
        self.framing: Any = DIALECTS[dialect].open(subscriber)
        self.seq = 0

    def _entries(self, events: tuple[tuple[str | None, Payload], ...]) -> list[Entry]:
        found = []
        for agent_id, payload in events:
            self.seq += 1
            data = encode_data(agent_id, payload, self.seq)
            found.append(Entry(EPOCH, self.seq, *Draft(RUN, agent_id, payload.TYPE, data)))
        return found

    def frames(self, *events: tuple[str | None, Payload]) -> list[ServerSentEvent]:
        return SSEParser().feed(self.framing.entries(self._entries(events)))

    def say(self, *events: tuple[str | None, Payload]) -> list[Any]:
        return [_read(frame.data) for frame in self.frames(*events)]

    def skip(self, *events: tuple[str | None, Payload]) -> None:
        self.framing.skip(self._entries(events))

    def begin_with(self, other: Scene) -> None:
        """Begin with what another connection has heard."""
        self.framing.begin_with(other.framing)
        self.seq = other.seq

    def resumed(self) -> list[Any]:
        return [_read(frame.data) for frame in SSEParser().feed(self.framing.resumed())]

    def gap(self, status: RunStatus = "running", **agents: AgentSnapshot) -> list[Any]:
        """Lose all that was before; return what is sent of the state that stands instead."""
        self.seq += 10
        at = f"{EPOCH}-{self.seq}"
        snapshot = Snapshot(RUN, RUN, None, "What?", status, 1, None, at, agents)
        gap = Gap(
            RunGap("trimmed", f"{EPOCH}-1", at, at), [snapshot], Cursor(EPOCH, self.seq), {RUN: self.seq}
        )
        return [_read(frame.data) for frame in SSEParser().feed(b"".join(self.framing.gap(gap, 9)))]


def _read(data: str) -> Any:
    return json.loads(data) if data.startswith(("{", "[{")) else data


def started(*agent_ids: str, panel: str | None = None) -> tuple[None, RunStarted]:
    agents = [AgentInfo(name, name.title(), "function", None) for name in agent_ids]
    info = None if panel is None else PanelInfo(None, panel, panel, list(agent_ids), None, [])
    return None, RunStarted(RUN, RUN, agents, info)


def done(text: str = "", usage: Usage | None = None, *, attempt: int = 1) -> Done:
    return Done(text, usage, "stop", None, attempt)


def error(message: str = "It broke.", code: str = "internal") -> Error:
    return Error(code, message, "e1", False, None, 1)  # type: ignore[arg-type]  # a code of the table


def cancelled() -> Cancelled:
    return Cancelled("requested", None, 1)


def ended(status: RunStatus = "completed") -> tuple[None, RunDone]:
    return None, RunDone(status, {}, RunMetrics(1, 1, 3, 4, 0))

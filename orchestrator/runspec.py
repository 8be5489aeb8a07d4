"""What a run was started with: as a client asks for it, as the store keeps it, as the run knows it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from .eventlog.runstore import RunRecord


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A checked `POST /v1/runs`. `agents` None means the default ones."""

    message: str
    agents: tuple[str, ...] | None = None
    conversation_id: str | None = None
    channel: str | None = None
    on_disconnect: str = "continue"
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run was started with."""

    run_id: str
    channel: str
    message: str
    agents: tuple[str, ...]
    conversation_id: str | None = None
    on_disconnect: str = "continue"
    images: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    max_cost: float | None = None


def spec_of(record: RunRecord) -> RunSpec:
    """Return what a run was started with."""
    request = msgspec.json.decode(record.request) if record.request else {}
    return RunSpec(
        run_id=record.run_id,
        channel=record.channel,
        message=record.message,
        agents=tuple(record.agents),
        conversation_id=record.conversation_id,
        on_disconnect=record.on_disconnect,
        images=tuple(request.get("images", ())),
    )

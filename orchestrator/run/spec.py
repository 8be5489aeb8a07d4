"""What a run was started with: as a client asks for it, as the store keeps it, as the run knows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import msgspec
from pydantic import ValidationError

from ..eventlog.run_store import RunRecord
from ..events.base import AgentStatus
from ..panels.settings import PanelSettings


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An agent's answer in another run, for a panel that begins with it."""

    agent_id: str
    title: str
    status: AgentStatus
    text: str
    attempt: int


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A checked `POST /v1/runs`. `agents` None means the default ones.

    `panel` is a `PanelSettings` with its members filled in, as plain data; `of` names the run whose
    answers are `given`, so that its members are not asked again. `blind` hides who is who until the vote.
    """

    message: str
    agents: tuple[str, ...] | None = None
    conversation_id: str | None = None
    channel: str | None = None
    on_disconnect: str = "continue"
    images: tuple[str, ...] = ()
    panel: dict[str, Any] | None = None
    given: tuple[GivenAnswer, ...] = ()
    of: str | None = None
    blind: bool = False


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
    panel: PanelSettings | None = None
    given: tuple[GivenAnswer, ...] = ()
    of: str | None = None
    blind: bool = False
    traceparent: str | None = None


def spec_of(record: RunRecord) -> RunSpec:
    """Return what a run was started with."""
    request = _read(record)
    return RunSpec(
        run_id=record.run_id,
        channel=record.channel,
        message=record.message,
        agents=tuple(record.agents),
        conversation_id=record.conversation_id,
        on_disconnect=record.on_disconnect,
        images=request.images,
        panel=_panel(request),
        given=request.given,
        of=request.of,
        blind=request.blind,
        traceparent=record.traceparent,
    )


def digest(request: str) -> str:
    """Return what tells a request from others, for the idempotency key: the request itself loses its images."""
    return sha256(request.encode("utf-8", "surrogatepass")).hexdigest()


def without_images(record: RunRecord) -> str | None:
    """Return a record's request without its images, which nobody needs once the run has ended; None: it has none."""
    request = _read(record)
    if not request.images:
        return None
    return msgspec.json.encode(replace(request, images=())).decode()


def _panel(request: StartRequest) -> PanelSettings | None:
    try:
        return None if request.panel is None else PanelSettings.model_validate(request.panel)
    except ValidationError:
        return None


def _read(record: RunRecord) -> StartRequest:
    if not record.request:
        return StartRequest(record.message)
    try:
        return msgspec.json.decode(record.request, type=StartRequest)
    except msgspec.MsgspecError:
        return StartRequest(record.message)  # of another release: what its events say is still of use

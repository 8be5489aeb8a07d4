"""The request that a run was started with: as a client sends it, as the store keeps it, as the run knows it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import msgspec
from pydantic import ValidationError

from ..errors import UnreadableRequest
from ..eventlog.run_store import RunRecord
from ..events.base import AgentStatus
from ..events.run import AgentVariant
from ..panels.settings import PanelSettings


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An agent's answer in another run, for a panel that begins with it."""

    agent_id: str
    title: str
    status: AgentStatus
    text: str
    attempt: int


BEGINNING = "start"
"""As `after`: nothing of the conversation is known."""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A checked `POST /v1/runs`. `agents` None means the default ones.

    `panel` is a `PanelSettings` with its members filled in, as plain data; `of` names the run whose
    answers are `given`, so that its members are not asked again. `blind` hides who is who until the vote.
    `depth` counts the instances that passed the question on. `variants` are those of the agents that are configured
    ones with changes, by the names under which they take part.

    `after` is the run of the conversation that this one goes on from, or `BEGINNING`; `branch` the runs that led there,
    whose turns alone are known. None: all that was said is.
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
    depth: int = 0
    variants: dict[str, AgentVariant] = field(default_factory=dict)
    after: str | None = None
    branch: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The request that a run was started with."""

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
    depth: int = 0
    variants: dict[str, AgentVariant] = field(default_factory=dict)
    branch: tuple[str, ...] | None = None


def spec_of(
    record: RunRecord,
    request: StartRequest | None = None,
    *,
    max_output_tokens: int | None = None,
    max_cost: float | None = None,
) -> RunSpec:
    """Return what a run was started with.

    Args:
        request: What the record's request is, if that is known.
        max_output_tokens: What the agents may spend together, and max_cost.
    Raises:
        UnreadableRequest: It is broken, or of another release: nobody may execute what was not asked for.
    """
    request = _read(record) if request is None else request
    panel = _panel(record.run_id, request)
    return _spec(record, request, panel, max_output_tokens=max_output_tokens, max_cost=max_cost)


def known_spec_of(record: RunRecord) -> RunSpec:
    """Return what is known of what a run was started with, to report it: all that its request says may be missing.

    Whether it was blind is then known of its summary only, and without one it counts as blind.
    """
    try:
        return spec_of(record)
    except UnreadableRequest:
        blind = record.summary is None or record.summary.blind
        return _spec(record, StartRequest(record.message, blind=blind), None)


def _spec(
    record: RunRecord,
    request: StartRequest,
    panel: PanelSettings | None,
    *,
    max_output_tokens: int | None = None,
    max_cost: float | None = None,
) -> RunSpec:
    return RunSpec(
        run_id=record.run_id,
        channel=record.channel,
        message=record.message,
        agents=tuple(record.agents),
        conversation_id=record.conversation_id,
        on_disconnect=record.on_disconnect,
        images=request.images,
        max_output_tokens=max_output_tokens,
        max_cost=max_cost,
        panel=panel,
        given=request.given,
        of=request.of,
        blind=request.blind,
        traceparent=record.traceparent,
        depth=request.depth,
        variants=request.variants,
        branch=request.branch,
    )


def digest(request: str) -> str:
    """Return what distinguishes a request from others, for the idempotency key: the request itself loses its images."""
    return sha256(request.encode("utf-8", "surrogatepass")).hexdigest()


def without_images(record: RunRecord) -> str | None:
    """Return a record's request without its images, which nobody needs once the run has ended; None: leave it."""
    try:
        request = _read(record)
    except UnreadableRequest:
        return None
    if not request.images:
        return None
    return msgspec.json.encode(replace(request, images=())).decode()


def _panel(run_id: str, request: StartRequest) -> PanelSettings | None:
    try:
        return None if request.panel is None else PanelSettings.model_validate(request.panel)
    except ValidationError as exc:
        raise UnreadableRequest(f"the panel of run {run_id} cannot be read") from exc


def _read(record: RunRecord) -> StartRequest:
    if not record.readable:
        raise UnreadableRequest(f"the record of run {record.run_id} cannot be read")
    if not record.request:
        return StartRequest(record.message)
    try:
        return msgspec.json.decode(record.request, type=StartRequest)
    except msgspec.MsgspecError as exc:
        raise UnreadableRequest(f"the request of run {record.run_id} cannot be read") from exc

"""The commands that may be given to a run, in a form that reaches the worker that owns it. Owns no connection.

One call, local or from another worker, is a `Command`: `perform` does it on the owner's `Run`, `encode`
and `decode` carry it and what came of it across.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..agent.attempt import Stop
from ..errors import Conflict, NotFound, RequestError, Unavailable
from ..events.agent import Approval
from ..events.snapshot import Snapshot
from ..panels.settings import PanelSettings
from .run import Run
from .stored import StoredRun

AnyRun = Run | StoredRun
"""A run that this worker executes, or one as the log has it."""

Verb = Literal["cancel", "add", "retry", "approve", "convene"]


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something asked of a run. `agent_id` None means all of its agents, which only `cancel` takes.

    `reason` is a cancel's, `why` and `by` an approval's. `panel` is a `PanelSettings` with its members filled in, as
    plain data.
    """

    verb: Verb
    run_id: str
    agent_id: str | None = None
    call_id: str = ""
    approve: bool = False
    reason: str = "requested"
    why: str | None = None
    by: str | None = None
    panel: dict[str, Any] | None = None


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome of a command: the snapshot after it, or why it was refused. `moved`: ask the new owner."""

    snapshot: Snapshot | None = None
    refused: Literal["", "conflict", "not_found", "moved"] = ""
    detail: str = ""


async def perform(run: AnyRun, command: Command) -> Snapshot:
    """Do what *command* asks of a run that is executed here, or read from the log; return it as it stands then.

    Raises:
        Conflict, NotFound: As the methods of `Run` and `StoredRun`.
    """
    agent_id = command.agent_id
    if command.verb == "cancel":
        run.cancel(Stop(command.reason), agent_id)
    elif command.verb == "add" and agent_id is not None:
        await run.add(agent_id)
    elif command.verb == "retry" and agent_id is not None:
        await run.retry(agent_id)
    elif command.verb == "approve" and agent_id is not None:
        answer = Approval(command.call_id, command.approve, command.why, command.by)
        run.approve(agent_id, answer)
    elif command.verb == "convene" and command.panel is not None:
        run.start_panel_over(PanelSettings.model_validate(command.panel))
    return run.snapshot()


async def answer(run: Run | None, body: bytes) -> bytes:
    """Perform an encoded command of another worker and encode what came of it."""
    if run is None:
        return msgspec.json.encode(Outcome(refused="moved"))
    try:
        return msgspec.json.encode(Outcome(await perform(run, decode(body))))
    except Conflict as exc:
        return msgspec.json.encode(Outcome(refused="conflict", detail=str(exc)))
    except NotFound as exc:
        return msgspec.json.encode(Outcome(refused="not_found", detail=str(exc)))


def encode(command: Command) -> bytes:
    return msgspec.json.encode(command)


def decode(body: bytes) -> Command:
    return msgspec.json.decode(body, type=Command)


def outcome(body: bytes) -> Snapshot | None:
    """Read what came of a command; None if the run has moved to another worker.

    Raises:
        Conflict, NotFound: The owner refused.
    """
    reply = msgspec.json.decode(body, type=Outcome)
    refusals: dict[str, type[RequestError]] = {"conflict": Conflict, "not_found": NotFound}
    if reply.refused in refusals:
        raise refusals[reply.refused](reply.detail)
    if reply.refused != "moved" and reply.snapshot is None:
        raise Unavailable("The worker that owns the run answered something unknown.")
    return reply.snapshot

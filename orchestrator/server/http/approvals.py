"""Answers to approvals that come with a request in another API's words. Owns no route."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from ...errors import FieldProblem, InvalidRequest, NotFound
from ...run.commands import Command
from ...supervisor.supervisor import AnyRun
from ..keys import SUPERVISOR


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """Whether one call of one agent may go on."""

    run_id: str
    agent_id: str
    call_id: str
    approve: bool
    reason: str | None = None


def read_approval_id(approval: object, approve: object, reason: object = None) -> ApprovalAnswer:
    """Read ``<run>/<agent>/<call>``, as the dialects write it, and the decision.

    Raises:
        InvalidRequest: It is no such id, or no decision.
    """
    named = str(approval).split("/", 2)
    if len(named) != 3 or not isinstance(approve, bool):
        raise InvalidRequest(
            "The answer to an approval needs the id of its request, and whether to approve.",
            [FieldProblem("approval", "must have the request's id and a decision")],
        )
    return ApprovalAnswer(named[0], named[1], named[2], approve, reason if isinstance(reason, str) else None)


async def give_answers(request: web.Request, answers: Sequence[ApprovalAnswer]) -> tuple[AnyRun, str | None]:
    """Give the answers of one run; return the run, and where its stream goes on.

    An answer that was given before is left as it is: a page sends all that its message holds.

    Raises:
        NotFound: None of them waits, or there is no such run. Gone: The run was deleted.
    """
    supervisor = request.app[SUPERVISOR]
    run = await supervisor.get(answers[-1].run_id)
    cursor, given, refused = run.state.last_event_id, 0, None
    for answer in answers:
        if answer.run_id != run.spec.run_id:
            continue
        try:
            await supervisor.perform(
                Command(
                    "approve",
                    answer.run_id,
                    agent_id=answer.agent_id,
                    call_id=answer.call_id,
                    approve=answer.approve,
                )
            )
            given += 1
        except NotFound as exc:
            refused = exc
    if not given and refused is not None:
        raise refused
    return run, cursor

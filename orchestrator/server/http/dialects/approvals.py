"""Answers to approvals that come with a request in another API's words. Owns no route."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from aiohttp import web

from ....errors import FieldProblem, InvalidRequest, NotFound
from ....run.commands import Command
from ....supervisor.supervisor import AnyRun
from ...app_keys import SUPERVISOR
from .prompt import read_content

MAX_REASON_CHARS = 1_000
MAX_BY_CHARS = 200
MAX_ID_CHARS = 2_000
"""Of a run's, an agent's and a call's names together."""

_YES = frozenset({"yes", "y", "ok", "approve", "approved"})
_NO = frozenset({"no", "n", "deny", "denied", "reject"})
_NAMED = re.compile(r"\? \[(run_[A-Za-z0-9_-]+/[a-z0-9_-]+/[^\s\]]+)\]")
_DECISION = re.compile(r"\s*([a-z]+)\s*(?:[.!]*\s*|([:,])\s*(.*))", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """The answer to whether one call of one agent may go on."""

    run_id: str
    agent_id: str
    call_id: str
    approve: bool
    reason: str | None = None


def read_approval_id(approval: object, approve: object, reason: object = None) -> ApprovalAnswer:
    """Read ``<run>/<agent>/<call>``, as the dialects write it, and the decision.

    Raises:
        InvalidRequest: It is no such id, or no decision, or its reason is too long.
    """
    if isinstance(reason, str) and len(reason) > MAX_REASON_CHARS:
        words = f"must be a string of at most {MAX_REASON_CHARS} characters"
        raise InvalidRequest("The reason of an answer is too long.", [FieldProblem("reason", words)])
    named = approval.split("/", 2) if isinstance(approval, str) and len(approval) <= MAX_ID_CHARS else ()
    if len(named) != 3 or not isinstance(approve, bool):
        raise InvalidRequest(
            "The answer to an approval needs the id of its request, and whether to approve.",
            [FieldProblem("approval", "must have the request's id and a decision")],
        )
    why = reason if isinstance(reason, str) and reason else None
    return ApprovalAnswer(named[0], named[1], named[2], approve, why)


def read_decision(text: str) -> tuple[bool | None, str | None]:
    """Read a person's yes or no, and the reason that may follow a colon (after no a comma, too).

    Anything else decides nothing: what a person meant to say next may not let an agent act.
    """
    found = _DECISION.fullmatch(text)
    word = found[1].lower() if found is not None else ""
    if found is None or (word in _YES and found[2] == ","):
        return None, None
    approve = True if word in _YES else False if word in _NO else None
    return approve, None if approve is None else found[3] or None


def read_chat_answers(messages: object) -> list[ApprovalAnswer]:
    """Return what the last user message answers: the questions that the assistant's message before it asked.

    Chat completions know no approvals, so they are asked in words that hold the id of each.
    """
    last = [each for each in messages if isinstance(each, Mapping)][-2:] if isinstance(messages, list) else []
    if [each.get("role") for each in last] != ["assistant", "user"]:
        return []
    asked, said = (read_content(each.get("content"))[0] for each in last)
    approve, reason = read_decision(said)
    named = dict.fromkeys(_NAMED.findall(asked))
    if approve is None:
        return []
    return [read_approval_id(unquote(each), approve, reason) for each in named]


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
                    why=answer.reason,
                )
            )
            given += 1
        except NotFound as exc:
            refused = exc
    if not given and refused is not None:
        raise refused
    return run, cursor

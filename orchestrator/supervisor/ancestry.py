"""Finds which runs led to the one that a new run goes on from: its agents know what was said in those alone."""

from __future__ import annotations

from dataclasses import replace

from ..errors import FieldProblem, Gone, InvalidRequest, NotFound
from ..eventlog.base import Store
from ..eventlog.run_list import RunQuery
from ..eventlog.run_store import RunRecord
from ..run.conversation import MAX_TURNS
from ..run.spec import BEGINNING, StartRequest, known_spec_of


async def with_branch(store: Store, request: StartRequest) -> StartRequest:
    """Return *request* with the runs whose turns are known to its agents.

    Raises:
        InvalidRequest: There is no such run in the conversation. LogUnavailable.
    """
    after, conversation_id = request.after, request.conversation_id
    if after is None or conversation_id is None:
        return request
    if after == BEGINNING:
        return replace(request, branch=())
    record = await _find(store, after)
    if record is None or record.conversation_id != conversation_id:
        wrong = f"is no run of the conversation {conversation_id!r}"
        raise InvalidRequest("The run to go on from is unknown.", [FieldProblem("after", wrong)])
    return replace(request, branch=(*await _leading_to(store, record), after)[-MAX_TURNS:])


async def _find(store: Store, run_id: str) -> RunRecord | None:
    try:
        return await store.find_run(run_id)
    except Gone:
        return None


async def _leading_to(store: Store, record: RunRecord) -> tuple[str, ...]:
    """Return the runs whose turns *record*'s agents knew, oldest first."""
    branch = known_spec_of(record).branch
    if branch is not None:
        return branch
    # It was not said which run it went on from, so it knew all that was there.
    try:
        place = await store.place_of(record.run_id)
    except (NotFound, Gone):
        return ()
    query = RunQuery(MAX_TURNS, before=place, conversation_id=record.conversation_id)
    page = await store.page_runs(query)
    return tuple(row.run_id for row in reversed(page.rows))

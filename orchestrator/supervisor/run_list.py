"""The rows of a list of runs: ids, status, times, agents with their status, a title. Owns no storage and no text.

How the agents of a running run stand is known of those that are executed here; of another worker's, as it was when
the run began.
"""

from __future__ import annotations

import msgspec

from ..eventlog.run_list import RunPage, RunRow, RunSummary, title_of
from ..events.base import AgentStatus, RunStatus
from ..run.blind import neutral_id
from ..run.run import Run
from ..run.spec import StartRequest
from .executor import Executor


class ListedAgent(msgspec.Struct):
    """An agent of a listed run; `status` null: not known. `variant_of`: the agent of which it is a variant."""

    status: AgentStatus | None
    variant_of: str | msgspec.UnsetType = msgspec.UNSET


class ListedRun(msgspec.Struct):
    """A run in a list. `unreadable`: its record is of another release, and only its events may say more.

    `after`: the run of its conversation that it goes on from, or `start`, if it was said which.
    """

    run_id: str
    channel: str
    conversation_id: str | None
    title: str
    status: RunStatus
    created_at: int
    ended_at: int | None
    agents: dict[str, ListedAgent]
    panel: str | None
    blind: bool
    unreadable: bool
    after: str | msgspec.UnsetType = msgspec.UNSET


class RunList(msgspec.Struct):
    """Runs, newest first. `next` is the cursor of the next page; null: there is none."""

    runs: list[ListedRun]
    next: str | None


def list_of(page: RunPage, executor: Executor) -> RunList:
    """Return *page* as clients see it."""
    return RunList(
        [_listed(row, executor.find(row.run_id)) for row in page.rows],
        None if page.next is None else str(page.next),
    )


def summary_of(request: StartRequest, agents: tuple[str, ...]) -> RunSummary:
    """Return what a list is to show of a run that begins; of a blind one's *agents* not their names."""
    shown = [neutral_id(place) for place in range(len(agents))] if request.blind else agents
    panel = request.panel or {}
    name = panel.get("title") or panel.get("panel_id") or panel.get("method")
    variants = {} if request.blind else {agent: variant.of for agent, variant in request.variants.items()}
    return RunSummary(
        title_of(request.message),
        dict.fromkeys(shown, "queued"),
        name,
        request.blind,
        variants,
        request.after,
    )


def _listed(row: RunRow, live: Run | None) -> ListedRun:
    summary = row.summary or RunSummary()
    agents = summary.agents if live is None else live.state.outcomes()
    return ListedRun(
        run_id=row.run_id,
        channel=row.channel,
        conversation_id=row.conversation_id,
        title=summary.title,
        status=row.status if live is None else live.status,
        created_at=row.created_at,
        ended_at=row.ended_at,
        agents={
            agent_id: ListedAgent(status, summary.variants.get(agent_id, msgspec.UNSET))
            for agent_id, status in agents.items()
        },
        panel=summary.panel,
        blind=summary.blind,
        unreadable=row.summary is None,
        after=summary.after or msgspec.UNSET,
    )

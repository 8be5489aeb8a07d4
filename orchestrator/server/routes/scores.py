"""The votes on runs, and `/v1/scores`: what they and verdicts came to, as JSON, CSV and pairs for training."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web

from ...errors import FieldProblem, Gone, InvalidRequest, NotFound
from ...events.encoding import clean_text, encode_json
from ...panels.methods.registry import METHODS
from ...run.ballots import VOTE, Ballot
from ...run.panel import answer_of
from ...supervisor.scores import ScoredAgent
from ...supervisor.supervisor import Supervisor
from ..app_keys import READER, SUPERVISOR
from ..http.json_response import json_response
from ..http.problem import ProblemError
from ..openapi.operation import Parameter, ResponseDoc, operation
from .runs import MAX_SEARCHED_CHARS, run_of

MAX_PAIRED_RUNS = 1000
"""Runs that an export of pairs reads, the newest: each is read from the log."""

_SAYS = (VOTE, *(name for name, kind in METHODS.items() if kind.compares))
"""Who may have said which answer is better: a person, or a panel's method that compares answers."""

routes = web.RouteTableDef()

_FILTERS = (
    Parameter(
        "by", "query", "Only what a person's `vote` said, or panels of this method.", {"enum": list(_SAYS)}
    ),
    Parameter("q", "query", "Only questions that have this in them, in whatever case."),
)


@routes.post("/v1/runs/{run_id}/vote")
@operation(
    "Vote for an agent, or for nobody",
    description=(
        "Which answer is best; or with `verdict` that two or more are as good (`tie`) or that none is (`both_bad`). "
        "In a blind run this tells who the agents are; a later vote replaces an earlier one, except there."
    ),
    answers={200: ResponseDoc("Who the agents are.", "Revealed")},
    body="Vote",
    errors=(404, 409, 410, 503),
)
async def vote(request: web.Request) -> web.StreamResponse:
    run = await run_of(request)
    body = await request.app[READER].read(request)
    supervisor = request.app[SUPERVISOR]
    if list(body) == ["agent_id"] and isinstance(body["agent_id"], str):
        return json_response(await supervisor.vote(run.spec.run_id, body["agent_id"]))
    if list(body) == ["verdict"] and body["verdict"] in ("tie", "both_bad"):
        return json_response(await supervisor.vote(run.spec.run_id, None, body["verdict"]))
    raise InvalidRequest(
        'The body must be {"agent_id": …} with an agent of this run, or {"verdict": "tie" or "both_bad"}.',
        [FieldProblem("agent_id", "must be a string, unless there is a verdict")],
    )


@routes.delete("/v1/runs/{run_id}/vote")
@operation(
    "Take a vote back",
    answers={204: ResponseDoc("There is no vote any more.")},
    errors=(404, 409, 410, 503),
)
async def take_vote_back(request: web.Request) -> web.StreamResponse:
    await request.app[SUPERVISOR].take_vote_back((await run_of(request)).spec.run_id)
    return web.Response(status=204)


@routes.get("/v1/scores")
@operation(
    "Show what votes and verdicts came to",
    tag="scores",
    description=(
        "For each agent wins, losses and ties, a Bradley-Terry rating with its 95 % interval, and what its answers "
        "took; and the same counts for each of the newest questions. Verdicts outlive their runs, but not a run's "
        "deletion."
    ),
    answers={200: ResponseDoc("The scores.", "Scores")},
    parameters=_FILTERS,
    errors=(400, 503),
)
async def show_scores(request: web.Request) -> web.StreamResponse:
    return json_response(await request.app[SUPERVISOR].scores.scores(**_filters(request)))


@routes.get("/v1/scores.csv")
@operation(
    "Export the scores as CSV",
    tag="scores",
    answers={200: ResponseDoc("A row for each agent.", {"type": "string"}, media="text/csv")},
    parameters=_FILTERS,
    errors=(400, 503),
)
async def export_scores(request: web.Request) -> web.StreamResponse:
    scores = await request.app[SUPERVISOR].scores.scores(**_filters(request))
    return web.Response(
        text=table(scores.agents),
        content_type="text/csv",
        charset="utf-8",
        headers={"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="scores.csv"'},
    )


@routes.get("/v1/scores/pairs")
@operation(
    "Export preference pairs",
    tag="scores",
    description=(
        f"One JSON object a line: `prompt`, `chosen`, `rejected`, whose they are, and who said so. Of the newest "
        f"{MAX_PAIRED_RUNS} verdicts whose runs are still there; ties give none."
    ),
    answers={200: ResponseDoc("The pairs.", {"type": "string"}, media="application/jsonl")},
    parameters=_FILTERS,
    errors=(400, 503),
)
async def export_pairs(request: web.Request) -> web.StreamResponse:
    supervisor = request.app[SUPERVISOR]
    ballots = await supervisor.scores.ballots(**_filters(request))
    response = web.StreamResponse(
        headers={"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="pairs.jsonl"'}
    )
    response.content_type = "application/jsonl"
    await response.prepare(request)
    async for pair in pairs(supervisor, ballots[-MAX_PAIRED_RUNS:]):
        await response.write(encode_json(pair) + b"\n")
    await response.write_eof()
    return response


def _filters(request: web.Request) -> dict[str, str]:
    query = request.query
    by = query.get("by", "")
    if by not in ("", *_SAYS):
        raise ProblemError(400, f"by must be one of {', '.join(_SAYS)}.")
    return {
        "by": by,
        "text": clean_text(query.get("q", ""))[:MAX_SEARCHED_CHARS],
    }


_COLUMNS = (
    "agent_id", "title", "compared", "wins", "losses", "ties", "both_bad", "rating", "low", "high", "duration_ms",
    "output_tokens", "cost",
)  # fmt: skip


def table(agents: Iterable[ScoredAgent]) -> str:
    """Return the scores as CSV. A text that a spreadsheet would take for a formula is marked as text."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow((*_COLUMNS, "variant"))
    for agent in agents:
        variant = agent.variant
        changed = "" if isinstance(variant, msgspec.UnsetType) else msgspec.json.encode(variant).decode()
        rows.writerow([_cell(getattr(agent, column)) for column in _COLUMNS] + [changed])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return round(value, 6) if isinstance(value, float) else value


async def pairs(supervisor: Supervisor, ballots: Iterable[Ballot]) -> AsyncIterator[dict[str, Any]]:
    """Yield what was preferred to what, for those ballots whose runs are still there."""
    for ballot in ballots:
        with suppress(NotFound, Gone):
            run = await supervisor.get(ballot.run_id)
            texts = await _texts(supervisor, run, ballot)
            for first, second, share in ballot.pairs():
                if share == 0.5:
                    continue
                better, worse = (first, second) if share > 0.5 else (second, first)
                chosen, rejected = (ballot.agents[place].agent_id for place in (better, worse))
                if texts.get(chosen) and texts.get(rejected):
                    yield {
                        "prompt": run.spec.message, "chosen": texts[chosen], "rejected": texts[rejected],
                        "chosen_agent": chosen, "rejected_agent": rejected, "by": ballot.by, "run_id": ballot.run_id,
                    }  # fmt: skip
        await asyncio.sleep(0)  # the loop is everybody's


async def _texts(supervisor: Supervisor, run: Any, ballot: Ballot) -> dict[str, str]:
    """Return the answers of a run by the agents' own ids, which a blind run's are not known by."""
    texts = {given.agent_id: given.text for given in run.spec.given}
    texts |= {agent_id: answer_of(participant).text for agent_id, participant in run.participants.items()}
    if run.spec.blind:
        revealed = await supervisor.revealed(run)
        names = {} if revealed is None else {agent.agent_id: agent.configured for agent in revealed.agents}
        return {names[agent_id]: text for agent_id, text in texts.items() if agent_id in names}
    return texts

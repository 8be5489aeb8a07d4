"""Votes and verdicts over HTTP: what they come to, in all three stores, and what leaves with a run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.base import AgentInput, Finish
from orchestrator.client import Client as OwnClient
from orchestrator.client import ClientError
from orchestrator.events import Usage
from tests.contract.stores import STORES, Clock
from tests.support.service import Serve, Service, serving, words


def counted(text: str) -> Callable[[AgentInput], AsyncIterator[object]]:
    async def script(request: AgentInput) -> AsyncIterator[object]:
        yield text
        yield Finish(usage=Usage(1, len(text)))

    return script


SCRIPTS: dict[str, Any] = {"a": counted("tea"), "b": counted("coffee"), "c": words("milk")}


async def voted(service: Service, choice: dict[str, Any], **keys: Any) -> str:
    run_id = await service.start("Tea or coffee?", agents=["a", "b"], **keys)
    await service.ended(run_id)
    answer = await service.call("POST", f"/v1/runs/{run_id}/vote", json=choice)
    assert answer.status == 200, answer.body
    return run_id


async def scores(service: Service, query: str = "") -> dict[str, Any]:
    answer = await service.call("GET", f"/v1/scores{query}")
    assert answer.status == 200
    found: dict[str, Any] = answer.json
    return found


def rows(found: dict[str, Any]) -> dict[str, tuple[int, int, int, int]]:
    return {
        row["agent_id"]: (row["wins"], row["losses"], row["ties"], row["both_bad"]) for row in found["agents"]
    }


@pytest.mark.parametrize("store", STORES)
async def test_votes_are_counted_in_every_store_and_leave_with_their_run(store: str, tmp_path: Path) -> None:
    async with STORES[store](tmp_path, Clock()) as log, serving(SCRIPTS, log=log) as service:
        first = await voted(service, {"agent_id": "a"})
        await voted(service, {"verdict": "tie"})
        assert rows(await scores(service)) == {"a": (1, 0, 1, 0), "b": (0, 1, 1, 0)}
        await service.call("POST", f"/v1/runs/{first}/vote", json={"verdict": "both_bad"})
        assert rows(await uncached(service)) == {"a": (0, 0, 1, 1), "b": (0, 0, 1, 1)}
        assert (await service.call("DELETE", f"/v1/runs/{first}")).status == 204
        assert rows(await uncached(service)) == {"a": (0, 0, 1, 0), "b": (0, 0, 1, 0)}


async def uncached(service: Service) -> dict[str, Any]:
    """Return the scores as they are now: an answer is kept for others who ask the same at once."""
    await scores(service, "?q=something-else")
    return await scores(service)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving(SCRIPTS) as served:
        yield served


async def test_scores_say_what_answers_took_and_which_question_it_was(service: Service) -> None:
    await voted(service, {"agent_id": "b"})
    found = await scores(service, "?by=vote&q=COFFEE")
    best = found["agents"][0]
    assert (best["agent_id"], best["output_tokens"], best["cost"]) == ("b", 6.0, None)
    assert best["low"] < best["rating"] < best["high"]
    assert best["duration_ms"] >= 0
    (question,) = found["questions"]
    assert (question["question"], question["wins"]) == ("Tea or coffee?", {"b": 1})
    assert (await scores(service, "?q=milk"))["compared"] == 0
    assert (await scores(service, "?by=judge"))["compared"] == 0


@pytest.mark.parametrize("path", ["", ".csv", "/pairs"])
async def test_an_unknown_by_is_told_what_there_is(service: Service, path: str) -> None:
    """An empty table would look like an answer."""
    for by in ("nobody", "moderator", "Judge"):
        answer = await service.call("GET", f"/v1/scores{path}?by={by}")
        assert (answer.status, answer.json["detail"]) == (400, "by must be one of vote, judge, rank.")
    assert (await service.call("GET", f"/v1/scores{path}?by=")).status == 200


async def test_a_blind_vote_counts_for_who_it_was(service: Service) -> None:
    run_id = await service.start("Tea?", agents=["a", "b"], blind=True)
    await service.ended(run_id)
    assert (await scores(service))["compared"] == 0
    told = await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": "agent-1"})
    (winner,) = [each["configured"] for each in told.json["agents"] if each["agent_id"] == "agent-1"]
    assert rows(await uncached(service))[winner] == (1, 0, 0, 0)
    assert (await service.call("DELETE", f"/v1/runs/{run_id}/vote")).status == 409
    assert rows(await uncached(service))[winner] == (1, 0, 0, 0)


async def test_a_blind_tie_tells_the_names_and_is_for_nobody(service: Service) -> None:
    run_id = await voted(service, {"verdict": "tie"}, blind=True)
    revealed = (await service.call("GET", f"/v1/runs/{run_id}")).json["revealed"]
    assert (revealed["vote"], revealed["verdict"]) == (None, "tie")
    assert {each["configured"] for each in revealed["agents"]} == {"a", "b"}
    again = await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": "agent-1"})
    assert again.status == 409


async def test_a_vote_is_taken_back(service: Service) -> None:
    run_id = await voted(service, {"agent_id": "a"})
    assert (await service.call("DELETE", f"/v1/runs/{run_id}/vote")).status == 204
    assert "revealed" not in (await service.call("GET", f"/v1/runs/{run_id}")).json
    assert (await uncached(service))["agents"] == []


async def test_a_vote_with_nothing_to_compare_is_kept_and_not_counted(service: Service) -> None:
    run_id = await service.start(agents=["a"])
    await service.ended(run_id)
    assert (await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": "a"})).status == 200
    assert (await scores(service))["compared"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"agent_id": 7},
        {"verdict": "bad"},
        {"verdict": None},
        {"agent_id": "a", "verdict": "tie"},
        {"x": 1},
    ],
)
async def test_a_vote_is_for_an_agent_or_a_verdict(service: Service, body: dict[str, Any]) -> None:
    run_id = await service.start(agents=["a", "b"])
    assert (await service.call("POST", f"/v1/runs/{run_id}/vote", json=body)).status == 422


async def test_exports(service: Service) -> None:
    run_id = await voted(service, {"agent_id": "a"})
    await voted(service, {"verdict": "tie"})
    gone = await voted(service, {"agent_id": "b"})
    await service.call("DELETE", f"/v1/runs/{gone}")
    answer = await service.call("GET", "/v1/scores.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    table = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [(row["agent_id"], row["wins"]) for row in table] == [("a", "1"), ("b", "0")]
    pairs = (await service.call("GET", "/v1/scores/pairs")).body.decode().splitlines()
    assert [json.loads(line) for line in pairs] == [
        {"prompt": "Tea or coffee?", "chosen": "tea", "rejected": "coffee", "chosen_agent": "a",
         "rejected_agent": "b", "by": "vote", "run_id": run_id},
    ]  # fmt: skip


async def test_pairs_of_a_blind_run_have_the_names_that_the_vote_told(service: Service) -> None:
    await voted(service, {"agent_id": "agent-2"}, blind=True)
    (line,) = (await service.call("GET", "/v1/scores/pairs")).body.decode().splitlines()
    pair = json.loads(line)
    assert (pair["chosen"], pair["rejected"]) == tuple(
        {"a": "tea", "b": "coffee"}[pair[key]] for key in ("chosen_agent", "rejected_agent")
    )


async def prefers_tea(request: AgentInput) -> AsyncIterator[str]:
    assert request.part is not None
    yield "Winner: " + next(heard.label for heard in request.part.heard if heard.text == "tea")


async def test_a_judges_verdict_is_counted_when_its_run_ends(serve: Serve) -> None:
    service = await serve({**SCRIPTS, "j": prefers_tea})
    run_id = await service.start("Tea?", agents=["a", "b"], panel={"method": "judge", "moderator": "j"})
    await service.ended(run_id)
    assert rows(await scores(service, "?by=judge")) == {"a": (1, 0, 0, 0), "b": (0, 1, 0, 0)}
    over = await service.call(
        "POST", f"/v1/runs/{run_id}/panel", json={"panel": {"method": "judge", "moderator": "j"}}
    )
    await service.ended(over.json["run_id"])
    assert rows(await uncached(service)) == {"a": (2, 0, 0, 0), "b": (0, 2, 0, 0)}
    assert (await service.call("DELETE", f"/v1/runs/{run_id}")).status == 204
    assert (await uncached(service))["agents"] == [], "what sat over its answers goes with it"


async def test_the_python_client_votes_and_reads_the_scores(service: Service) -> None:
    async with OwnClient(service.url) as client:
        run = await client.start("Tea or coffee?", agents=["a", "b"])
        await run.result()
        assert (await run.vote("b"))["vote"] == "b"
        assert (await run.vote(None, "both_bad"))["verdict"] == "both_bad"
        assert (await client.scores(by="vote", q="tea"))["compared"] == 1
        await run.take_vote_back()
        assert (await client.scores())["compared"] == 0
        with pytest.raises(ClientError) as refused:
            await run.vote("nobody")
        assert refused.value.status == 404

"""Blind runs: nothing that can be read tells who is who until somebody has voted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from orchestrator.backends.base import AgentInput, Finish
from orchestrator.errors import AgentError
from orchestrator.events import Handoff, Token, Usage

from ..support.service import Service, serving, words
from ..support.spine import Script

SECRETS = ("skeptic", "optimist", "Wording of the provider", "Captain", "4711")


async def counted(request: AgentInput) -> AsyncIterator[object]:
    yield Token("hello", speaker="Captain")
    yield Handoff("Captain")
    yield Finish(usage=Usage(1, 4711))


async def fails(request: AgentInput) -> AsyncIterator[str]:
    raise AgentError("upstream_rejected", "Wording of the provider.", retryable=False)
    yield ""


AGENTS: dict[str, Script] = {"skeptic": counted, "optimist": fails}  # type: ignore[dict-item]  # generator functions


async def blind_run(service: Service, **keys: object) -> tuple[str, str]:
    """Return an ended run's id, and all that can be read of it."""
    answer = await service.call("POST", "/v1/runs", json={"message": "hi", "blind": True, **keys})
    assert answer.status == 201
    run_id = answer.json["run_id"]
    await service.ended(run_id)
    parts = [answer.body, await service.body(f"/v1/runs/{run_id}/events")]
    for path in (f"/v1/runs/{run_id}", "/v1/runs"):
        parts.append((await service.call("GET", path)).body)
    return run_id, b"\n".join(parts).decode()


async def test_a_snapshot_says_that_its_run_is_blind() -> None:
    """Who comes after a gap has no `run.started` that says so."""
    async with serving(AGENTS) as service:
        run_id, _ = await blind_run(service)
        for path in (f"/v1/runs/{run_id}", "/v1/runs"):
            answer = (await service.call("GET", path)).json
            assert answer.get("runs", [answer])[0]["blind"] is True
        plain = await service.call("POST", "/v1/runs", json={"message": "hi"})
        assert "blind" not in plain.json


async def test_nothing_that_can_be_read_tells_who_is_who() -> None:
    async with serving(AGENTS) as service:
        run_id, text = await blind_run(service)
        assert not [secret for secret in SECRETS if secret in text]
        events = await service.events(run_id)
        started = events[0].data
        assert started["blind"] is True
        assert [a["agent_id"] for a in started["agents"]] == ["agent-1", "agent-2"]
        assert {a["title"] for a in started["agents"]} == {"Agent 1", "Agent 2"}
        done = next(e.data for e in events if e.data["type"] == "done" and "agent_id" in e.data)
        assert (done["metrics"], done["usage"], done["text"]) == (None, None, "hello")
        error = next(e.data for e in events if e.data["type"] == "error")
        assert (error["code"], error["message"]) == (
            "upstream_rejected",
            "The agent failed (upstream_rejected).",
        )


async def test_vote_tells_who_is_who() -> None:
    async with serving(AGENTS) as service:
        run_id, _ = await blind_run(service)
        answer = await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": "agent-2"})
        assert answer.status == 200
        assert answer.json["vote"] == "agent-2"
        agents = {agent["configured"]: agent for agent in answer.json["agents"]}
        assert agents["skeptic"]["usage"] == {"input_tokens": 1, "output_tokens": 4711}
        assert agents["skeptic"]["metrics"]["output_chars"] == 5
        assert agents["optimist"]["error"]["message"] == "Wording of the provider."
        snapshot = (await service.call("GET", f"/v1/runs/{run_id}")).json
        assert snapshot["revealed"] == answer.json
        # The events stay as they were: cursors and what was read before go on being true.
        body = (await service.body(f"/v1/runs/{run_id}/events")).decode()
        assert not [secret for secret in SECRETS if secret in body]


async def test_order_does_not_tell_who_is_who() -> None:
    async with serving({name: words(name) for name in ("a", "b", "c", "d")}) as service:
        orders = set()
        for _ in range(12):
            run_id = await service.start(blind=True)
            await service.ended(run_id)
            snapshot = (await service.call("GET", f"/v1/runs/{run_id}")).json
            orders.add(json.dumps([agent["text"] for agent in snapshot["agents"].values()]))
        assert len(orders) > 1


async def test_agents_of_a_blind_run_are_steered_by_their_neutral_ids() -> None:
    async with serving(AGENTS) as service:
        run_id, _ = await blind_run(service)
        assert (await service.call("POST", f"/v1/runs/{run_id}/agents/agent-1/cancel")).status == 202
        assert (await service.call("POST", f"/v1/runs/{run_id}/agents/skeptic/cancel")).status == 404
        wrong = await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": "skeptic"})
        assert wrong.status == 404
        assert (await service.call("POST", f"/v1/runs/{run_id}/vote", json={})).status == 422


async def test_blind_conversation_is_each_agents_own() -> None:
    """Neutral ids are dealt anew in every run; what an agent remembers follows the agent."""
    heard: dict[str, list[str]] = {"a": [], "b": []}

    def remembers(name: str) -> Script:
        async def script(request: AgentInput) -> AsyncIterator[str]:
            heard[name] += [turn.text for turn in request.history]
            yield name

        return script  # type: ignore[return-value]  # a generator function

    async with serving({"a": remembers("a"), "b": remembers("b")}) as service:
        for _ in range(6):
            run_id = await service.start(blind=True, conversation_id="c")
            await service.ended(run_id)
    assert set(heard["a"]) == {"a"}
    assert set(heard["b"]) == {"b"}


async def test_blind_panel_is_refused() -> None:
    async with serving(AGENTS) as service:
        body = {"message": "hi", "blind": True, "panel": {"method": "debate"}}
        answer = await service.call("POST", "/v1/runs", json=body)
        assert answer.status == 422
        assert [problem["at"] for problem in answer.json["errors"]] == ["blind"]


async def test_vote_in_a_run_that_is_not_blind_is_kept_too() -> None:
    async with serving({"a": words("x"), "b": words("y")}) as service:
        run_id = await service.start(agents=["a", "b"])
        await service.ended(run_id)
        answer = await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": "b"})
        assert answer.json["vote"] == "b"
        assert [agent["configured"] for agent in answer.json["agents"]] == ["a", "b"]

"""Each panel method through the real Agents SDK, in front of a real OpenAI-compatible HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.run.registry import AgentRegistry
from tests.support.patience import PATIENCE_SECONDS

from ..support.service import Event, Service, serving
from ..support.upstream import Received, Text, Upstream, failed

SAYS = {
    "a": "Alpha thinks so. Answer: Paris\nRanking: A > B",
    "b": "Beta agrees. Answer: paris\nRanking: A > B",
    "c": "Gamma does not. Answer: Lyon\nRanking: B > A",
    "chair": "All in all.\nWinner: A",
}


@asynccontextmanager
async def council(upstream: Upstream, **models: str) -> AsyncIterator[Service]:
    """Serve an SDK agent for each of `SAYS`, or with the model that *models* gives it."""
    for name, text in SAYS.items():
        pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
        upstream.script(name, [[Text(piece) for piece in pieces]])
    agents = {
        name: OpenAIAgentsSettings.model_validate(
            {"agent_id": name, "model": models.get(name, name), "base_url": upstream.url, "api_key": "k"}
        )
        for name in SAYS
    }
    async with serving(registry=AgentRegistry(agents)) as service:
        yield service


async def sit(service: Service, **panel: Any) -> list[Event]:
    run_id = await service.start("Which town?", panel={"members": ["a", "b", "c"], **panel})
    return await service.events(run_id)


def prompt_of(request: Received) -> str:
    """The newest user message that the model was sent."""
    messages = request.body.get("messages") or request.body["input"]
    content = messages[-1]["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def data_of(events: list[Event], name: str) -> list[dict[str, Any]]:
    return [event.data for event in events if event.name == name]


@pytest.mark.parametrize(
    ("panel", "status", "winner", "calls"),
    [
        (
            {"method": "moderator", "moderator": "chair"},
            "decided",
            None,
            {"a": 1, "b": 1, "c": 1, "chair": 1},
        ),
        ({"method": "judge", "moderator": "chair"}, "tie", None, {"a": 1, "b": 1, "c": 1, "chair": 2}),
        ({"method": "vote"}, "decided", "a", {"a": 1, "b": 1, "c": 1}),
        ({"method": "rank"}, None, None, {"a": 2, "b": 2, "c": 2}),
        ({"method": "layers", "moderator": "chair"}, "decided", None, {"a": 2, "b": 2, "c": 2, "chair": 1}),
        ({"method": "debate", "rounds": 3}, "undecided", None, {"a": 3, "b": 3, "c": 3}),
    ],
    ids=lambda value: value.get("method") if isinstance(value, dict) and "method" in value else "",
)
async def test_method_asks_whom_it_should(
    panel: dict[str, Any], status: str | None, winner: str | None, calls: dict[str, int]
) -> None:
    async with Upstream() as upstream, council(upstream) as service:
        events = await sit(service, **panel)
        asked = [request.model for request in upstream.requests]
        assert {name: asked.count(name) for name in sorted(set(asked))} == calls
        (result,) = data_of(events, "panel.result")
        if status is not None:
            assert (result["status"], result["winner"]) == (status, winner)
        for request in upstream.requests:
            assert "Which town?" in prompt_of(request)
        last = [request for request in upstream.requests if request.model == "chair"]
        for request in last:
            assert all(SAYS[name].splitlines()[0] in prompt_of(request) for name in "abc")
        # Every stage streams: more than one token event, and joined they are the answer.
        for name in calls:
            for done in data_of(events, f"{name}.done"):
                said = "".join(
                    event.data["text"]
                    for event in events
                    if event.name == f"{name}.token" and event.data["stage"] == done["stage"]
                )
                assert done["text"] in said
        assert events[-1].data["status"] == "completed"


async def test_losers_of_a_race_hang_up() -> None:
    """Nothing is billed on once somebody has won."""
    async with Upstream() as upstream, council(upstream, a="echo-5000@50", c="echo-5000@50") as service:
        upstream.script("b", [[Text("I am ", delay=0.2), Text("first.", delay=0.1)]])
        run_id = await service.start("Which town?", panel={"method": "race", "members": ["a", "b", "c"]})
        async with service.stream(f"/v1/runs/{run_id}/events") as stream:
            events = await stream.until("b.done")
            losers = [r for r in upstream.requests if r.model.startswith("echo")]
            closed = [await asyncio.wait_for(r.connection.closed, PATIENCE_SECONDS) for r in losers]
            events += await stream.until("run.done")
        assert len(closed) == 2
        assert max(request.sent for request in losers) < 4000, "they had most of it before them"
        assert data_of(events, "panel.result")[0]["winner"] == "b"
        for name in ("a", "c"):
            assert data_of(events, f"{name}.cancelled")[0]["reason"] == "lost_race"


async def test_moderator_begins_while_a_member_hangs_upstream() -> None:
    """With one that fails, one that hangs and one that answers: the last word comes, and says who is missing."""
    async with Upstream() as upstream, council(upstream, b="echo-1@0.01", c="nowhere") as service:
        run_id = await service.start(
            "Which town?",
            panel={
                "method": "moderator",
                "moderator": "chair",
                "members": ["a", "b", "c"],
                "start_when": {"quorum": 1, "deadline_s": 2},
            },
        )
        async with service.stream(f"/v1/runs/{run_id}/events") as stream:
            events = await stream.until("chair.token")
            while data_of(events, "panel.result") == []:
                events.append(await stream.event())
            await service.call("POST", f"/v1/runs/{run_id}/cancel")
            events += await stream.until("run.done")
        (request,) = [r for r in upstream.requests if r.model == "chair"]
        started = data_of(events, "chair.started")[0]
        assert {each["agent"] for each in started["missing"]} == {"b", "c"}
        for name in ("b", "c"):
            assert name in prompt_of(request).partition("Without an answer:")[2]
        assert {each["agent"] for each in data_of(events, "panel.result")[0]["missing"]} >= {"b", "c"}


async def test_prompt_too_long_for_the_moderator_is_halved() -> None:
    """A server that refuses what is too long gets half of every answer at the next try."""
    async with Upstream() as upstream, council(upstream) as service:
        for name in "abc":
            upstream.script(name, [[Text(name * 2_000)]])
        upstream.script("chair", [[Text("Short is good.")]], fault=failed(400), fail_times=1)
        events = await sit(service, method="moderator", moderator="chair")
        first, second = data_of(events, "chair.started")
        whole = sum(each["chars"] for each in first["inputs"])
        assert sum(each["chars"] for each in second["inputs"]) <= whole // 2
        assert all("of_chars" in each for each in second["inputs"])
        assert data_of(events, "chair.done")[0]["text"] == "Short is good."


async def test_conversation_of_an_sdk_agent_holds_no_prompts_of_panels() -> None:
    """What the SDK itself would remember of a last word are the answers of all others."""
    async with Upstream() as upstream, council(upstream) as service:
        for _ in range(2):
            run_id = await service.start(
                "Which town?",
                panel={"method": "moderator", "members": ["a", "b"], "moderator": "chair"},
                conversation_id="talk",
            )
            await service.events(run_id)
        last = {request.model: request.body for request in upstream.requests}
        for name in ("a", "chair"):
            messages = last[name].get("messages") or last[name]["input"]
            told = [(m["role"], m["content"]) for m in messages if m["role"] != "system"][:-1]
            assert told == [("user", "Which town?"), ("assistant", SAYS[name])]

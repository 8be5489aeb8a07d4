"""Variants in runs: who they are, who answers for them, what is kept, and what metrics call them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from orchestrator.backends.base import AgentInput, Backend, Emission
from orchestrator.backends.offline.settings import OfflineSettings
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.events.run import AgentVariant
from orchestrator.run.registry import AgentRegistry
from orchestrator.run.spec import StartRequest, spec_of
from orchestrator.run.variants import KEPT_BACKENDS, AgentsOfRun, VariantBackends
from orchestrator.settings.agent import AgentSettings
from tests.runs.test_spec import record
from tests.support.patience import eventually
from tests.support.service import Service, serving
from tests.support.upstream import Upstream


class Seeded:
    """Says its seed, so that it shows whose settings answer."""

    model = "seeded"

    def __init__(self, settings: AgentSettings, log: list[str]) -> None:
        assert isinstance(settings, OfflineSettings)
        self.seed = settings.seed
        self._log = log
        log.append(f"made {self.seed}")

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        told = [turn.text for turn in request.history]
        yield f"{request.agent_id} {self.seed} {told}"

    async def aclose(self) -> None:
        self._log.append(f"closed {self.seed}")


class SeededRegistry(AgentRegistry):
    """Agents that answer as `Seeded`; `log` has which backends were made and closed."""

    def __init__(self) -> None:
        super().__init__(
            {name: OfflineSettings(agent_id=name, title=name.upper(), variants=("seed",)) for name in "ab"}
        )
        self.log: list[str] = []

    async def _create(self, settings: AgentSettings) -> Backend:
        return Seeded(settings, self.log)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving(registry=SeededRegistry()) as served:
        yield served


def variant(name: str, of: str = "a", **changes: Any) -> dict[str, Any]:
    return {"agent_id": of, "as": name, **changes}


async def test_variants_answer_under_their_own_names(service: Service) -> None:
    run_id = await service.start(agents=["a", variant("a-5", seed=5), variant("twin")])
    events = await service.events(run_id)
    started = events[0].data["agents"]
    assert [(info["agent_id"], info["title"], info.get("variant")) for info in started] == [
        ("a", "A", None),
        ("a-5", "A (a-5)", {"of": "a", "changes": {"seed": 5}}),
        ("twin", "A (twin)", {"of": "a", "changes": {}}),
    ]
    texts = {
        e.data["agent_id"]: e.data["text"]
        for e in events
        if e.data["type"] == "done" and e.data.get("agent_id")
    }
    assert texts == {"a": "a 0 []", "a-5": "a-5 5 []", "twin": "twin 0 []"}
    state = (await service.call("GET", f"/v1/runs/{run_id}")).json["agents"]
    assert {name: agent.get("variant") for name, agent in state.items()} == {
        info["agent_id"]: info.get("variant") for info in started
    }
    assert state["a-5"]["status"] == "done"
    (listed,) = (await service.call("GET", "/v1/runs")).json["runs"]
    assert {name: agent.get("variant_of") for name, agent in listed["agents"].items()} == {
        "a": None, "a-5": "a", "twin": "a"
    }  # fmt: skip


async def test_a_variant_remembers_its_own_answers_and_metrics_call_it_by_its_agent(service: Service) -> None:
    for _ in range(2):
        run_id = await service.start(conversation_id="talk", agents=["a", variant("a-5", seed=5)])
        await service.ended(run_id)
    agents = (await service.call("GET", f"/v1/runs/{run_id}")).json["agents"]
    assert agents["a-5"]["text"] == "a-5 5 ['a-5 5 []']"
    metrics = (await service.call("GET", "/metrics")).body.decode()
    assert 'agent="a-5"' not in metrics
    assert 'agent="a"' in metrics, "names that requests choose would be labels without end"


async def test_a_panel_seats_variants_and_asks_them_again(service: Service) -> None:
    run_id = await service.start(
        agents=["a", variant("a-5", seed=5)], panel={"method": "debate", "rounds": 2}
    )
    await service.ended(run_id)
    panel = (await service.call("GET", f"/v1/runs/{run_id}")).json["panel"]
    assert panel["members"] == ["a", "a-5"]
    over = await service.call(
        "POST", f"/v1/runs/{run_id}/panel", json={"panel": {"method": "debate", "rounds": 2}}
    )
    assert over.status == 202
    await service.ended(over.json["run_id"])
    state = (await service.call("GET", f"/v1/runs/{over.json['run_id']}")).json
    assert state["agents"]["a-5"]["status"] == "done"


async def test_a_blind_run_tells_of_a_variant_only_after_the_vote(service: Service) -> None:
    run_id = await service.start(agents=["a", variant("hot", seed=5)], blind=True)
    await service.ended(run_id)
    assert b'"hot"' not in (await service.call("GET", f"/v1/runs/{run_id}")).body
    assert b'"seed"' not in await service.body(f"/v1/runs/{run_id}/events")
    told = (await service.call("POST", f"/v1/runs/{run_id}/vote", json={"agent_id": "agent-1"})).json[
        "agents"
    ]
    found = {agent["configured"]: agent.get("variant") for agent in told}
    assert found == {"a": None, "hot": {"of": "a", "changes": {"seed": 5}}}


async def test_a_wrong_variant_is_refused_and_the_list_says_what_varies(service: Service) -> None:
    answer = await service.call(
        "POST", "/v1/runs", json={"message": "hi", "agents": [variant("a", seed=1), variant("x", sed=1)]}
    )
    assert answer.status == 422
    assert [error["at"] for error in answer.json["errors"]] == ["agents[0].as", "agents[1].sed"]
    listed = (await service.call("GET", "/v1/agents")).json["agents"]
    assert listed[0]["variants"] == [{"key": "seed", "type": "integer", "choices": []}]


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
async def test_what_a_variant_changes_reaches_the_model(api: Any) -> None:
    """Three variants of one agent, at a real OpenAI-compatible server: each is asked with its own settings."""
    async with Upstream() as upstream:
        agent = OpenAIAgentsSettings(
            agent_id="a", title="A", model="echo-2", api=api, base_url=upstream.url, api_key=SecretStr("k"),
            instructions="Be plain.", model_settings={"temperature": 0.5, "top_p": 0.9},
            variants=("model", "instructions", "model_settings.temperature"), variant_models=("echo-3",),
        )  # fmt: skip
        changed = [
            variant("hot", model_settings={"temperature": 1.2}), variant("bold", instructions="Be bold."),
            variant("other", model="echo-3"),
        ]  # fmt: skip
        async with serving(registry=AgentRegistry({"a": agent})) as service:
            await service.ended(await service.start(agents=["a", *changed]))
            sent = sorted(_asked(request.body) for request in upstream.requests)
    assert sent == sorted([
        ("echo-2", "Be plain.", 0.5, 0.9), ("echo-2", "Be plain.", 1.2, 0.9),
        ("echo-2", "Be bold.", 0.5, 0.9), ("echo-3", "Be plain.", 0.5, 0.9),
    ])  # fmt: skip


def _asked(body: dict[str, Any]) -> tuple[str, str, float, float]:
    said = body["instructions"] if "instructions" in body else body["messages"][0]["content"]
    return body["model"], said, body["temperature"], body["top_p"]


def test_variants_are_kept_with_the_run() -> None:
    """A worker that takes the run over, and whoever reads it back, asks the same."""
    variants = {"hot": AgentVariant("a", {"model_settings": {"temperature": 1.2}})}
    request = StartRequest("hi", ("a", "hot"), variants=variants)
    assert spec_of(record(msgspec.json.encode(request))).variants == variants


def test_a_variant_that_this_worker_does_not_know_is_unknown_here() -> None:
    registry = SeededRegistry()
    variants = {
        "x": AgentVariant("gone", {}),
        "y": AgentVariant("a", {"title": "Z"}),
        "z": AgentVariant("a", {}),
    }
    agents = registry.of_run(variants)
    assert isinstance(agents, AgentsOfRun)
    assert set(agents.agents) == {"a", "b", "z"}
    assert registry.of_run({}) is registry


async def test_backends_are_shared_while_they_are_used_and_few_are_kept() -> None:
    registry = SeededRegistry()
    backends = VariantBackends(registry._create)

    async def once(seed: int) -> None:
        settings = registry.agents["a"].model_copy(update={"seed": seed})
        async with backends.use(settings, AgentVariant("a", {"seed": seed})):
            await asyncio.sleep(0)

    await asyncio.gather(once(0), once(0))
    assert registry.log == ["made 0"]
    for seed in range(KEPT_BACKENDS + 1):
        await once(seed)
    await eventually(lambda: "closed 0" in registry.log)
    assert registry.log.count("made 0") == 1
    await backends.aclose()
    closed = [line for line in registry.log if line.startswith("closed")]
    assert len(closed) == len(set(closed)) == KEPT_BACKENDS + 1


async def test_a_backend_that_cannot_be_made_is_tried_again() -> None:
    tries = iter([OSError("no"), None])
    registry = SeededRegistry()

    async def create(settings: AgentSettings) -> Backend:
        failure = next(tries)
        if failure is not None:
            raise failure
        return Seeded(settings, registry.log)

    backends = VariantBackends(create)
    with pytest.raises(OSError, match="no"):
        async with backends.use(registry.agents["a"], AgentVariant("a", {})):
            pass
    async with backends.use(registry.agents["a"], AgentVariant("a", {})) as made:
        assert made.model == "seeded"
    await backends.aclose()

"""Covers `orchestrator/run/factory.py`: runs made of what a worker's runs share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import msgspec
import pytest

from orchestrator.backends.base import AgentInput
from orchestrator.errors import Fenced
from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.run_store import RunRecord
from orchestrator.run.factory import RunFactory
from orchestrator.run.spec import StartRequest
from orchestrator.settings.limits import RunLimits
from orchestrator.telemetry.observer import Observer
from tests.support.patience import soon
from tests.support.spine import ScriptedRegistry


async def answers(request: AgentInput) -> AsyncGenerator[str, None]:
    yield request.agent_id


@pytest.fixture
async def store() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    await log.start()
    yield log
    await log.aclose()


async def factory(store: MemoryLog, **limits: int) -> RunFactory:
    registry = ScriptedRegistry({"skeptic": answers})
    await registry.load()
    return RunFactory(registry, store, Observer(), limits=RunLimits(**limits))


async def kept(store: MemoryLog, **keys: bool) -> RunRecord:
    request = msgspec.json.encode(StartRequest("hi", ("skeptic",), **keys)).decode()
    record = RunRecord("run_1", "run_1", "hi", ["skeptic"], None, "continue", 5, "w", request=request)
    return await store.create_run(record)


async def test_what_a_run_may_spend_is_this_workers_to_say(store: MemoryLog) -> None:
    spec = (await factory(store, max_run_tokens=500)).spec(await kept(store))
    assert (spec.message, spec.agents, spec.max_output_tokens, spec.max_cost) == (
        "hi",
        ("skeptic",),
        500,
        None,
    )


async def test_a_new_run_begins_and_ends(store: MemoryLog) -> None:
    run = (await factory(store)).make_new(await kept(store))
    await run.begin()
    await soon(run.execute())
    assert (run.status, run.snapshot().agents["skeptic"].text, run.snapshot().created_at) == (
        "completed",
        "skeptic",
        5,
    )


async def test_a_run_that_another_worker_has_claimed_says_nothing_more(store: MemoryLog) -> None:
    """Else a worker that was believed dead would write into what the other one goes on with."""
    record = await kept(store)
    run = (await factory(store)).make_new(record)
    assert await store.claim_run("run_1", owner="other", token=record.token) is not None
    with pytest.raises(Fenced):
        await run.begin()


async def test_a_blind_run_is_hidden_from_its_first_event_on(store: MemoryLog) -> None:
    run = (await factory(store)).make_new(await kept(store, blind=True))
    await run.begin()
    await soon(run.execute())
    (agent_id,) = run.participants
    assert (agent_id, run.participants[agent_id].text) == ("agent-1", "skeptic")

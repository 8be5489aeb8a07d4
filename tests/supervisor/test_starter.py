"""Covers `orchestrator/supervisor/starter.py`: how a run comes about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from orchestrator.backends.base import AgentInput
from orchestrator.errors import Conflict, InvalidRequest, LimitReached, LogUnavailable
from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.base import Cursor, Entry
from orchestrator.run.channels import SYSTEM_CHANNEL
from orchestrator.run.spec import StartRequest
from orchestrator.settings.limits import RunLimits
from orchestrator.supervisor import failover as failover_module
from orchestrator.supervisor import starter as starter_module
from orchestrator.supervisor import supervisor as supervisor_module
from orchestrator.supervisor.starter import RecordMaker
from tests.support.patience import PATIENCE_SECONDS
from tests.support.service import silent
from tests.support.spine import Script, ScriptedRegistry, read, supervised


async def answers(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "Yes."


AGENTS: dict[str, Script] = {"a": answers, "b": silent}


class UnsteadyLog(MemoryLog):
    """Takes nothing for the channels that are `unavailable`."""

    unavailable: frozenset[str] | set[str] = frozenset()

    async def append(self, channel: str, drafts: Any, **options: Any) -> list[Entry]:
        if channel in self.unavailable:
            raise LogUnavailable(channel)
        return await super().append(channel, drafts, **options)


def maker() -> RecordMaker:
    return RecordMaker(ScriptedRegistry(AGENTS, {"a": {"default": True}}), worker="w1")


def test_a_record_says_who_is_asked_what_by_whom_and_where() -> None:
    record = maker().make(StartRequest("hi", ("b", "a"), channel="c"), "key-1", "00-trace")
    assert (record.message, record.agents, record.channel, record.owner) == ("hi", ["b", "a"], "c", "w1")
    assert (record.key, record.traceparent, record.token) == ("key-1", "00-trace", 1)
    assert record.summary is not None
    assert list(record.summary.agents) == ["b", "a"]


def test_a_run_without_a_channel_has_its_own_and_no_two_have_one_id() -> None:
    first, second = (maker().make(StartRequest("hi"), None, None) for _ in range(2))
    assert first.run_id == first.channel != second.run_id
    assert first.agents == ["a"]
    assert first.digest == second.digest, "the same request, whenever it is made"


def test_unknown_agents_are_all_named_with_their_places() -> None:
    with pytest.raises(InvalidRequest) as caught:
        maker().make(StartRequest("hi", ("x", "a", "y")), None, None)
    assert [problem.at for problem in caught.value.fields] == ["agents[0]", "agents[2]"]


async def test_a_key_starts_one_run_and_is_refused_for_another_request() -> None:
    async with supervised(AGENTS) as supervisor:
        first, is_new = await supervisor.start(StartRequest("hi", ("b",)), key="k")
        again, is_new_again = await supervisor.start(StartRequest("hi", ("b",)), key="k")
        assert (is_new, is_new_again, again) == (True, False, first)
        with pytest.raises(Conflict, match="another request"):
            await supervisor.start(StartRequest("other", ("b",)), key="k")


async def test_whoever_asks_again_gets_its_run_however_full_the_worker_is() -> None:
    """Its answer was lost, and its run is one of those that make the worker full."""
    async with supervised(AGENTS, limits=RunLimits(max_runs=1)) as supervisor:
        first, _ = await supervisor.start(StartRequest("hi", ("b",)), key="k")
        again, is_new = await supervisor.start(StartRequest("hi", ("b",)), key="k")
        assert (again, is_new) == (first, False)
        with pytest.raises(LimitReached):
            await supervisor.start(StartRequest("hi", ("b",)), key="k2")


async def test_a_refused_run_is_forgotten_and_its_key_may_be_used_again() -> None:
    async with supervised(AGENTS, limits=RunLimits(max_runs=1)) as supervisor:
        first, _ = await supervisor.start(StartRequest("hi", ("a",)))
        with pytest.raises(LimitReached):
            await supervisor.start(StartRequest("hi", ("b",)), key="k2")
        await read(supervisor, first)  # type: ignore[arg-type]  # executed here
        second, is_new = await supervisor.start(StartRequest("hi", ("b",)), key="k2")
        assert is_new
        assert len(await supervisor.log.running_runs()) == 1
        assert second.status == "running"


async def test_a_conversation_has_one_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter_module, "HOLD_PAUSE_SECONDS", 0)
    async with supervised(AGENTS) as supervisor:
        first, _ = await supervisor.start(StartRequest("hi", ("a",), conversation_id="c"))
        await read(supervisor, first)  # type: ignore[arg-type]  # executed here
        busy, _ = await supervisor.start(StartRequest("hi", ("b",), conversation_id="c"))
        with pytest.raises(Conflict, match=busy.spec.run_id):
            await supervisor.start(StartRequest("hi", ("b",), conversation_id="c"), key="k")
        kept = [record.run_id for record in await supervisor.log.running_runs()]
        assert kept == [busy.spec.run_id], "the refused one was forgotten"


async def test_whoever_starts_a_run_is_answered_while_the_log_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The store took the record and nothing more. Who asks again gets that run, which goes on by itself."""
    monkeypatch.setattr(failover_module, "ADRIFT_SECONDS", 0)
    log = UnsteadyLog()
    async with supervised(AGENTS, log=log) as supervisor:
        log.unavailable = {"c", SYSTEM_CHANNEL}
        request = StartRequest("hi", ("a",), channel="c")
        with pytest.raises(LogUnavailable):
            await supervisor.start(request, key="k")
        log.unavailable = set()
        (record,) = await supervisor.log.running_runs()
        run, is_new = await supervisor.start(request, key="k")
        assert (run.spec.run_id, is_new) == (record.run_id, False)
        await read(supervisor, run)  # type: ignore[arg-type]  # executed here


async def test_no_run_waits_for_the_channel_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lie on another shard than the run, as the channels of a cluster do."""
    monkeypatch.setattr(supervisor_module, "MILESTONES_SECONDS", 0.01)
    log = UnsteadyLog()
    log.unavailable = {SYSTEM_CHANNEL}
    async with supervised(AGENTS, log=log) as supervisor:
        for _ in range(2):
            run, _ = await supervisor.start(StartRequest("hi", ("a",), conversation_id="c"))
            await read(supervisor, run)  # type: ignore[arg-type]  # executed here
        log.unavailable = set()
        told: list[Entry] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(told) < 4:
                told = await log.read(
                    SYSTEM_CHANNEL, Cursor((await log.open(SYSTEM_CHANNEL)).epoch, 0), most=9
                )
                await asyncio.sleep(0.01)
        assert [entry.type for entry in told] == ["started", "done", "started", "done"]


async def test_a_run_that_could_not_begin_is_held_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async with supervised(AGENTS) as supervisor:

        async def refuses(self: object) -> None:
            raise LogUnavailable("unavailable")

        with monkeypatch.context() as patch:
            patch.setattr("orchestrator.run.run.Run.begin", refuses)
            with pytest.raises(LogUnavailable):
                await supervisor.start(StartRequest("hi", ("b",)))
        assert not list(supervisor._executor.items())
        assert supervisor._admission.running == 0
        (record,) = await supervisor.log.running_runs()
        assert record.owner == supervisor.worker, (
            "failover finds it: its caller cannot know whether it was kept"
        )

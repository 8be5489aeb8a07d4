"""Covers `orchestrator/supervisor/run_lookup.py`: runs as readers find them, here or in the log."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from orchestrator.backends.base import AgentInput
from orchestrator.errors import Gone, LimitReached, NotFound
from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.run_list import RunQuery
from orchestrator.run.channels import SYSTEM_CHANNEL
from orchestrator.run.stored import StoredRun
from orchestrator.settings.limits import RunLimits
from orchestrator.supervisor import run_lookup as following_module
from orchestrator.supervisor.supervisor import Supervisor
from tests.support.patience import eventually
from tests.support.service import silent
from tests.support.spine import Script, read, start, supervised


async def answers(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "Yes."


AGENTS: dict[str, Script] = {"a": answers, "b": silent}


async def ended(supervisor: Supervisor, **keys: object) -> str:
    """Return the id of a run that this worker executes no more."""
    run = await start(supervisor, agents=("a",), **keys)
    await read(supervisor, run)
    await eventually(lambda: supervisor._executor.find(run.spec.run_id) is None)
    return run.spec.run_id


async def test_a_run_is_found_here_while_it_is_executed_and_in_the_log_after_that() -> None:
    async with supervised(AGENTS) as supervisor:
        live = await start(supervisor, agents=("b",))
        assert await supervisor.following.find(live.spec.run_id) is live
        found = await supervisor.following.find(await ended(supervisor))
        assert isinstance(found, StoredRun)
        assert found.snapshot().agents["a"].text == "Yes."


async def test_a_forgotten_run_is_gone_and_an_unknown_one_is_not_found() -> None:
    async with supervised(AGENTS) as supervisor:
        run_id = await ended(supervisor)
        await supervisor.forget(run_id)
        with pytest.raises(Gone):
            await supervisor.following.find(run_id)
        with pytest.raises(NotFound, match="run_never"):
            await supervisor.following.find("run_never")


async def test_a_channel_has_its_runs_oldest_first_wherever_they_are() -> None:
    async with supervised(AGENTS) as supervisor:
        first = await ended(supervisor, channel="c")
        live = await start(supervisor, agents=("b",), channel="c")
        await ended(supervisor)
        states = [state async for state in supervisor.following.states("c")]
        assert [state.run_id for state in states] == [first, live.spec.run_id]
        assert [each.status for each in states] == ["completed", "running"]


async def test_a_channels_states_are_made_one_by_one_and_leave_out_what_is_deleted_meanwhile() -> None:
    """All together may be as large as the log, and each of many readers would hold them while it reads slowly."""
    async with supervised(AGENTS) as supervisor:
        run_ids = [await ended(supervisor, channel="c") for _ in range(3)]
        async with aclosing(supervisor.following.states("c")) as states:
            assert (await anext(states)).run_id == run_ids[0]
            await supervisor.forget(run_ids[1])
            assert [state.run_id async for state in states] == run_ids[2:]


async def test_the_systems_channel_has_what_is_under_way_and_the_newest_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A dashboard whose cursor is too old must not be sent every run there ever was."""
    monkeypatch.setattr(following_module, "SYSTEM_SNAPSHOTS", 2)
    async with supervised(AGENTS) as supervisor:
        live = await start(supervisor, agents=("b",))
        others = [await ended(supervisor) for _ in range(4)]
        found = {state.run_id async for state in supervisor.following.states(SYSTEM_CHANNEL)}
        assert found == {live.spec.run_id, *others[-2:]}


async def test_a_page_goes_on_before_a_run() -> None:
    async with supervised(AGENTS) as supervisor:
        run_ids = [await ended(supervisor) for _ in range(3)]
        page = await supervisor.following.page(RunQuery(1), before=run_ids[2])
        assert [each.run_id for each in page.runs] == [run_ids[1]]
        rest = await supervisor.following.page(RunQuery(9, before=int(page.next or 0)))
        assert [each.run_id for each in rest.runs] == [run_ids[0]]
        assert rest.next is None
        with pytest.raises(NotFound):
            await supervisor.following.page(RunQuery(1), before="run_never")


async def test_nothing_comes_after_the_end_of_an_ended_run_and_only_there() -> None:
    log = MemoryLog()
    async with supervised(AGENTS, log=log) as supervisor:
        following = supervisor.following
        live = await start(supervisor, agents=("b",))
        assert not await following.nothing_after(live, live.state.last_event_id or "")
        run = await following.find(await ended(supervisor))
        end = run.state.last_event_id or ""
        epoch, _, seq = end.partition("-")
        assert await following.nothing_after(run, end)
        assert not await following.nothing_after(run, f"{epoch}-{int(seq) - 1}")
        assert not await following.nothing_after(run, f"{epoch}-{int(seq) + 1}"), (
            "a cursor ahead of the log is a gap"
        )
        assert not await following.nothing_after(run, f"zzzz-{seq}")
        assert not await following.nothing_after(run, "odd")


async def test_readers_are_counted_while_they_read() -> None:
    async with supervised(AGENTS, limits=RunLimits(max_subscribers=1)) as supervisor:
        run = await start(supervisor, agents=("b",))
        with (
            supervisor.following.watching(run.spec.channel, run.spec.run_id),
            pytest.raises(LimitReached),
            supervisor.following.watching(run.spec.channel, run.spec.run_id),
        ):
            pass
        with supervisor.following.watching(run.spec.channel, run.spec.run_id):
            pass

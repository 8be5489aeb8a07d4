"""What is deleted is in no store and reaches no agent, and what is stored is counted and ends."""

from __future__ import annotations

import asyncio
import base64
import gc
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import closing
from pathlib import Path
from types import AsyncGeneratorType, CoroutineType, FrameType, FunctionType, ModuleType

import pytest

from orchestrator.backends.base import AgentInput, Emission, Turn
from orchestrator.eventlog import MemoryLog, open_log
from orchestrator.eventlog.base import Store
from orchestrator.eventlog.run_store import RetentionBounds
from orchestrator.events import Data
from orchestrator.run.conversation import Conversations
from orchestrator.settings.limits import RunLimits
from tests.contract.stores import STORES, Clock
from tests.support.patience import eventually

from ..support.service import Puppet, Serve, Service, serving, words

CANARY = "canary-4711"


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with STORES[request.param](tmp_path, Clock()) as opened:
        yield opened


async def idle(service: Service) -> None:
    await eventually(lambda: not service.supervisor.running)


async def test_a_deleted_runs_turns_reach_no_agent(serve: Serve, store: Store) -> None:
    heard: list[AgentInput] = []

    async def echo(request: AgentInput) -> AsyncGenerator[Emission, None]:
        heard.append(request)
        yield f"you said {request.message}"

    service = await serve({"a": echo}, log=store)
    first = await service.start(CANARY, conversation_id="talk")
    await service.ended(first)
    await service.start("harmless", conversation_id="talk")
    await idle(service)
    assert [turn.message for turn in heard[-1].history] == [CANARY]
    assert (await service.call("DELETE", f"/v1/runs/{first}")).status == 204
    await service.start("and now?", conversation_id="talk")
    await idle(service)
    assert [turn.message for turn in heard[-1].history] == ["harmless"]
    assert all(CANARY.encode() not in turn for turn in await store.turns("talk", "a"))


async def test_nothing_is_deleted_below_another_run(serve: Serve, store: Store) -> None:
    """It has read the turns already, and goes on from them."""
    puppet = Puppet()
    service = await serve({"a": words("x"), "b": puppet}, log=store)
    first = await service.start(CANARY, agents=["a"], conversation_id="talk")
    await service.ended(first)
    await idle(service)
    second = await service.start("more", agents=["b"], conversation_id="talk")
    await puppet.started.wait()
    for path in (f"/v1/runs/{first}", "/v1/conversations/talk"):
        refused = await service.call("DELETE", path)
        assert (refused.status, second in refused.problem["detail"]) == (409, True)
    assert (await service.call("DELETE", f"/v1/runs/{second}")).status == 204, "the one that is open"
    assert (await service.call("DELETE", f"/v1/runs/{first}")).status == 204


async def test_a_panel_over_what_is_deleted_goes_with_it(serve: Serve, store: Store) -> None:
    """It holds the answers, and its own result quotes them."""
    heard: list[AgentInput] = []

    async def echo(request: AgentInput) -> AsyncGenerator[Emission, None]:
        heard.append(request)
        yield CANARY

    service = await serve({"a": echo, "b": echo}, log=store)
    first, other = await service.start("x"), await service.start("x")
    panels = []
    for run_id in (first, first, other):
        await service.ended(run_id)
        await idle(service)
        body = {"panel": {"method": "vote"}}
        answer = await service.call("POST", f"/v1/runs/{run_id}/panel", json=body)
        assert (answer.status, answer.json["panel"]["of"]) == (202, run_id)
        panels.append(answer.json["run_id"])
        await service.ended(panels[-1])
    await idle(service)
    assert (await service.call("DELETE", f"/v1/runs/{first}")).status == 204
    states = [(await service.call("GET", f"/v1/runs/{run_id}")).status for run_id in (first, *panels, other)]
    assert states == [410, 410, 410, 200, 200]
    assert (await service.call("DELETE", f"/v1/runs/{other}")).status == 204
    assert (await service.call("GET", "/v1/runs")).json["runs"] == []
    refused = await service.call("POST", f"/v1/runs/{panels[2]}/panel", json=body)
    assert refused.status == 410


async def test_a_turn_that_ends_after_its_run_was_deleted_is_not_kept(serve: Serve) -> None:
    log = MemoryLog()
    service = await serve({"a": words("x")}, log=log)
    run_id = await service.start(conversation_id="talk")
    await service.ended(run_id)
    await service.call("DELETE", f"/v1/runs/{run_id}")
    await Conversations(log).add("talk", "a", Turn(CANARY, CANARY, None, run_id))
    assert await log.turns("talk", "a") == ()


async def test_a_conversation_is_deleted_with_its_runs(serve: Serve, store: Store) -> None:
    service = await serve({"a": words("x")}, log=store)
    ids = [await service.start(f"{CANARY} {n}", conversation_id=f"talk{n % 2}") for n in range(2)]
    await idle(service)
    assert (await service.call("DELETE", "/v1/conversations/talk0")).status == 204
    assert (await service.call("GET", f"/v1/runs/{ids[0]}")).status == 410
    assert (await service.call("GET", f"/v1/runs/{ids[1]}")).status == 200
    assert not await store.turns("talk0", "a")
    assert await store.turns("talk1", "a")
    for unknown in ("talk0", "never", "a%20b", "x" * 65):
        assert (await service.call("DELETE", f"/v1/conversations/{unknown}")).status == 404


async def test_a_canary_is_in_no_file_after_its_deletion(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def repeat(request: AgentInput) -> AsyncGenerator[Emission, None]:
        for _ in range(400):
            yield f"{request.message[:20]} "

    async with serving({"a": repeat}, log=open_log(f"sqlite:///{path}")) as service:
        kept = await service.start("something else", channel="shared", conversation_id="other")
        for keys in ({}, {"channel": "shared", "conversation_id": "talk"}, {"blind": True}):
            run_id = await service.start(CANARY * 3000, **keys)
            await service.ended(run_id)
            await idle(service)
            assert (await service.call("DELETE", f"/v1/runs/{run_id}")).status == 204
        await eventually(lambda: not with_canary(tmp_path))
        assert (await service.call("GET", f"/v1/runs/{kept}")).status == 200
        assert (await service.call("DELETE", f"/v1/runs/{kept}")).status == 204
    assert with_canary(tmp_path) == []


def with_canary(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if CANARY.encode() in each.read_bytes()]


async def test_a_canary_stays_in_the_write_ahead_log_no_longer_than_somebody_reads(
    serve: Serve, tmp_path: Path
) -> None:
    """Whoever reads an older state holds the log; it is emptied once he is through."""
    path = tmp_path / "log.db"
    log = open_log(f"sqlite:///{path}")
    service = await serve({"a": words("x")}, log=log)
    run_id = await service.start(CANARY * 100)
    await service.ended(run_id)
    await idle(service)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM runs").fetchall()
        assert (await service.call("DELETE", f"/v1/runs/{run_id}")).status == 204
        assert not await log.scrub()
        assert "log.db-wal" in with_canary(tmp_path)
        assert (await service.call("POST", "/v1/runs", json={"message": "meanwhile"})).status == 201
        reader.execute("COMMIT")
    await eventually(lambda: not with_canary(tmp_path))


async def test_a_canary_is_in_no_object_of_the_service_after_its_deletion(serve: Serve) -> None:
    """The log in memory, states that are kept, checkpoints, idempotency keys, metrics: all that the service reaches."""
    heard: list[int] = []

    async def echo(request: AgentInput) -> AsyncGenerator[Emission, None]:
        heard.append(len(request.history))
        yield request.message
        yield Data("said", {"it": [request.message]})

    service = await serve({"a": echo})
    headers = {"Idempotency-Key": CANARY}
    for keys in ({}, {"conversation_id": "talk", "channel": "c"}, {"blind": True}):
        started = await service.call(
            "POST", "/v1/runs", json={"message": f"{CANARY}{len(heard)}", **keys}, headers=headers
        )
        headers = {}
        run_id = started.json["run_id"]
        await eventually(lambda: not service.supervisor.running)
        await service.call("GET", f"/v1/responses/resp_{run_id.removeprefix('run_')}")
        await service.call("GET", f"/v1/runs/{run_id}")
        assert reachable(service.app, CANARY)
        assert (await service.call("DELETE", f"/v1/runs/{run_id}")).status == 204
        assert not reachable(service.app, CANARY)


AT_WORK = (
    type, ModuleType, FunctionType, FrameType, CoroutineType, AsyncGeneratorType, asyncio.Task,
    asyncio.AbstractEventLoop,
)  # fmt: skip


def reachable(root: object, text: str) -> bool:
    """Whether *text* is in anything that *root* refers to, directly or not; code, and what is at work, is left out."""
    seen, waiting = {id(root)}, [root]
    while waiting:
        for each in gc.get_referents(waiting.pop()):
            if isinstance(each, str | bytes | bytearray):
                if (text if isinstance(each, str) else text.encode()) in each:
                    return True
            elif id(each) not in seen and not isinstance(each, AT_WORK):
                seen.add(id(each))
                waiting.append(each)
    return False


IMAGE = "data:image/png;base64," + base64.b64encode(bytes(100_000)).decode()


async def test_records_are_counted_and_images_go_at_the_end(serve: Serve, store: Store) -> None:
    """500 POSTs with images filled memory, and neither --max-log-bytes nor the metric saw it."""
    puppet = Puppet()
    service = await serve({"a": puppet}, log=store)
    before = store.size
    key = {"Idempotency-Key": "k"}
    body = {"message": "look", "images": [IMAGE]}
    started = await service.call("POST", "/v1/runs", json=body, headers=key)
    run_id = started.json["run_id"]
    await eventually(lambda: store.size > before + 100_000)
    puppet.end()
    await eventually(lambda: not service.supervisor.running)
    await eventually(lambda: store.size <= before + 50_000)
    record = await store.find_run(run_id)
    assert record is not None
    assert "base64" not in record.request
    assert (await service.find(run_id)).spec.images == ()
    again = await service.call("POST", "/v1/runs", json=body, headers=key)
    assert (again.status, again.json["run_id"]) == (201, run_id)
    other = await service.call("POST", "/v1/runs", json=body | {"message": "x"}, headers=key)
    assert other.status == 409


async def test_conversations_and_tombstones_end(store: Store) -> None:
    for n in range(5):
        await store.add_turn(f"talk{n}", "a", b"x" * 1000, keep=9)
    await store.tidy(RetentionBounds(3600, 3500, 100))
    assert [bool(await store.turns(f"talk{n}", "a")) for n in range(5)] == [False, False, True, True, True]
    await store.tidy(RetentionBounds(-10, 10**9, 100))
    assert [bool(await store.turns(f"talk{n}", "a")) for n in range(5)] == [False] * 5
    assert await store.forget_conversation("talk4") is False


async def test_housekeeping_tidies() -> None:
    asked: list[RetentionBounds] = []

    class Log(MemoryLog):
        async def tidy(self, bounds: RetentionBounds) -> None:
            asked.append(bounds)

    async with serving({"a": words("x")}, log=Log(), limits=RunLimits(max_tombstones=7)):
        await eventually(lambda: bool(asked))
        assert asked[0].tombstones == 7

"""Covers `orchestrator/run/registry.py`: who can take part, and their backends while they load."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.errors import ConfigError
from orchestrator.run import registry as registry_module
from orchestrator.run.registry import AgentRegistry
from tests.support.patience import soon, turns
from tests.support.spine import settings


class Ready:
    """A backend that notes its end, or breaks at it."""

    def __init__(self, model: str | None = None, fails: bool = False) -> None:
        self.model = model
        self.fails = fails
        self.closed = False

    def stream(self, request: Any, /) -> AsyncGenerator[Any, None]:
        raise NotImplementedError

    async def aclose(self) -> None:
        self.closed = True
        if self.fails:
            raise RuntimeError("cannot close")


async def test_those_that_are_there_need_no_loading_but_the_call() -> None:
    ready = Ready("m")
    registry = AgentRegistry({"a": settings("a")}, backends={"a": ready})
    assert not registry.ready
    waiting = asyncio.ensure_future(registry.backend("a"))
    await turns()
    assert not waiting.done(), "a run may ask before it is loaded"
    await registry.load()
    assert registry.ready
    assert await soon(waiting) is ready
    assert await registry.backend("a") is ready


async def test_cancelling_one_that_waits_harms_no_other() -> None:
    registry = AgentRegistry({"a": settings("a")}, backends={"a": Ready()})
    first, second = (asyncio.ensure_future(registry.backend("a")) for _ in range(2))
    await turns()
    first.cancel()
    await asyncio.wait((first,))
    await registry.load()
    assert await soon(second)


async def test_the_others_do_not_wait_for_one_that_is_never_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module asks a server that does not answer."""
    answers = threading.Event()

    def build(own: Any, all_settings: Any) -> Ready:
        if own.agent_id == "stuck":
            answers.wait()
        return Ready()

    monkeypatch.setattr(registry_module, "create_backend", build)
    monkeypatch.setattr(registry_module, "SLOW_SECONDS", 0.01)
    registry = AgentRegistry({name: settings(name) for name in ("stuck", "good")})
    with capture_logs() as logs:
        loading = asyncio.create_task(registry.load())
        assert await soon(registry.backend("good"))
        assert not registry.ready
        assert {"event": "agent_loads_slowly", "agent_id": "stuck"}.items() <= logs[0].items()
        answers.set()
        await soon(loading)
    assert registry.ready


async def test_one_that_cannot_be_built_fails_its_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first fault is raised when all others are there; the log names it, without what looks like a key."""
    monkeypatch.setenv("SOME_API_KEY", "plain words")

    def build(own: Any, all_settings: Any) -> Ready:
        if own.agent_id == "good":
            return Ready()
        raise ValueError(f"cannot be built with plain words: {own.agent_id}")

    monkeypatch.setattr(registry_module, "create_backend", build)
    registry = AgentRegistry({name: settings(name) for name in ("bad", "good", "worse")})
    with (
        capture_logs() as logs,
        pytest.raises(ConfigError, match=r"^agent bad: cannot be built: ValueError: .*: bad$") as raised,
    ):
        await registry.load()
    assert [line["agent_id"] for line in logs] == ["bad", "worse"]
    assert "plain words" not in str(logs) + str(raised.value)
    assert all("ValueError" in line["stack"] for line in logs)
    assert await registry.backend("good")
    with pytest.raises(ConfigError, match=r": worse$"):
        await registry.backend("worse")
    assert registry.model("worse") is None
    await registry.aclose()


async def test_only_who_is_needed_is_loaded() -> None:
    registry = AgentRegistry(
        {"a": settings("a"), "b": settings("b")}, load=["a"], backends={"a": Ready(), "b": Ready()}
    )
    await registry.load()
    assert registry.ready
    waiting = asyncio.ensure_future(registry.backend("b"))
    await turns()
    assert not waiting.done()
    waiting.cancel()


async def test_a_reference_to_nothing_is_a_fault_of_the_configuration() -> None:
    registry = AgentRegistry({"a": settings("a", stream="tests.support.spine:nothing")})
    with pytest.raises(ConfigError, match="nothing"):
        await registry.load()


async def test_who_takes_part_by_default() -> None:
    every = AgentRegistry({"a": settings("a"), "b": settings("b")})
    assert every.default_agents() == ["a", "b"]
    marked = AgentRegistry({"a": settings("a"), "b": settings("b", default=True)})
    assert marked.default_agents() == ["b"]


async def test_an_agent_is_described_by_its_settings_and_its_backends_model() -> None:
    registry = AgentRegistry({"a": settings("a", title="Anna")}, backends={"a": Ready("big")})
    before = registry.info("a")
    assert (before.agent_id, before.title, before.backend, before.model) == ("a", "Anna", "function", None)
    await registry.load()
    assert registry.info("a").model == "big"


async def test_all_are_closed_though_one_breaks_at_it() -> None:
    broken, fine = Ready(fails=True), Ready()
    registry = AgentRegistry({"a": settings("a"), "b": settings("b")}, backends={"a": broken, "b": fine})
    await registry.load()
    with capture_logs() as logs:
        await registry.aclose()
    assert (broken.closed, fine.closed) == (True, True)
    assert [line["event"] for line in logs] == ["backend_not_closed"]
    assert "RuntimeError: cannot close" in logs[0]["stack"]


@pytest.mark.looptime
async def test_closing_has_a_limit() -> None:
    class Stuck(Ready):
        async def aclose(self) -> None:
            await asyncio.Event().wait()

    registry = AgentRegistry({"a": settings("a")}, backends={"a": Stuck()})
    await registry.load()
    with capture_logs() as logs:
        await registry.aclose(seconds=2)
    assert asyncio.get_running_loop().time() == pytest.approx(2, abs=0.1)
    assert "TimeoutError" in logs[0]["stack"]

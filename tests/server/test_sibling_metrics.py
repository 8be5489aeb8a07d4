"""Covers `orchestrator/server/sibling_metrics.py`: one scrape for all workers of one parent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from orchestrator.server import sibling_metrics
from orchestrator.server.sibling_metrics import ALONE, SiblingMetrics
from tests.support.patience import soon

OWN = b"# HELP x_total X.\n# TYPE x_total counter\nx_total 1.0\n"


@asynccontextmanager
async def sibling(path: Path, body: bytes, status: int = 200) -> AsyncIterator[list[str]]:
    """Answer as a worker does, over a socket of its own; yield what it was asked."""
    asked: list[str] = []

    async def metrics(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response(body=body, status=status)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
        yield asked
    finally:
        await runner.cleanup()


async def test_the_samples_of_all_workers_are_summed(tmp_path: Path) -> None:
    other = OWN.replace(b"1.0", b"41.0")
    async with sibling(tmp_path / "1.sock", other) as asked:
        text = (await SiblingMetrics(tmp_path).render(OWN)).decode()
    assert "x_total 42.0" in text
    assert asked == [f"/metrics?{ALONE}"], "asked for its own alone: else they would ask each other for ever"


async def test_a_worker_alone_says_its_own(tmp_path: Path) -> None:
    assert b"x_total 1.0" in await SiblingMetrics(tmp_path).render(OWN)


async def test_a_worker_is_not_asked_by_itself(tmp_path: Path) -> None:
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    own = SiblingMetrics(tmp_path)
    try:
        await own.listen(runner)
        assert [path.name for path in tmp_path.iterdir()] == [f"{os.getpid()}.sock"]
        assert b"x_total 1.0" in await own.render(OWN)
    finally:
        await runner.cleanup()


async def test_one_that_fails_is_left_out(tmp_path: Path) -> None:
    async with sibling(tmp_path / f"{os.getppid()}.sock", b"oops", status=500):
        assert b"x_total 1.0" in await SiblingMetrics(tmp_path).render(OWN)
        assert list(tmp_path.glob("*.sock")), "it lives, so its socket stays"


async def test_one_that_is_silent_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sibling_metrics, "ASK_SECONDS", 0.05)
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        left.set()

    async with await asyncio.start_unix_server(silent, str(tmp_path / "1.sock")):
        assert b"x_total 1.0" in await SiblingMetrics(tmp_path).render(OWN)
        await soon(left.wait())


async def test_the_socket_of_a_dead_worker_is_removed(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    dead = tmp_path / f"{process.pid}.sock"
    dead.touch()
    assert b"x_total 1.0" in await SiblingMetrics(tmp_path).render(OWN)
    assert not dead.exists()

"""Covers `orchestrator/server/access_log.py`, by the lines it writes, and what else aiohttp logs of a request."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from aiohttp import web

from orchestrator.server.access_log import AccessLog
from orchestrator.telemetry.logs import configure_logging
from tests.support.loglines import lines, own_logging
from tests.support.probe import Ask, Listen, exchange


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    with own_logging():
        yield


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def app() -> web.Application:
    async def handler(request: web.Request) -> web.StreamResponse:
        structlog.contextvars.bind_contextvars(run_id="run_7")
        return web.Response(text="answer")

    found = web.Application()
    found.router.add_route("*", "/v1/{rest}", handler)
    found.router.add_get("/healthz", handler)
    return found


async def access_lines(
    listen: Listen, out: io.StringIO, method: str, path: str, level: str = "info"
) -> list[dict[str, Any]]:
    configure_logging("json", level, stream=out)
    port = (
        await listen(app(), access_log=logging.getLogger("aiohttp.access"), access_log_class=AccessLog)
    ).port
    request = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\n\r\nprompt"
    await exchange(port, request.encode())
    await asyncio.sleep(0)
    return [line for line in lines(out) if line["logger"] == "orchestrator.access"]


async def test_a_request_is_one_line_without_query_and_bodies(out: io.StringIO, listen: Listen) -> None:
    [line] = await access_lines(listen, out, "POST", "/v1/runs%0A?token=hunter2")
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/runs%0A", 200)
    assert line["ms"] >= 0
    assert line["run_id"] == "run_7"
    for hidden in ("hunter2", "prompt", "answer"):
        assert hidden not in out.getvalue()


async def test_probes_are_logged_at_debug_alone(out: io.StringIO, listen: Listen) -> None:
    """A line every few seconds that says nothing hides the others."""
    assert await access_lines(listen, out, "GET", "/healthz") == []
    assert len(await access_lines(listen, out, "GET", "/healthz", "debug")) == 1


async def test_malformed_http_is_logged_without_its_bytes(out: io.StringIO, listen: Listen) -> None:
    configure_logging("json", stream=out)
    port = (
        await listen(app(), access_log=logging.getLogger("aiohttp.access"), access_log_class=AccessLog)
    ).port
    await exchange(port, b"GET /v1/x HTTP/1.1\r\nAuthorization: Bearer hunter2hunter2\x00\r\n\r\n")
    assert "hunter2" not in out.getvalue()
    assert [line["status"] for line in lines(out)] == [400, 400]


async def test_a_failing_handler_is_logged_once(out: io.StringIO, ask: Ask) -> None:
    configure_logging("json", stream=out)

    async def handler(request: web.Request) -> web.StreamResponse:
        raise RuntimeError("broken")

    found = web.Application()
    found.router.add_get("/x", handler)
    answer = await ask(lambda: found)
    [line] = lines(out)
    assert line["error_id"] == answer.problem["error_id"]
    assert "RuntimeError: broken" in line["exception"]

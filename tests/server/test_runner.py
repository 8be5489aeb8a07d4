"""Covers `orchestrator/server/http/runner.py`: what no middleware can reach, over real sockets."""

from __future__ import annotations

import asyncio
import json

import pytest
import structlog
from aiohttp import web
from structlog.testing import capture_logs

from orchestrator.server.http import runner as module
from orchestrator.server.http.problem import PROBLEM_TYPE, setup_problems
from tests.support.patience import eventually, soon
from tests.support.probe import Ask, Listen, exchange


@pytest.fixture(autouse=True)
def _fresh_structlog() -> None:
    structlog.reset_defaults()


def echo() -> web.Application:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=await request.read())

    app = web.Application()
    setup_problems(app)
    app.router.add_route("*", "/x", handler)
    return app


async def test_malformed_http_is_a_problem_and_quotes_nothing(listen: Listen) -> None:
    """The parser's message quotes the line at fault, which may be the Authorization header."""
    with capture_logs() as logs:
        port = (await listen(echo())).port
        request = b"GET /x HTTP/1.1\r\nHost: a\r\nAuthoriz\x00ation: Bearer hunter2\r\n\r\n"
        head, body = await exchange(port, request)
    assert head.split()[1] == b"400"
    assert PROBLEM_TYPE.encode() in head
    assert json.loads(body)["status"] == 400
    assert b"hunter2" not in body
    assert "hunter2" not in str(logs)
    assert [log["event"] for log in logs] == ["malformed_request"]


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
async def test_a_broken_body_that_nobody_reads_is_no_traceback(
    coding: bytes, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    """aiohttp takes the rest of a body in to keep the connection, and took what it then found for a failure of ours."""

    async def deaf(request: web.Request) -> web.StreamResponse:
        return web.Response(text="yes")

    app = web.Application()
    app.router.add_get("/x", deaf)
    with capture_logs() as logs:
        port = (await listen(app)).port
        head, _ = await exchange(
            port,
            b"GET /x HTTP/1.1\r\nHost: a\r\nContent-Encoding: %b\r\nContent-Length: 9\r\n\r\n123456789"
            % coding,
        )
        await eventually(lambda: bool(logs))
    assert head.split()[1] == b"200"
    assert [log["event"] for log in logs] == ["malformed_request"]
    assert "Traceback" not in caplog.text


async def test_a_refused_expectation_is_a_problem(ask: Ask) -> None:
    """aiohttp raises 417 before any middleware."""
    answer = await ask(echo, "POST", headers={"Expect": "magic"})
    assert answer.problem["status"] == 417


async def test_a_failure_below_the_application_is_a_problem(ask: Ask) -> None:
    """Without the middleware an exception reaches the protocol, which tells no more than it."""

    async def handler(request: web.Request) -> web.StreamResponse:
        raise RuntimeError("s3cret")

    app = web.Application()
    app.router.add_get("/x", handler)
    with capture_logs() as logs:
        answer = await ask(lambda: app)
    assert answer.problem["status"] == 500
    assert b"s3cret" not in answer.body
    assert logs[0]["error_id"] == answer.problem["error_id"]


async def test_a_connection_whose_headers_never_end_is_closed(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that dribbles them would hold a socket for as long as it likes."""
    monkeypatch.setattr(module, "HEADERS_SECONDS", 0.05)
    port = (await listen(echo())).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /x HTTP/1.1\r\nHost:")
    assert await soon(reader.read()) == b""
    writer.close()


async def test_a_header_that_means_something_here_must_be_ascii(listen: Listen) -> None:
    """aiohttp hands other bytes on as lone surrogates, which no store, log or answer can encode again."""
    port = (await listen(echo())).port
    head, body = await exchange(
        port, b"GET /x HTTP/1.1\r\nHost: a\r\nIdempotency-Key: \xff\r\nConnection: close\r\n\r\n"
    )
    assert head.split()[1] == b"400"
    assert b"idempotency-key" in json.loads(body)["detail"].lower().encode()
    head, _ = await exchange(port, b"GET /x HTTP/1.1\r\nHost: a\r\nX-Any: \xff\r\nConnection: close\r\n\r\n")
    assert head.split()[1] == b"200"


async def test_a_request_line_and_a_header_have_a_limit(listen: Listen) -> None:
    port = (await listen(echo())).port
    long = b"x" * (module.MAX_HEADER_BYTES + 1)
    for request in (
        b"GET /x?" + long + b" HTTP/1.1\r\n\r\n",
        b"GET /x HTTP/1.1\r\nX-A: " + long + b"\r\n\r\n",
    ):
        head, _ = await exchange(port, request)
        assert head.split()[1] == b"400"
        assert PROBLEM_TYPE.encode() in head

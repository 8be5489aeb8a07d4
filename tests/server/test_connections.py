"""What all clients hold together is bounded, and a client that never reads is cut off whatever it asked for."""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from orchestrator.server.http import runner
from orchestrator.server.http.guards import connections
from orchestrator.server.http.guards.connections import CONNECTIONS, Connections
from orchestrator.server.options import ServerOptions
from orchestrator.settings.limits import ConnectionLimits
from tests.support.patience import eventually

from ..support.service import Serve, Service, silent, words


def limited(**limits: int) -> ServerOptions:
    return ServerOptions(connections=ConnectionLimits(**limits))


def ask(service: Service, path: str, times: int = 1) -> socket.socket:
    """Ask and never read."""
    sock = socket.create_connection(("127.0.0.1", service.port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * times)
    return sock


@pytest.mark.parametrize("path", ["/v1/runs/{}", "/openapi.json", "/docs/protocol", "/web/bundle/page.js"])
async def test_a_client_that_reads_no_answer_is_cut_off(
    path: str, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """Ten of them held 545 MiB: only streams had a deadline."""
    monkeypatch.setattr(runner, "SEND_SECONDS", 0.2)
    service = await serve({"a": words("x" * 190_000)})
    run_id = await service.start("m" * 90_000)
    await service.ended(run_id)
    with ExitStack() as stack:
        stack.enter_context(ask(service, path.format(run_id), 40))
        await eventually(lambda: service.dropped() == 1)
        await eventually(lambda: not service.transports)
    await eventually(lambda: service.app[CONNECTIONS].answer_bytes == 0)


async def test_a_connection_too_many_hears_503_but_is_told_that_we_live(serve: Serve) -> None:
    service = await serve({"a": words("x")}, options=limited(max_connections=1))
    with ask(service, "/healthz"), capture_logs() as logs:
        await eventually(lambda: service.app[CONNECTIONS].open == 1)
        refused = await service.call("GET", "/v1/runs")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        assert (await service.call("GET", "/healthz")).status == 200
    assert [log["what"] for log in logs if log["event"] == "limit_reached"] == ["connections"]
    await eventually(lambda: service.app[CONNECTIONS].open == 0)
    assert (await service.call("GET", "/v1/runs")).status == 200


async def test_of_a_crowd_that_asks_nothing_the_oldest_are_closed_so_that_we_can_be_asked(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    monkeypatch.setattr(connections, "SPARE_CONNECTIONS", 2)
    service = await serve({"a": words("x")}, options=limited(max_connections=1))
    with ask(service, "/healthz"):
        await eventually(lambda: service.app[CONNECTIONS].open == 1)
        silent = [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(5)]
        for reader, _ in silent[:3]:
            assert await reader.read() == b""
        assert (await service.call("GET", "/healthz")).status == 200
        assert await silent[3][0].read() == b""
        assert not silent[4][0].at_eof()
        for _, writer in silent:
            writer.close()
    await eventually(lambda: service.app[CONNECTIONS].open == 0)
    assert service.app[CONNECTIONS]._crowd == {}


async def test_streams_and_sockets_are_bounded_in_all(serve: Serve) -> None:
    service = await serve({"a": silent}, options=limited(max_streams=1, max_websockets=1))
    run_id = await service.start()
    async with service.stream(f"/v1/runs/{run_id}/events") as stream:
        await stream.event()
        for method, path in (
            ("GET", f"/v1/runs/{run_id}/events"), ("GET", "/v1/channels/c/events"), ("POST", "/v1/runs"),
        ):  # fmt: skip
            headers = {"Accept": "text/event-stream"}
            body = {"message": "x"} if method == "POST" else None
            answer = await service.call(method, path, json=body, headers=headers)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert len((await service.call("GET", "/v1/runs")).json["runs"]) == 1, "nothing was started"
    async with service.session.ws_connect(f"{service.url}/v1/ws"):
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        assert (await service.call("GET", "/v1/ws", headers=headers | key)).status == 503


def test_answers_of_all_together_are_bounded() -> None:
    held = Connections(ConnectionLimits(max_answer_bytes=200_000))
    with held.answering(150_000) as first, held.answering(100_000) as second, held.answering(100) as small:
        assert (first, second, small) == (True, False, True)
    with held.answering(10**9) as alone:
        assert alone, "one that is larger than all together could never be had otherwise"
    assert held.answer_bytes == 0


def test_the_soft_limit_of_descriptors_is_raised_and_a_low_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(100, 300)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, value: limits.append(value))
    held = Connections()
    with capture_logs() as logs:
        held.fit_descriptors()
    assert (limits[-1], held.most) == ((300, 300), 44)
    assert [(log["event"], log["max_connections"]) for log in logs] == [("few_descriptors", 44)]

"""The fast transport's connections: whom they reach, with which key and proxy, and when they close."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import yarl
from aiohttp import web

from orchestrator.backends.openai.model.chat.model import decoded
from orchestrator.backends.openai.model.fast import FastTransport
from orchestrator.backends.openai.model.responses.decoder import ResponsesDecoder
from orchestrator.backends.openai.model.transport import DRAIN_SECONDS, proxy_for
from orchestrator.errors import AgentError
from tests.support.patience import PATIENCE_SECONDS, eventually, soon
from tests.support.upstream import Answer, Gate, Stall, Upstream, hanging

BODY = b'{"model":"m","stream":true}'


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as server:
        yield server


@pytest.fixture
async def transport(upstream: Upstream) -> AsyncIterator[FastTransport]:
    opened = FastTransport(upstream.url, "k")
    yield opened
    await opened.aclose()


async def said(transport: FastTransport) -> str:
    body = await transport.open_stream("/responses", BODY, {})
    text = ""
    async with aclosing(decoded(body, ResponsesDecoder())) as batches:
        async for events in batches:
            text += "".join(e.delta for e in events if e.type.endswith("text.delta"))
    return text


# ── whom it reaches ───────────────────────────────────────────────────────────────────────────


def test_a_base_url_must_be_one() -> None:
    """A mistake in the settings is told when they are read, not at the first question."""
    for wrong in ("localhost:8000", "ftp://host/v1", "/v1", "http://"):
        with pytest.raises(ValueError, match="base_url"):
            FastTransport(wrong, "k")
    with pytest.raises(ValueError, match="credentials") as caught:
        FastTransport("http://user:secret@host/v1")
    assert "secret" not in str(caught.value)


async def test_the_environments_key_goes_to_the_environments_server_alone(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of one's own gets the key that was given for it, or none."""
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
    upstream.script("m", [["ok"]])
    for made in (FastTransport(), FastTransport(upstream.url), FastTransport(upstream.url, "own")):
        assert await said(made) == "ok"
        await made.aclose()
    keys = [received.headers.get("Authorization") for received in upstream.requests]
    assert keys == ["Bearer from-environment", None, "Bearer own"]


async def test_a_query_in_the_base_url_is_kept(upstream: Upstream) -> None:
    """Azure's version stands there; a call's own query is added."""
    seen: list[yarl.URL] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(request.url)
        return web.json_response({})

    server = web.Server(handle)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    transport = FastTransport(f"http://127.0.0.1:{port}/a%20b/?api-version=3", "k")
    await transport.fetch("/responses", b"{}", {"query": {"q": "1"}})
    await transport.aclose()
    listener.close()
    await server.shutdown(1)
    assert [str(url.relative()) for url in seen] == ["/a%20b/responses?api-version=3&q=1"]


async def test_a_proxy_of_the_environment_is_used_with_its_credentials(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not for hosts that `NO_PROXY` excepts."""
    seen: list[tuple[str, str | None]] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append((str(request.url), request.headers.get("Proxy-Authorization")))
        return web.json_response({})

    server = web.Server(handle)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://user:pw@127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    far = FastTransport("http://model.invalid/v1", "k")
    await far.fetch("/responses", b"{}", {})
    await far.aclose()
    upstream.script("m", [["ok"]])
    near = FastTransport(upstream.url, "k")
    assert await said(near) == "ok"
    await near.aclose()
    listener.close()
    await server.shutdown(1)
    assert seen == [("http://model.invalid/v1/responses", "Basic dXNlcjpwdw==")]


def test_a_proxy_is_chosen_by_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    url = yarl.URL("https://api.openai.com/v1")
    assert proxy_for(url) is None
    monkeypatch.setenv("https_proxy", "proxy:3128")
    assert proxy_for(url) == "http://proxy:3128"
    monkeypatch.setenv("no_proxy", "openai.com")
    assert proxy_for(url) is None


async def test_a_netrc_does_not_replace_the_key(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """aiohttp with `trust_env` refuses a bearer token beside a .netrc entry for the host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login user password pw\n")
    monkeypatch.setenv("NETRC", str(netrc))
    upstream.script("m", [["ok"]])
    transport = FastTransport(upstream.url, "k")
    assert await said(transport) == "ok"
    await transport.aclose()
    assert upstream.requests[0].headers["Authorization"] == "Bearer k"


# ── when connections close ────────────────────────────────────────────────────────────────────


async def test_connecting_has_a_limit() -> None:
    """A host that drops packets is given up; 192.0.2.0/24 is for documentation and answers nobody."""
    transport = FastTransport("http://192.0.2.1:9/v1", "k", connect_timeout_s=0.1)
    with pytest.raises(AgentError) as caught:
        await asyncio.wait_for(transport.fetch("/responses", b"{}", {}), PATIENCE_SECONDS)
    await transport.aclose()
    assert caught.value.code == "upstream_unavailable"


async def test_an_answer_has_none(upstream: Upstream) -> None:
    """The limit for connecting does not end a model that thinks for long."""
    gate = Gate()
    upstream.script("m", [["a", gate, "b"]])
    transport = FastTransport(upstream.url, "k", connect_timeout_s=0.05)
    asyncio.get_running_loop().call_later(0.3, gate.open.set)
    assert await said(transport) == "ab"
    await transport.aclose()


async def test_answers_that_ended_leave_one_connection(upstream: Upstream, transport: FastTransport) -> None:
    """Twenty questions one after the other."""
    upstream.script("m", [["ok"]])
    for _ in range(20):
        assert await said(transport) == "ok"
    assert len(upstream.connections) == 1
    await transport.aclose()
    await upstream.wait_all_closed(limit=PATIENCE_SECONDS)


async def test_two_hundred_answers_at_once_wait_for_nobody(
    upstream: Upstream, transport: FastTransport
) -> None:
    """The pool has no limit of its own: agents' limits are the supervisor's."""
    gate = Gate()
    upstream.script("m", [["a", gate, "b"]])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(said(transport)) for _ in range(200)]
        await upstream.wait_requests(200, limit=PATIENCE_SECONDS)
        gate.open.set()
    assert {task.result() for task in tasks} == {"ab"}


async def test_an_error_status_closes_its_connection(upstream: Upstream, transport: FastTransport) -> None:
    """A long body is not read: whatever it is, nobody will be told."""
    upstream.script("m", [], fault=Answer(500, bytes(20_000_000)))
    with pytest.raises(AgentError):
        await said(transport)
    await upstream.wait_all_closed(limit=PATIENCE_SECONDS)


@pytest.mark.parametrize("phase", ["headers", "body"])
async def test_cancelling_closes_the_connection_at_once(
    upstream: Upstream, transport: FastTransport, phase: str
) -> None:
    """Before the headers and while the answer stalls."""
    upstream.script("m", [["a", Stall()]], fault=hanging() if phase == "headers" else None)
    task = asyncio.create_task(said(transport))
    received = await upstream.wait_requests(1, limit=PATIENCE_SECONDS)
    await eventually(lambda: phase != "body" or received.sent)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await upstream.wait_all_closed(limit=PATIENCE_SECONDS)


async def test_a_hundred_cancels_leave_nothing(upstream: Upstream, transport: FastTransport) -> None:
    """No connection, no task, at whatever moment they come."""
    upstream.script("m", [["a"] * 5], tokens_per_s=500)
    before = asyncio.all_tasks()
    for number in range(100):
        task = asyncio.create_task(said(transport))
        await asyncio.sleep(number * 0.0002)
        task.cancel()
        await asyncio.wait([task])
    gc.collect()
    assert await said(transport) == "aaaaa"
    await transport.aclose()
    await upstream.wait_all_closed(limit=PATIENCE_SECONDS)
    await eventually(
        lambda: not {task for task in asyncio.all_tasks() - before if "said" in repr(task.get_coro())}
    )


async def test_a_body_that_goes_on_after_its_end_is_cut(upstream: Upstream, transport: FastTransport) -> None:
    """The answer is whole when it says so; the connection is given up a moment later."""
    loop = asyncio.get_running_loop()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        whole = b'data: {"type":"response.completed","response":{"id":"r","output":[]}}\n\n'
        await response.write(whole)
        await asyncio.sleep(2 * PATIENCE_SECONDS)
        return response

    server = web.Server(handle, handler_cancellation=True)
    listener = await loop.create_server(server, "127.0.0.1", 0)
    slow = FastTransport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1", "k")
    begin = loop.time()
    assert await soon(said(slow)) == ""
    assert loop.time() - begin >= DRAIN_SECONDS
    await slow.aclose()
    listener.close()
    await server.shutdown(1)


async def test_a_reader_that_is_slow_holds_the_server_up_and_gets_all() -> None:
    """Reading stops while nobody takes what came, and goes on when somebody does."""
    piece, count = b"data: " + b"x" * 4090 + b"\n\n", 1000

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n" + BODY)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        writer.writelines(b"%x\r\n%b\r\n" % (len(piece), piece) for _ in range(count))
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    transport = FastTransport(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", "k")
    async with asyncio.timeout(PATIENCE_SECONDS):
        body = await transport.open_stream("/responses", BODY, {})
        connection = body._response.connection
        assert connection is not None
        assert connection.protocol is not None
        await eventually(lambda: connection.protocol._reading_paused)
        read = b""
        while data := await body.read():
            read += data
    assert read == piece * count
    body.close()
    await transport.aclose()
    server.close()
    await server.wait_closed()

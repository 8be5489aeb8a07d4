"""The conformance kit: our server holds every clause, and each of six prepared wrong servers is caught."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from click.testing import CliRunner

from orchestrator import AgentInput
from orchestrator.backends.base import Emission
from orchestrator.cli.commands import cli
from orchestrator.conformance.__main__ import check, main
from orchestrator.conformance.clauses import CLAUSES
from orchestrator.conformance.probe import Probe
from orchestrator.eventlog import MemoryLog
from tests.support.probe import ProblemServer
from tests.support.service import Service, serving

HOP = frozenset({"transfer-encoding", "content-length", "content-encoding", "connection"})
Wrong = Callable[[web.Request, bytes, int], bytes | None]
"""What a wrong server makes of the frame at a place of a stream; None leaves it out."""


async def talker(request: AgentInput) -> AsyncGenerator[Emission, None]:
    for n in range(25):
        yield f"word {n} "
        await asyncio.sleep(0.005)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving({"a": talker, "b": talker}) as served:
        yield served


def hole(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Lose the first event after a cursor."""
    return None if "Last-Event-ID" in request.headers and place == 1 else frame


def twice(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Send the first event after a cursor twice."""
    return frame + b"\n\n" + frame if "Last-Event-ID" in request.headers and place == 1 else frame


def other_text(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Say something else in the end than the tokens said."""
    return frame.replace(b"word 3 ", b"word 4 ") if b'"type":"done"' in frame else frame


def talking_on(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Let an agent speak after its end."""
    if b"event: a.done" not in frame:
        return frame
    more = (
        frame.split(b"\n")[0].replace(b"id: ", b"id: ")
        + b'\nevent: a.token\ndata: {"agent_id":"a","type":"token",'
    )
    return frame + b"\n\n" + more + b'"t":99999,"text":"more"}'


def a_gap_that_is_a_cursor(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Give the gap an id, so that a client that is cut there goes on from nowhere."""
    return b"id: abcd-1\n" + frame if b"event: run.gap" in frame else frame


def lost(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Lose an event of a channel."""
    return None if "/v1/channels/" in request.path and place == 9 else frame


@asynccontextmanager
async def wrong_server(service: Service, wrong: Wrong, *, deaf: str = "") -> AsyncIterator[str]:
    """Serve what *service* does, with one thing wrong; calls that end with *deaf* are taken and forgotten."""

    async def forward(request: web.Request) -> web.StreamResponse:
        path = request.path_qs
        if deaf and path.endswith(deaf):
            path, method = path.partition("/agents/")[0].removesuffix(deaf), "GET"
        else:
            method = request.method
        headers = {
            name: value for name, value in request.headers.items() if name not in ("Host", "Accept-Encoding")
        }
        body = await request.read()
        async with session.request(
            method, service.url + path, data=body or None, headers=headers | {"Accept-Encoding": "identity"}
        ) as found:
            kept = {name: value for name, value in found.headers.items() if name.lower() not in HOP}
            status = 202 if method != request.method else found.status
            answer = web.StreamResponse(status=status, headers=kept)
            if found.content_type != "text/event-stream":
                return web.Response(status=status, headers=kept, body=await found.read())
            await answer.prepare(request)
            rest, place = b"", 0
            async for chunk in found.content.iter_any():
                *frames, rest = (rest + chunk).split(b"\n\n")
                for frame in frames:
                    told = wrong(request, frame, place)
                    place += 1
                    if told is not None:
                        await answer.write(told + b"\n\n")
            return answer

    async def forward_socket(request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        async with session.ws_connect(service.url + "/v1/ws") as inner:

            async def tell() -> None:
                async for message in inner:
                    await answer.send_str(message.data)

            telling = asyncio.create_task(tell())
            try:
                async for message in answer:
                    await inner.send_str(message.data)
            finally:
                telling.cancel()
        return answer

    app = web.Application()
    app.router.add_get("/v1/ws", forward_socket)
    app.router.add_route("*", "/{tail:.*}", forward)
    async with ClientSession(auto_decompress=False) as session, ProblemServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def verdicts(url: str) -> dict[str, str | None]:
    async with ClientSession() as session:
        probe = Probe(session, url, message="hi", agents=None, patience=20)
        return {clause.name: await check(probe, clause) for clause in CLAUSES}


async def test_ours_holds_every_clause(service: Service) -> None:
    assert {name: how for name, how in (await verdicts(service.url)).items() if how} == {}


@pytest.mark.parametrize(
    ("wrong", "clause"),
    [
        (hole, "cuts_lose_nothing"),
        (twice, "cuts_lose_nothing"),
        (other_text, "tokens_make_the_text"),
        (talking_on, "order_of_a_run"),
        (a_gap_that_is_a_cursor, "strange_cursors_give_a_gap"),
        (lost, "channels"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_a_wrong_server_is_caught(service: Service, wrong: Wrong, clause: str) -> None:
    async with wrong_server(service, wrong) as url:
        found = await verdicts(url)
    assert found[clause] is not None
    assert found["problems"] is None, "what is right is not blamed"


async def test_a_server_that_is_deaf_to_cancels_is_caught(service: Service) -> None:
    async with wrong_server(service, lambda _, frame, __: frame, deaf="/cancel") as url:
        found = await verdicts(url)
    assert {name for name, how in found.items() if how} >= {"a_cancel_ends_a_run", "a_cancel_of_one_agent"}
    assert found["order_of_a_run"] is None


async def verdict(url: str, name: str) -> str | None:
    async with ClientSession() as session:
        probe = Probe(session, url, message="hi", agents=None, patience=20)
        (clause,) = [each for each in CLAUSES if each.name == name]
        return await check(probe, clause)


async def test_a_server_that_is_deaf_to_retries_is_caught(service: Service) -> None:
    assert await verdict(service.url, "a_retry") is None
    async with wrong_server(service, lambda _, frame, __: frame, deaf="/retry") as url:
        assert await verdict(url, "a_retry") == "the agent has no second attempt"


def silent_gap(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Go on after what is forgotten as if nothing had been there."""
    return None if b"event: run.gap" in frame else frame


async def test_a_log_that_forgets_says_so() -> None:
    """Ours; a server that does not is caught, and so is one that loses an event of a channel without need."""
    kept = "no_silent_hole"
    async with serving({"a": talker}, log=MemoryLog(max_channel_bytes=5_000)) as small:
        assert await verdict(small.url, kept) is None
        assert (await small.call("GET", "/v1/runs")).json["runs"]
        async with wrong_server(small, silent_gap) as url:
            assert await verdict(url, kept) is not None
        async with wrong_server(small, a_gap_that_is_a_cursor) as url:
            assert await verdict(url, kept) == "run.gap has an id, so it becomes a cursor"
    async with serving({"a": talker}) as large, wrong_server(large, lost) as url:
        assert "is left out" in (await verdict(url, kept) or "")


@pytest.mark.parametrize("form", ["module", "command"])
async def test_the_command_tells_and_exits(
    service: Service, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    if form == "module":
        assert await asyncio.to_thread(main, ["--url", service.url, "--patience", "20"]) == 0
        out = capsys.readouterr().out
    else:
        asked = CliRunner().invoke
        given = ["conformance", service.url, "--patience", "20", "--agents", "a,b"]
        done = await asyncio.to_thread(asked, cli, given, standalone_mode=False)
        assert done.return_value == 0
        out = done.output
    assert out.count("pass  ") == len(CLAUSES)
    assert f"{len(CLAUSES)} of {len(CLAUSES)} clauses hold." in out


def without_its_end(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """End each stream before its last event."""
    return None if b"event: run.done" in frame else frame


async def test_a_server_whose_streams_lack_the_last_event_is_asked_no_more_than_once(
    service: Service,
) -> None:
    """Nothing new comes of such a stream, so whoever went on asking would ask for ever."""
    async with wrong_server(service, without_its_end) as url, ClientSession() as session:
        probe = Probe(session, url, message="hi", agents=None, patience=20)
        (live,) = [clause for clause in CLAUSES if clause.name == "live_cuts_lose_nothing"]
        assert "the stream ends, and run.done was not in it" in (await check(probe, live) or "")

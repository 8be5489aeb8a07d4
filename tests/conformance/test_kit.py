"""The conformance kit: our server holds every clause, and each of six prepared wrong servers is caught."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from click.testing import CliRunner

from orchestrator import AgentInput
from orchestrator.backends.base import Emission
from orchestrator.cli.commands import cli
from orchestrator.conformance import __main__ as kit
from orchestrator.conformance import silence
from orchestrator.conformance.__main__ import HANGING, check, main
from orchestrator.conformance.clauses import CLAUSES, Clause
from orchestrator.conformance.probe import Probe
from orchestrator.eventlog import MemoryLog, subscription
from tests.support.probe import ProblemServer
from tests.support.service import Service, serving

HOP = frozenset({"transfer-encoding", "content-length", "content-encoding", "connection"})
Wrong = Callable[[web.Request, bytes, int], bytes | None]
"""What a wrong server makes of the frame at a place of a stream; None leaves it out."""


async def talker(request: AgentInput) -> AsyncGenerator[Emission, None]:
    for n in range(25):
        yield f"word {n} "
        await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def short_silences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a heartbeat come at a hundredth of the time, and let the kit wait a tenth of its own for it."""
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.15)
    monkeypatch.setattr(silence, "SILENCE_SECONDS", 1.7)


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
async def wrong_server(
    service: Service,
    wrong: Wrong,
    *,
    deaf: str = "",
    wide: bool = False,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[str]:
    """Serve what *service* does, with one thing wrong.

    Args:
        deaf: Calls that end with this are taken and forgotten.
        wide: A cancel of one agent cancels all.
        headers: What streams have in place of what they should.
    """
    other_headers = headers or {}

    async def forward(request: web.Request) -> web.StreamResponse:
        path = request.path_qs
        if deaf and path.endswith(deaf):
            path, method = path.partition("/agents/")[0].removesuffix(deaf), "GET"
        else:
            method = request.method
        if wide and path.endswith("/cancel"):
            path = re.sub("/agents/[^/]+", "", path)
        headers = {
            name: value for name, value in request.headers.items() if name not in ("Host", "Accept-Encoding")
        }
        body = await request.read()
        async with session.request(
            method, service.url + path, data=body or None, headers=headers | {"Accept-Encoding": "identity"}
        ) as found:
            kept = {name: value for name, value in found.headers.items() if name.lower() not in HOP}
            status = 202 if method != request.method else found.status
            answer = web.StreamResponse(status=status, headers=kept | dict(other_headers))
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


async def verdicts(url: str, *names: str) -> dict[str, str | None]:
    """Return what the kit says of each clause, or of those of these *names*."""
    async with ClientSession() as session:
        probe = Probe(session, url, message="hi", agents=None, patience=20)
        wanted = [clause for clause in CLAUSES if not names or clause.name in names]
        return {clause.name: await check(probe, clause) for clause in wanted}


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
        found = await verdicts(url, clause, "problems")
    assert found[clause] is not None
    assert found["problems"] is None, "what is right is not blamed"


async def test_a_server_that_is_deaf_to_cancels_is_caught(service: Service) -> None:
    async with wrong_server(service, lambda _, frame, __: frame, deaf="/cancel") as url:
        found = await verdicts(url)
    assert {name for name, how in found.items() if how} >= {"a_cancel_ends_a_run", "a_cancel_of_one_agent"}
    assert found["order_of_a_run"] is None


async def verdict(url: str, name: str) -> str | None:
    return (await verdicts(url, name))[name]


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


def after_a_cursor(request: web.Request) -> bool:
    return "Last-Event-ID" in request.headers


def number(frame: bytes) -> int:
    """Return the seq of a frame, 0 if it has none."""
    found = re.search(rb"^id: [a-z0-9]+-([0-9]+)$", frame, re.MULTILINE)
    return int(found[1]) if found else 0


def one_early(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Count one less after a cursor."""
    seq = number(frame)
    renamed = frame.replace(b"-%d\n" % seq, b"-%d\n" % (seq - 1), 1)
    return renamed if after_a_cursor(request) and seq > 1 else frame


def without_the_end_of_one(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Leave out how one agent was cancelled."""
    return None if b"event: b.cancelled" in frame else frame


def without_heartbeats(request: web.Request, frame: bytes, place: int) -> bytes | None:
    return None if frame == b": heartbeat" else frame


def heartbeats_that_are_events(request: web.Request, frame: bytes, place: int) -> bytes | None:
    return b"event: ping\ndata: {}" if frame == b": heartbeat" else frame


def an_id_twice(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Give the fourth event the third one's id, always."""
    return re.sub(rb"-4\n", b"-3\n", frame, count=1) if number(frame) == 4 else frame


def more_after_the_run(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Say something after `run.done`."""
    more = b'event: run.note\ndata: {"type":"note","t":99999}'
    return frame + b"\n\n" + more if b"event: run.done" in frame else frame


def names_of_others(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Call one agent's tokens by the other's name."""
    return frame.replace(b"event: a.token", b"event: b.token")


def time_that_falls(request: web.Request, frame: bytes, place: int) -> bytes | None:
    """Count one agent's time from its own start."""
    return re.sub(rb'"t":[0-9]+', b'"t":0', frame) if b"event: b.done" in frame else frame


def snapshot_without_a_gap(request: web.Request, frame: bytes, place: int) -> bytes | None:
    return None if b"event: run.gap" in frame else frame


@pytest.mark.parametrize(
    ("wrong", "clause"),
    [
        (one_early, "cuts_lose_nothing"),
        (one_early, "live_cuts_lose_nothing"),
        (without_the_end_of_one, "a_cancel_ends_a_run"),
        (without_heartbeats, "a_silent_stream_lives"),
        (heartbeats_that_are_events, "a_silent_stream_lives"),
        (an_id_twice, "ids_rise"),
        (more_after_the_run, "order_of_a_run"),
        (names_of_others, "names_and_data"),
        (time_that_falls, "names_and_data"),
        (snapshot_without_a_gap, "strange_cursors_give_a_gap"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_another_wrong_server_is_caught_by_the_clause_that_it_breaks(
    service: Service, wrong: Wrong, clause: str
) -> None:
    async with wrong_server(service, wrong) as url:
        found = await verdicts(url, clause, "problems", "idempotency")
    assert {name for name, how in found.items() if how} == {clause}


@pytest.mark.parametrize(
    ("headers", "clause"),
    [
        ({"Content-Type": "text/plain"}, "headers_of_a_stream"),
        ({"Cache-Control": "max-age=60"}, "headers_of_a_stream"),
        ({"Run-Id": "run_of_another"}, "headers_of_a_stream"),
    ],
)
async def test_a_server_with_wrong_headers_is_caught(
    service: Service, headers: dict[str, str], clause: str
) -> None:
    async with wrong_server(service, lambda _, frame, __: frame, headers=headers) as url:
        assert await verdict(url, clause) is not None


async def test_a_server_whose_cancel_takes_the_siblings_is_caught(service: Service) -> None:
    async with wrong_server(service, lambda _, frame, __: frame, wide=True) as url:
        assert "were cancelled, too" in (await verdict(url, "a_cancel_of_one_agent") or "")


@asynccontextmanager
async def slow_server(*, trickles: bool) -> AsyncIterator[str]:
    """Take every request and answer none, or send a byte now and then for ever."""

    async def forward(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        if trickles:
            await answer.prepare(request)
        while True:
            await asyncio.sleep(0.01)
            if trickles:
                await answer.write(b":\n\n")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", forward)
    async with ProblemServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize("trickles", [False, True])
async def test_a_server_that_lets_the_kit_wait_is_left(
    capsys: pytest.CaptureFixture[str], trickles: bool
) -> None:
    async with slow_server(trickles=trickles) as url:
        assert await asyncio.to_thread(main, [url, "--patience", "0.3"]) == 1
    out = capsys.readouterr().out
    assert out.count("FAIL") == HANGING
    assert f"0 of {len(CLAUSES)} clauses hold." in out


async def test_a_clause_that_never_comes_to_its_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if each of its answers comes in time."""

    async def asks_for_ever(probe: Probe) -> None:
        while True:
            await asyncio.sleep(0.01)

    endless = Clause("endless", "Promises", "it ends", asks_for_ever)
    monkeypatch.setattr(kit, "CLAUSES", [endless])
    monkeypatch.setattr(kit, "SILENCE_SECONDS", 0)
    assert await asyncio.to_thread(main, ["http://127.0.0.1:9", "--patience", "0.05"]) == 1
    assert "took too long" in capsys.readouterr().out

"""Covers `orchestrator/server/http/problem.py`, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import structlog
from aiohttp import ClientPayloadError, web
from structlog.testing import capture_logs

from orchestrator.errors import (
    Conflict,
    FieldProblem,
    Gone,
    InvalidRequest,
    LimitReached,
    LogUnavailable,
    NotFound,
    Unavailable,
)
from orchestrator.server.http.json_body import JsonReader, parse_json_object
from orchestrator.server.http.problem import (
    PROBLEM_TYPE,
    ProblemError,
    problem_from,
    problem_response,
    setup_problems,
)
from tests.support.patience import PATIENCE_SECONDS
from tests.support.probe import Ask, Listen, exchange, fetch

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _fresh_structlog() -> None:
    structlog.reset_defaults()


def app_of(handler: Handler) -> Callable[[], web.Application]:
    def build() -> web.Application:
        app = web.Application()
        setup_problems(app)
        app.router.add_route("*", "/x", handler)
        app.router.add_get("/only-get", handler)
        return app

    return build


def raises(exc: Exception) -> Callable[[], web.Application]:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise exc

    return app_of(handler)


async def _echo(request: web.Request) -> web.StreamResponse:
    return web.json_response(await JsonReader().read(request, max_bytes=200, timeout_s=0.3))


echo = app_of(_echo)


@pytest.mark.parametrize(
    ("exc", "status", "retry_after"),
    [
        (NotFound("No run has this id."), 404, None),
        (Gone("The run was deleted."), 410, None),
        (Conflict("The run has ended."), 409, None),
        (LimitReached("Too many runs.", retry_after=2.2), 429, "3"),
        (Unavailable("Draining.", retry_after=0), 503, "1"),
        (ProblemError(400, "The cursor is malformed."), 400, None),
    ],
)
async def test_each_request_error_has_its_status(
    exc: Exception, status: int, retry_after: str | None, ask: Ask
) -> None:
    """The tree of errors.py maps to HTTP; seconds are rounded up, never down to 0."""
    answer = await ask(raises(exc))
    assert (answer.status, answer.headers.get("Retry-After")) == (status, retry_after)
    assert answer.problem["detail"] == str(exc)
    assert answer.problem["type"] == "about:blank"


async def test_fields_at_fault_are_listed(ask: Ask) -> None:
    """422 says which fields, also where a client's bytes are no Unicode text."""
    fields = [FieldProblem("agents[1]", "unknown"), FieldProblem("\ud800", "x")]
    answer = await ask(raises(InvalidRequest("2 fields are wrong.", fields)))
    assert answer.status == 422
    assert answer.problem["errors"] == [
        {"at": "agents[1]", "detail": "unknown"},
        {"at": "\ufffd", "detail": "x"},
    ]


async def test_the_logs_own_error_text_stays_inside(ask: Ask) -> None:
    """A store's message may hold its password."""
    answer = await ask(raises(LogUnavailable("redis://:hunter2@db")))
    assert answer.problem["status"] == 503
    assert answer.headers["Retry-After"] == "1"
    assert b"hunter2" not in answer.body


async def test_an_unexpected_error_is_logged_under_an_id_and_not_told(ask: Ask) -> None:
    """The answer holds the id alone; the log has the traceback under the same id."""
    with capture_logs() as logs:
        answer = await ask(raises(ValueError("s3cret detail")), path="/x?q=1")
    assert answer.problem["status"] == 500
    assert b"s3cret" not in answer.body
    [entry] = [log for log in logs if log["event"] == "request_failed"]
    assert entry["error_id"] == answer.problem["error_id"]
    assert "ValueError: s3cret detail" in entry["stack"]
    assert "exc_info" not in entry
    assert entry["where"] == "GET /x"


async def test_an_unknown_path_is_a_problem(ask: Ask) -> None:
    answer = await ask(echo, path="/nothing")
    assert (answer.problem["status"], answer.problem["detail"]) == (404, "Nothing is at this path.")


async def test_a_wrong_method_is_a_problem_that_keeps_allow(ask: Ask) -> None:
    answer = await ask(echo, "DELETE", "/only-get")
    assert answer.problem["status"] == 405
    assert answer.headers["Allow"] == "GET,HEAD"


async def test_an_http_exceptions_own_text_and_headers_are_kept(ask: Ask) -> None:
    answer = await ask(raises(web.HTTPTooManyRequests(text="Wait.", headers={"Retry-After": "9"})))
    assert (answer.problem["status"], answer.problem["detail"]) == (429, "Wait.")
    assert answer.headers["Retry-After"] == "9"


async def test_a_redirect_is_left_alone(ask: Ask) -> None:
    answer = await ask(raises(web.HTTPFound("/docs")))
    assert (answer.status, answer.headers["Location"]) == (302, "/docs")
    assert answer.content_type != PROBLEM_TYPE


@pytest.mark.parametrize(
    ("exc", "logged"),
    [
        (RuntimeError("in the middle"), ["GET /x after the answer had begun"]),
        # Whoever comes back meanwhile is cut again, and the log of the service has said why already.
        (LogUnavailable("away"), []),
        (Gone("It was deleted."), []),
    ],
)
@pytest.mark.parametrize("written", [b"", b"data: 1\n\n"])
async def test_a_failure_within_a_stream_cuts_the_connection(
    written: bytes, exc: Exception, logged: list[str], listen: Listen
) -> None:
    """Nothing is added to an answer that has begun, and its end does not look like one."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if written:
            await response.write(written)
        raise exc

    with capture_logs() as logs:
        port = (await listen(app_of(handler)())).port
        head, body = await exchange(port, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"500" not in head
    assert not body.endswith(b"0\r\n\r\n")
    assert written in body
    assert [log["where"] for log in logs] == logged


async def test_a_client_library_sees_the_cut(ask: Ask) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"some")
        raise RuntimeError("in the middle")

    with pytest.raises(ClientPayloadError):
        await ask(app_of(handler))


def test_problem_response_carries_title_type_and_headers() -> None:
    fields = [FieldProblem("a", "b")]
    response = problem_response(409, "No.", title="Busy", type_="urn:x", errors=fields, headers={"X-A": "1"})
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {
        "type": "urn:x",
        "title": "Busy",
        "status": 409,
        "detail": "No.",
        "errors": [{"at": "a", "detail": "b"}],
    }
    assert (response.headers["X-A"], response.content_type) == ("1", PROBLEM_TYPE)


def test_a_fault_of_ours_says_nothing_to_a_client() -> None:
    assert problem_from(KeyError("x")) is None


# ── reading JSON ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
)
async def test_json_is_read(kind: str, ask: Ask) -> None:
    answer = await ask(echo, "POST", data='{"a":"é"}'.encode(), headers={"Content-Type": kind})
    assert (answer.status, answer.json) == (200, {"a": "é"})


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/jsonx",
    ],
)
async def test_other_types_are_refused(kind: str, ask: Ask) -> None:
    """A form of a foreign page can send these types without a preflight, JSON not."""
    answer = await ask(echo, "POST", data=b"{}", headers={"Content-Type": kind})
    assert answer.problem["status"] == 415


async def test_a_missing_type_is_refused(ask: Ask) -> None:
    answer = await ask(echo, "POST", data=b"{}", skip_auto_headers=["Content-Type"])
    assert answer.problem["status"] == 415


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,\n "b": }', "line 2, column 7"),
        (b'{"a": "\xff"}', "byte 7"),
        (b'\xef\xbb\xbf{"a":1}', "line 1, column 1"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        (b"[1]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a":1,"a":2}', "same key twice"),
        (b'{"a":{"b":1,"b":2}}', "same key twice"),
        (b'{"a":1} x', "line 1, column 9"),
        (b'{"a":' * 500, "nested too deeply"),
        (b'{"a":' * 100_000, "more than 1000 members"),
        (b'{"a":"\n"}', "control character"),
    ],
)
def test_malformed_json_says_where(body: bytes, says: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_json_object(body)
    assert caught.value.problem.status == 400
    assert says in caught.value.problem.detail


async def test_a_body_that_declares_too_much_is_refused_before_it_is_sent(listen: Listen) -> None:
    port = (await listen(echo(), lingering_time=0.2)).port
    head, body = await exchange(
        port,
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n",
    )
    assert b" 413 " in head
    assert "200 bytes" in json.loads(body)["detail"]


async def test_a_chunked_body_is_counted(ask: Ask) -> None:
    async def long() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b'{"a":"' + b"x" * 100

    answer = await ask(echo, "POST", data=long(), headers=JSON)
    assert answer.problem["status"] == 413


async def test_a_compressed_body_is_counted_unpacked(ask: Ask) -> None:
    """A few bytes of gzip can be gigabytes of JSON."""
    packed = gzip.compress(b'{"a":"' + b"x" * 1_000_000 + b'"}')
    answer = await ask(echo, "POST", data=packed, headers=JSON | {"Content-Encoding": "gzip"})
    assert answer.problem["status"] == 413


async def test_a_broken_coding_is_the_clients_fault(ask: Ask) -> None:
    answer = await ask(echo, "POST", data=b"not gzip at all", headers=JSON | {"Content-Encoding": "gzip"})
    assert answer.problem["status"] == 400


async def test_a_body_that_never_comes_is_not_waited_for(listen: Listen) -> None:
    """A Content-Length that promises more than is sent ends in 408."""
    port = (await listen(echo(), lingering_time=0.2)).port
    head, _ = await exchange(
        port,
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    )
    assert b" 408 " in head


async def test_a_client_that_leaves_while_it_sends_is_no_failure_of_ours(listen: Listen) -> None:
    """Nobody is there to be answered, so no error is logged."""
    entered, left = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        entered.set()
        try:
            return web.json_response(await JsonReader().read(request, max_bytes=200))
        finally:
            left.set()

    with capture_logs() as logs:
        port = (await listen(app_of(handler)())).port
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        await asyncio.wait_for(entered.wait(), PATIENCE_SECONDS)
        writer.close()
        await writer.wait_closed()
        await asyncio.wait_for(left.wait(), PATIENCE_SECONDS)
    assert [log for log in logs if log["log_level"] == "error"] == []


async def test_a_refused_body_does_not_confuse_the_next_request(listen: Listen) -> None:
    """The rest of an unread body is never taken for a request of its own."""
    client = await listen(echo())
    first = await fetch(client, "POST", "/x", data=b"GET /x HTTP/1.1\r\n\r\n" * 50, headers=JSON)
    second = await fetch(client, "POST", "/x", data=b'{"a":1}', headers=JSON)
    assert (first.status, second.status) == (413, 200)

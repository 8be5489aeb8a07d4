"""The connection to a Letta server and the run behind it: faults, re-attachment, cancel."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from email.utils import formatdate
from time import time
from typing import Any

import pytest

from orchestrator.backends.letta import run as letta_run
from orchestrator.backends.letta.backend import LettaBackend
from orchestrator.errors import AgentError
from orchestrator.settings.agent import Limits
from tests.support.letta.ask import (
    ASK,
    answer_of,
    backend_at,
    failure_of,
    pool_of,
    said,
    saying,
    sent,
    tasks_of_ours,
    words,
)
from tests.support.letta.wire import CONVERSATION, RUN, SECRET, WELL, Answer, LettaWire, Stream, ping, text
from tests.support.patience import PATIENCE_SECONDS, soon
from tests.support.upstream import refusing_url

QUICK = Limits(first_token_timeout_s=0.4, idle_timeout_s=0.4)


@pytest.mark.parametrize("then", ["end", "reset"])
async def test_a_foreground_stream_that_breaks_off_is_an_error_and_its_run_is_cancelled(then: str) -> None:
    """A clean end without [DONE] is a truncated answer, and the server would go on without a reader."""
    wire = LettaWire(Stream([ping(), text("a")], then))
    failure = await failure_of(wire, background=False)
    assert failure.code == "upstream_unavailable"
    assert [body for _, path, body in wire.calls if path.endswith("/cancel")] == [{"run_ids": [RUN]}]
    assert len(sent(wire)) == 1


async def test_a_foreground_stream_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pump's own limit comes first; this one is for whoever has none, and for a dead network."""
    monkeypatch.setattr(letta_run, "READ_GRACE_SECONDS", 0.0)
    wire = LettaWire(Stream([ping(), text("a")], "stall"))
    assert (await failure_of(wire, background=False, limits=QUICK)).code == "upstream_unavailable"
    assert wire.cancelled.is_set()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "upstream_auth"),
        (403, "upstream_auth"),
        (404, "upstream_rejected"),
        (409, "upstream_unavailable"),
        (422, "upstream_rejected"),
        (425, "upstream_unavailable"),
        (500, "upstream_unavailable"),
        (502, "upstream_unavailable"),
    ],
)
@pytest.mark.parametrize("background", [True, False])
async def test_a_status_is_translated_and_the_message_sent_once(
    status: int, code: str, background: bool
) -> None:
    """The SDK would repeat a POST twice; the pump retries, and knows when it may.

    Letta answers 409 while another run of the agent or the conversation is at work: nothing was taken up, so it
    can be asked again.
    """
    wire = LettaWire(Answer(status))
    assert (await failure_of(wire, background=background)).code == code
    assert len(sent(wire)) == 1
    assert wire.paths("/cancel") == []


@pytest.mark.parametrize("as_date", [False, True])
async def test_a_rate_limit_says_when_to_come_back(as_date: bool) -> None:
    """Retry-After is seconds or a date."""
    wanted = formatdate(time() + 30, usegmt=True) if as_date else "30"
    failure = await failure_of(LettaWire(Answer(429, headers={"Retry-After": wanted})))
    assert failure.code == "upstream_rate_limited"
    assert failure.retry_after == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "insufficient_quota", "message": SECRET}},
        {"detail": {"type": "insufficient_quota", "message": SECRET}},
        {"error": {"type": "insufficient_credits", "message": SECRET}},
    ],
    ids=str,
)
async def test_no_credit_left_is_no_rate_limit(body: dict[str, Any]) -> None:
    """Asked again it would say the same."""
    failure = await failure_of(LettaWire(Answer(429, json.dumps(body))))
    assert not failure.retryable
    assert failure.code != "upstream_rate_limited"
    assert SECRET not in failure.message


async def test_a_page_of_html_is_no_answer() -> None:
    """Proxies and captive portals answer 200."""
    wire = LettaWire(Answer(200, f"<p>{SECRET}</p>", "text/html"))
    assert (await failure_of(wire)).code == "upstream_invalid"


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    """Nothing was sent, so nothing has to be found or cancelled."""
    with refusing_url() as url:
        async with backend_at(url.removesuffix("/v1")) as backend:
            with pytest.raises(AgentError) as caught:
                await said(backend)
    assert (caught.value.code, caught.value.retryable) == ("upstream_unavailable", True)


async def test_the_backend_goes_on_after_a_500() -> None:
    """The server drops a connection that had a 500; the next request must not fall into that hole."""
    wire = LettaWire(Answer(500), Stream([text("a"), *WELL]))
    async with wire, backend_at(wire.url) as backend:
        with pytest.raises(AgentError):
            await said(backend)
        assert words(await said(backend)) == "a"


async def test_without_background_runs_the_answer_comes_in_the_foreground() -> None:
    """A server without Redis answers 503; it is asked again later, not with every message."""
    wire = LettaWire(Answer(503), *(Stream([text("a"), *WELL]) for _ in range(2)))
    async with wire, backend_at(wire.url) as backend:
        assert words(await said(backend)) == "a"
        assert words(await said(backend)) == "a"
    assert [body["background"] for body in sent(wire)] == [True, False, False]


async def test_503_in_the_foreground_too_is_unavailable() -> None:
    """Then it was not about background runs."""
    wire = LettaWire(Answer(503), Answer(503))
    assert (await failure_of(wire)).code == "upstream_unavailable"


@pytest.mark.parametrize("then", ["end", "reset", "stall"])
async def test_a_background_run_is_attached_to_again_and_nothing_is_lost_or_told_twice(then: str) -> None:
    """After a cut, a clean end or a dead network; even where the server repeats what it said."""
    wire = LettaWire(
        Stream([ping(1), text("a", 2), text("b", 3), b'data: {"message_type": "assis'], then),
        Stream([ping(1), text("b", 3), text("c", 4)], then),
        Stream([text("d", 5), ping(5), *WELL]),
    )
    limits = {"limits": QUICK} if then == "stall" else {}
    assert words(await answer_of(wire, **limits)) == "abcd"
    attached = [body for _, path, body in wire.calls if path == f"/v1/runs/{RUN}/stream"]
    assert [body["starting_after"] for body in attached] == [3, 4]
    assert len(sent(wire)) == 1


async def test_a_run_whose_first_answer_was_lost_is_found_not_started_again() -> None:
    """The message may have been read; sent twice, the agent would answer twice."""
    wire = LettaWire(Answer(drop=True), Stream([ping(1), text("a", 2), *WELL]))
    assert words(await answer_of(wire)) == "a"
    (body,) = sent(wire)
    (found,) = (body for _, path, body in wire.calls if path == f"/v1/conversations/{CONVERSATION}/stream")
    assert found["otid"] == body["messages"][0]["otid"]


async def test_a_connection_that_keeps_breaking_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is cancelled then: nobody will read it."""
    monkeypatch.setattr(letta_run, "REATTACH_SECONDS", 0.001)
    wire = LettaWire(Stream([ping(1), text("a", 2)], "reset"), *(Answer(500) for _ in range(20)))
    assert (await failure_of(wire)).code == "upstream_unavailable"
    assert len(wire.paths(f"/v1/runs/{RUN}/stream")) == letta_run.REATTACH_TRIES
    assert wire.cancelled.is_set()


async def test_progress_makes_the_count_of_broken_connections_start_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long answer over a bad network is slow, not hopeless."""
    monkeypatch.setattr(letta_run, "REATTACH_SECONDS", 0.001)
    pieces = 3 * letta_run.REATTACH_TRIES
    streams = [Stream([text("x", at + 1)]) for at in range(pieces)]
    assert words(await answer_of(LettaWire(*streams, Stream([*WELL])))) == "x" * pieces


# cancelling


async def cancel_when(
    wire: LettaWire, backend: LettaBackend, ready: asyncio.Event | None, **how: Any
) -> None:
    """Start an answer, cancel its task once *ready* (or its first piece) is there, and wait for it."""
    first = asyncio.Event()

    async def consume() -> None:
        async with aclosing(saying(backend)) as stream:
            async for _ in stream:
                first.set()

    task = asyncio.create_task(consume())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await (ready or first).wait()
        task.cancel()
        if how.get("twice"):
            await asyncio.sleep(0)
            task.cancel()
        if how.get("meanwhile"):
            await asyncio.sleep(0.05)
            how["meanwhile"]()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("twice", [False, True])
async def test_cancelling_closes_the_connection_and_cancels_the_run(background: bool, twice: bool) -> None:
    """Closing alone would leave the run at work, and the bill with it."""
    wire = LettaWire(Stream([ping(1), text("a", 2)], "stall"))
    async with wire, backend_at(wire.url, background=background) as backend:
        before = asyncio.all_tasks()
        await cancel_when(wire, backend, None, twice=twice)
        assert wire.cancelled.is_set()
        (body,) = (body for _, path, body in wire.calls if path.endswith("/cancel"))
        assert body == {"run_ids": [RUN]}
        async with asyncio.timeout(PATIENCE_SECONDS):
            await wire.left.wait()
        assert tasks_of_ours(before) == set()
        assert pool_of(backend) == []


async def test_closing_at_a_yield_does_the_same() -> None:
    """The consumer stands between two pieces when it is told to stop."""
    wire = LettaWire(Stream([ping(1), text("a", 2), text("b", 3)], "stall"))
    async with wire, backend_at(wire.url) as backend:
        stream = saying(backend)
        assert await anext(stream) == "a"
        async with asyncio.timeout(PATIENCE_SECONDS):
            await stream.aclose()
        assert wire.cancelled.is_set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await wire.left.wait()


async def test_a_cancel_before_the_answer_begins_still_reaches_the_run() -> None:
    """The request is out, so the server will start the run; only its answer says that it has."""
    wire = LettaWire(Stream([ping(1), text("a", 2)], "stall"))
    wire.answer_now.clear()
    async with wire, backend_at(wire.url) as backend:
        await cancel_when(wire, backend, wire.asked, meanwhile=wire.answer_now.set)
        assert wire.paths("/cancel") == [f"/v1/conversations/{CONVERSATION}/cancel"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            await wire.left.wait()


@pytest.mark.parametrize("twice", [False, True])
async def test_a_cancel_before_the_conversation_is_there_leaves_nothing_open(twice: bool) -> None:
    """No message is out yet, so there is no run; the request in flight is closed."""
    wire = LettaWire()
    wire.holds = "/v1/conversations/"
    wire.answer_now.clear()
    async with wire, backend_at(wire.url) as backend:
        before = asyncio.all_tasks()
        await cancel_when(wire, backend, wire.asked, twice=twice)
        assert tasks_of_ours(before) == set()
        assert pool_of(backend) == []
        assert wire.paths() == ["/v1/conversations/"]


async def test_a_cancel_before_anything_was_sent_cancels_nothing() -> None:
    """No generator that was never started may talk to the server."""
    wire = LettaWire()
    async with wire, backend_at(wire.url) as backend:
        await backend.stream(ASK).aclose()
        assert wire.calls == []


async def test_a_server_that_answers_no_cancel_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pump abandons an agent that does not end; it must not come to that."""
    monkeypatch.setattr(letta_run, "CLEAN_UP_SECONDS", 0.3)
    monkeypatch.setattr(letta_run, "LEARN_SECONDS", 0.1)
    wire = LettaWire(Answer(hang=True))
    async with wire, backend_at(wire.url) as backend:
        await soon(cancel_when(wire, backend, wire.asked))
        assert wire.cancelled.is_set()


async def test_an_answer_that_ended_is_not_cancelled() -> None:
    """There is nothing to be cancelled, and a later run of the conversation must not be hit."""
    wire = LettaWire(Stream([ping(1), text("a", 2), *WELL]))
    await answer_of(wire)
    assert wire.paths("/cancel") == []

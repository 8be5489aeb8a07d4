"""The client sees each event once, in order, whatever the connection does; leaving never cancels."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from orchestrator.client import Client, ClientError, SyncClient, ask
from orchestrator.client.http import MAX_BACKOFF_SECONDS, Backoff
from tests.client.test_run import collect, ids, two_agents
from tests.support.panelscript import INFO, INPUTS, RESULT, council
from tests.support.patience import PATIENCE_SECONDS
from tests.support.scripted_server import RUN_ID, Plan, ScriptedServer, scripted_server

PATH = f"/v1/runs/{RUN_ID}"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as script:
        yield script


# ── starting and following ────────────────────────────────────────────────────────────────────


async def test_a_run_is_followed_from_its_first_event_to_its_last(server: ScriptedServer) -> None:
    two_agents(server)
    async with Client(server.base_url, token="s3cret") as client:
        run = await client.start("hi", agents=["a", "b"], conversation_id="c1", on_disconnect="cancel")
        assert (run.id, run.status, list(run.agents)) == (RUN_ID, "running", ["a", "b"])
        events = await collect(run)
        assert ids(events) == [entry[0] for entry in server.entries]
        assert (events[0].name, events[-1].name) == ("run.started", "run.done")
        assert events[3].agent_id == "a"
        assert (events[3].type, events[3].data["text"]) == ("token", "one")
        assert (run.status, run.connection) == ("partial", "closed")
        assert run.agents["a"].text == "one two three four"
        assert run.agents["a"].model == "a-1"
        assert run.agents["b"].error is not None
        assert run.agents["b"].error["code"] == "upstream_auth"
        assert run.agents["b"].text == "ONE TWO THREE FOUR"
    method, path, body, headers = server.requests[0]
    assert (method, path) == ("POST", "/v1/runs")
    assert body == {"message": "hi", "agents": ["a", "b"], "conversation_id": "c1", "on_disconnect": "cancel"}
    assert headers["Authorization"] == "Bearer s3cret"
    assert len(headers["Idempotency-Key"]) == 32
    assert server.cursors == [None]


async def test_result_does_not_raise_for_an_agents_failure(server: ScriptedServer) -> None:
    two_agents(server)
    async with Client(server.base_url) as client:
        view = await (await client.start("hi")).result()
        assert view.status == "partial"
        assert {a: v.status for a, v in view.agents.items()} == {"a": "done", "b": "error"}


async def test_a_lost_answer_starts_one_run(server: ScriptedServer) -> None:
    """The repeated POST carries the same key, so the server can tell that it is the same wish."""
    two_agents(server)
    server.lose_answers = 2
    async with Client(server.base_url) as client:
        await (await client.start("hi")).result()
    posts = [request for request in server.requests if request[0] == "POST"]
    assert len(posts) == 3
    assert len({headers["Idempotency-Key"] for *_, headers in posts}) == 1


async def test_two_starts_have_two_keys(server: ScriptedServer) -> None:
    async with Client(server.base_url) as client:
        await client.start("hi")
        await client.start("hi")
    assert len({headers["Idempotency-Key"] for *_, headers in server.requests}) == 2


async def test_only_get_streams(server: ScriptedServer) -> None:
    two_agents(server)
    server.plans.extend([Plan(events=2, end="abort"), Plan(events=3, end="close")])
    async with Client(server.base_url) as client:
        await collect(await client.start("hi"))
    assert [r[:2] for r in server.requests] == [("POST", "/v1/runs")] + [("GET", f"{PATH}/events")] * 3


# ── refusals ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_refusal_is_raised_with_its_problem(server: ScriptedServer, status: int) -> None:
    problem = {"type": "about:blank", "title": "T", "status": status, "detail": "because"}
    server.refuse[f"{PATH}/events"] = (status, problem, {})
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        with pytest.raises(ClientError, match=f"{status}: because") as caught:
            await run.result()
        assert (caught.value.status, caught.value.problem) == (status, problem)
        with pytest.raises(ClientError, match="because"):
            await collect(run)
    assert len(server.requests) == 1


async def test_fields_at_fault_are_named(server: ScriptedServer) -> None:
    problem = {
        "title": "T",
        "status": 422,
        "detail": "wrong",
        "errors": [{"at": "agents[1]", "detail": "unknown"}],
    }
    server.refuse["/v1/runs"] = (422, problem, {})
    async with Client(server.base_url) as client:
        with pytest.raises(ClientError, match=r"wrong \(agents\[1\]: unknown\)"):
            await client.start("hi", agents=["a", "zzz"])
        problem["detail"] = "One field is wrong. agents[1]: unknown."
        with pytest.raises(ClientError) as caught:
            await client.start("hi", agents=["a", "zzz"])
        assert str(caught.value) == "422: One field is wrong. agents[1]: unknown.", "nothing is said twice"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("2147484", 2147484),
        ("9" * 30, 3600),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        *[
            (odd, None)
            for odd in ("soon", "-1", "1.5", "3000.5", "Infinity", "1e3", "0x10", "7, 8", "never 2099")
        ],
        (f"Tue, 01 Dec {'9' * 23} 00:00:00 GMT", None),
        (f"Tue, 01 Dec 2026 00:00:00 +{'9' * 21}", None),
        ("Jan 01 99:99 9999999999999", None),
    ],
)
async def test_whatever_retry_after_says_the_wait_is_bounded(
    server: ScriptedServer, header: str, seconds: float | None
) -> None:
    server.refuse["/v1/runs"] = (429, {"title": "Too many"}, {"Retry-After": header})
    async with Client(server.base_url) as client:
        with pytest.raises(ClientError) as caught:
            await client.start("hi")
    assert caught.value.retry_after == seconds
    assert Backoff().next_delay(caught.value.retry_after) <= 3600


async def test_a_limit_says_when_to_come_back(server: ScriptedServer) -> None:
    server.refuse["/v1/runs"] = (429, {"title": "Too many"}, {"Retry-After": "7"})
    async with Client(server.base_url) as client:
        with pytest.raises(ClientError) as caught:
            await client.start("hi")
    assert caught.value.retry_after == 7
    assert len(server.requests) == 1, "a limit is the caller's to wait for"


async def test_a_page_that_is_no_stream_is_refused(server: ScriptedServer) -> None:
    """A proxy's login page answers 200 too."""
    server.plans.append(Plan(content_type="text/html"))
    async with Client(server.base_url) as client:
        with pytest.raises(ClientError, match="text/html"):
            await client.attach(RUN_ID).result()


async def test_an_unreachable_server_is_said_so() -> None:
    async with Client("http://127.0.0.1:9") as client:
        with pytest.raises(ClientError, match="does not answer") as caught:
            await client.agents()
    assert caught.value.status is None


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", ""])
def test_a_wrong_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="http://"):
        Client(url)


async def test_a_client_that_is_not_open_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await Client("http://127.0.0.1:9").agents()


# ── steering ──────────────────────────────────────────────────────────────────────


async def test_cancel_is_acknowledged_and_then_comes(server: ScriptedServer) -> None:
    server.begin("a", "b")
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        iterator = aiter(run)
        for _ in server.entries:
            await anext(iterator)
        await run.cancel("a")
        assert (run.agents["a"].status, run.agents["b"].status) == ("cancelling", "running")
        server.say("a.cancelled", reason="by request", metrics={}, attempt=1)
        await server.wake()
        await anext(iterator)
        assert run.agents["a"].status == "cancelled"
        await run.cancel()
    posts = [(path, body) for method, path, body, _ in server.requests if method == "POST"]
    assert posts == [(f"{PATH}/agents/a/cancel", {}), (f"{PATH}/cancel", {})]


async def test_the_other_calls_ask_for_what_they_say(server: ScriptedServer) -> None:
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        await run.retry("a")
        await run.add("b")
        await run.approve("a", "call/1", False)
        assert await client.agents() == [{"agent_id": "a"}]
        assert (await client.runs(limit=5, before="run_x"))[0]["run_id"] == RUN_ID
        assert (await client.snapshot(RUN_ID))["status"] == "running"
        await client.delete("run/../x")
    assert [request[:3] for request in server.requests] == [
        ("POST", f"{PATH}/agents/a/retry", {}),
        ("POST", f"{PATH}/agents", {"agent_id": "b"}),
        ("POST", f"{PATH}/agents/a/approvals/call%2F1", {"approve": False}),
        ("GET", "/v1/agents", None),
        ("GET", "/v1/runs?limit=5&before=run_x", None),
        ("GET", PATH, None),
        ("DELETE", "/v1/runs/run%2F..%2Fx", None),
    ]


# ── panels ──────────────────────────────────────────────────────────────────────


async def test_a_panel_is_started_and_its_members_are_known_at_once(server: ScriptedServer) -> None:
    for name, data in council():
        server.say(name, **data)
    inline = {"method": "judge", "moderator": "mod"}
    async with Client(server.base_url) as client:
        assert await client.panels() == [{"panel_id": "council", "title": "Council"}]
        await client.start("hi", panel=inline, agents=["ann", "bob"])
        server.snapshot["panel"] = {**INFO, "stage": "panel", "result": None, "late": []}
        run = await client.start("hi", panel="council")
        assert run.view.panel is not None
        assert (run.view.panel.info, run.view.panel.stage) == (INFO, None), "the rest comes with the events"
        view = await run.result()
    assert view.panel is not None
    assert (view.panel.result, view.agents["mod"].inputs) == (RESULT, INPUTS)
    posts = [body for method, _, body, _ in server.requests if method == "POST"]
    assert posts == [
        {"message": "hi", "agents": ["ann", "bob"], "panel": inline},
        {"message": "hi", "panel": "council"},
    ]


async def test_a_panel_over_an_open_run_happens_in_that_run(server: ScriptedServer) -> None:
    server.begin("a")
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        iterator = aiter(run)
        await anext(iterator)
        assert await run.panel("council") is run
        await run.detach()
        again = await run.panel("council")
        assert again is not run, "one that was left cannot be followed any more"
        assert (again.id, (await anext(aiter(again))).name) == (RUN_ID, "run.started")
    posts = [request[:3] for request in server.requests if request[0] == "POST"]
    assert posts == [("POST", f"{PATH}/panel", {"panel": "council"})] * 2


async def test_a_panel_over_an_ended_run_is_a_new_run(server: ScriptedServer) -> None:
    server.begin("a")
    over = {**INFO, "of": RUN_ID, "stage": None, "result": None, "late": []}
    server.over = {**server.snapshot, "run_id": "run_over", "message": "hi", "agents": {}, "panel": over}
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        judged = await run.panel({"method": "judge", "moderator": "mod"})
        assert (judged.id, judged.view.message, judged.status) == ("run_over", "hi", "running")
        assert judged.view.panel is not None
        assert judged.view.panel.info["of"] == RUN_ID
        await anext(aiter(judged))
    assert (judged.connection, judged.failure) == ("closed", None), "a closing client leaves it, too"
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("follow ")]
    paths = [path for method, path, *_ in server.requests if method == "GET"]
    assert paths[-1] == "/v1/runs/run_over/events"


async def test_a_panel_that_is_refused_says_why(server: ScriptedServer) -> None:
    server.refuse[f"{PATH}/panel"] = (409, {"detail": "another one sits"}, {})
    async with Client(server.base_url) as client:
        with pytest.raises(ClientError, match="409: another one sits"):
            await client.attach(RUN_ID).panel("council")


async def test_a_session_of_ones_own_stays_open(server: ScriptedServer) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with Client(server.base_url, session=session) as client:
            await client.agents()
        assert not session.closed


# ── waiting ───────────────────────────────────────────────────────────────────────────────────


def test_backoff_grows_is_jittered_and_starts_again() -> None:
    backoff = Backoff(base_s=1.0)
    first = [backoff.next_delay() for _ in range(12)]
    for n, delay in enumerate(first[:5]):
        assert 2**n <= delay <= 1.5 * 2**n
    assert max(first) <= 1.5 * MAX_BACKOFF_SECONDS
    assert len(set(first[6:])) > 1, "clients that were cut off together must not come back together"
    backoff.reset()
    assert backoff.next_delay() <= 1.5
    assert backoff.next_delay(at_least=99) == 99


def test_backoff_never_undercuts_what_the_server_asked_for() -> None:
    backoff = Backoff(base_s=60.0)
    assert all(backoff.next_delay() >= 60 for _ in range(5))


# ── without async ─────────────────────────────────────────────────────────────────────────────


@contextmanager
def server_in_a_thread() -> Iterator[ScriptedServer]:
    """The synchronous face has a loop of its own, so the server needs another thread."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    context = scripted_server()
    try:
        yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(PATIENCE_SECONDS)
    finally:
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(PATIENCE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_SECONDS)
        loop.close()


def test_ask_yields_the_events() -> None:
    with server_in_a_thread() as server:
        two_agents(server)
        events = list(ask(server.base_url, "hi", agents=["a", "b"], token="t"))
        assert ids(events) == [entry[0] for entry in server.entries]
        assert server.requests[0][2] == {"message": "hi", "agents": ["a", "b"]}
        partly = ask(server.base_url, "hi")
        next(partly)
        partly.close()
        assert not any("cancel" in path for _, path, *_ in server.requests)


def test_the_synchronous_client_has_the_same_calls() -> None:
    with server_in_a_thread() as server, SyncClient(server.base_url) as client:
        two_agents(server)
        run = client.start("hi")
        run.cancel("a")
        run.retry("b")
        run.add("c")
        assert (run.id, run.status) == (RUN_ID, "running")
        assert run.result().status == "partial"
        assert run.agents["a"].text == "one two three four"
        again = client.attach(RUN_ID, after="ep-9")
        assert ids(list(again)) == [entry[0] for entry in server.entries[9:]]
        again.detach()
        assert client.agents() == [{"agent_id": "a"}]
        assert client.panels() == [{"panel_id": "council", "title": "Council"}]
        assert run.panel("council").id == RUN_ID
        channel = client.channel("c", agents=["a"])
        assert next(iter(channel)).name == "run.started"
        channel.detach()
        assert len(client.runs(limit=1)) == 1
        assert client.snapshot(RUN_ID)["run_id"] == RUN_ID
        client.delete(RUN_ID)


def test_the_client_needs_nothing_of_the_server() -> None:
    """It must work where aiostream (GPL) and the SDKs are not installed."""
    script = (
        "import sys\n"
        "for name in ('aiostream', 'agents', 'openai', 'letta_client', 'pydantic', 'ruamel.yaml', 'redis',\n"
        "             'rich', 'structlog', 'stamina', 'click', 'prometheus_client'):\n"
        "    sys.modules[name] = None\n"
        "from orchestrator.client import Client, SyncClient\n"
        "print(*sorted({m.split('.')[1] for m in sys.modules if m.startswith('orchestrator.')}))\n"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["client", "errors", "events", "sse_parser"]

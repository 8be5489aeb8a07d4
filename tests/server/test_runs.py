"""The calls of PROTOCOL.md's table, each from outside: what they answer, and how they refuse."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestrator.backends.base import AgentInput, Finish
from orchestrator.events import ApprovalRequest, Usage
from orchestrator.settings.limits import RunLimits
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.probe import exchange
from ..support.service import Puppet, Serve, Service, endless, silent, words

RUN_ID = re.compile(r"run_[A-Za-z0-9_-]{22,}")
SNAPSHOT_KEYS = {
    "run_id", "channel", "conversation_id", "message", "status", "created_at", "ended_at", "last_event_id",
    "agents",
}  # fmt: skip
AGENT_KEYS = {"status", "attempt", "text", "error", "metrics", "usage"}
STREAM = {"Accept": "text/event-stream"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def service(serve: Serve) -> Service:
    scripts = {"one": words("a ", "b"), "two": words("c"), "loop": endless, "mute": silent}
    keys: dict[str, dict[str, Any]] = {
        "one": {"default": True, "title": "One", "description": "Says a b."},
        "two": {"default": True},
    }
    return await serve(scripts, keys=keys)


def check_snapshot(snapshot: dict[str, Any]) -> None:
    assert snapshot.keys() == SNAPSHOT_KEYS
    assert RUN_ID.fullmatch(snapshot["run_id"])
    assert all(agent.keys() == AGENT_KEYS for agent in snapshot["agents"].values())


# ── GET / and the agents ──────────────────────────────────────────────────────────────────────


async def test_agents_are_listed_with_what_a_page_needs(service: Service) -> None:
    answer = await service.call("GET", "/v1/agents")
    assert answer.status == 200
    assert answer.content_type == "application/json"
    agents = answer.json["agents"]
    assert [agent["agent_id"] for agent in agents] == ["one", "two", "loop", "mute"]
    assert agents[0].items() >= {
        "title": "One", "description": "Says a b.", "backend": "function", "model": None,
    }.items()  # fmt: skip


async def test_operators_calls_answer(service: Service) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/v1/panels"):
        answer = await service.call("GET", path)
        assert answer.status == 200, path
        head = await service.call("HEAD", path)
        assert (head.status, head.body) == (200, b""), path
    assert (await service.call("GET", "/metrics")).content_type == "text/plain"


# ── GET /v1/runs ──────────────────────────────────────────────────────────────────────────────


async def test_runs_are_listed_newest_first_page_by_page(service: Service) -> None:
    ids = [await service.start(f"m{n}") for n in range(53)][::-1]
    listed = (await service.call("GET", "/v1/runs")).json["runs"]
    assert [run["run_id"] for run in listed] == ids[:50]
    assert listed[0].keys() == LISTED
    assert (listed[0]["title"], listed[0]["unreadable"]) == ("m52", False)
    found: list[str] = []
    query = "?limit=20"
    while page := (await service.call("GET", f"/v1/runs{query}")).json["runs"]:
        found += [run["run_id"] for run in page]
        query = f"?limit=20&before={found[-1]}"
    assert found == ids
    everything = await service.call("GET", "/v1/runs?limit=200")
    assert len(everything.json["runs"]) == 53


LISTED = {
    "run_id", "channel", "conversation_id", "title", "status", "created_at", "ended_at", "agents", "panel", "blind",
    "unreadable",
}  # fmt: skip


async def pages_of(service: Service, **query: str) -> list[dict[str, Any]]:
    """Read a list to its end by its cursors."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        given = query if cursor is None else query | {"cursor": cursor}
        page = (await service.call("GET", "/v1/runs", params=given)).json
        found += page["runs"]
        cursor = page["next"]
        if cursor is None:
            return found


async def test_a_list_holds_no_texts(service: Service) -> None:
    """It answered with every agent's whole answer: 171 MB."""
    run_id = await service.start("why\n" + "x" * 90_000)
    await service.ended(run_id)
    (listed,) = await pages_of(service)
    assert (len(listed["title"]), listed["title"][:5]) == (200, "why x")
    assert set(map(tuple, map(dict.keys, listed["agents"].values()))) == {("status",)}
    assert {agent["status"] for agent in listed["agents"].values()} == {"done"}


async def test_a_list_is_filtered_and_outlives_what_is_deleted(service: Service) -> None:
    ids = [
        await service.start(f"Frage {n} Äpfel", channel="c" if n % 2 else "d", conversation_id=f"t{n}")
        for n in range(6)
    ]
    for run_id in ids:
        await service.ended(run_id)
    assert [r["run_id"] for r in await pages_of(service, channel="c", limit="1")] == ids[5::-2]
    assert [r["run_id"] for r in await pages_of(service, conversation_id="t3")] == [ids[3]]
    assert [r["run_id"] for r in await pages_of(service, q="4 äPFEL")] == [ids[4]]
    assert [r["run_id"] for r in await pages_of(service, status="completed", channel="d")] == ids[4::-2]
    assert await pages_of(service, status="failed") == []
    first = (await service.call("GET", "/v1/runs?limit=2")).json
    await service.call("DELETE", f"/v1/runs/{ids[4]}")
    after = (await service.call("GET", f"/v1/runs?limit=2&cursor={first['next']}")).json
    assert [r["run_id"] for r in after["runs"]] == [ids[3], ids[2]]
    assert (await service.call("GET", "/v1/runs?status=none")).status == 400
    assert (await service.call("GET", "/v1/runs?cursor=x")).status == 400


async def test_a_blind_run_is_listed_without_names(service: Service) -> None:
    await service.start("hi", blind=True)
    (listed,) = await pages_of(service)
    assert all(agent_id.startswith("agent-") for agent_id in listed["agents"])


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "", "1.0", "\u0663", "9" * 30])
async def test_odd_limit_is_400(service: Service, limit: str) -> None:
    answer = await service.call("GET", "/v1/runs", params={"limit": limit})
    assert answer.problem["status"] == 400


async def test_listing_before_an_unknown_run_is_404(service: Service) -> None:
    assert (await service.call("GET", "/v1/runs?before=run_x")).problem["status"] == 404


# ── one run ───────────────────────────────────────────────────────────────────────────────────

RUN_CALLS = [
    ("GET", "", None),
    ("GET", "/events", None),
    ("DELETE", "", None),
    ("POST", "/cancel", None),
    ("POST", "/agents/one/cancel", None),
    ("POST", "/agents/one/retry", None),
    ("POST", "/agents/one/approvals/c1", {"approve": True}),
    ("POST", "/agents", {"agent_id": "two"}),
]


@pytest.mark.parametrize(("method", "path", "body"), RUN_CALLS)
async def test_unknown_run_is_404_and_a_deleted_one_410(
    service: Service, method: str, path: str, body: Any
) -> None:
    unknown = await service.call(method, f"/v1/runs/run_nobody{path}", json=body)
    assert unknown.problem["status"] == 404
    run_id = await service.start(agents=["one", "loop"])
    deleted = await service.call("DELETE", f"/v1/runs/{run_id}")
    assert (deleted.status, deleted.body) == (204, b"")
    gone = await service.call(method, f"/v1/runs/{run_id}{path}", json=body)
    assert gone.problem["status"] == 410
    assert (await service.call("GET", "/v1/runs")).json == {"runs": [], "next": None}


@pytest.mark.parametrize("path", ["/cancel", "/retry", "/approvals/c1"])
async def test_unknown_agent_in_the_path_is_404(service: Service, path: str) -> None:
    run_id = await service.start(agents=["mute"])
    body = {"approve": True} if "approvals" in path else None
    for agent in ("two", "nobody"):
        answer = await service.call("POST", f"/v1/runs/{run_id}/agents/{agent}{path}", json=body)
        assert answer.problem["status"] == 404


async def test_deleting_cancels_the_agents_and_frees_the_log(serve: Serve) -> None:
    puppet = Puppet()
    service = await serve({"a": puppet})
    run_id = await service.start()
    await puppet.started.wait()
    puppet.say("something")
    async with service.stream(f"/v1/runs/{run_id}/events") as stream:
        await stream.until("a.token")
        assert (await service.call("DELETE", f"/v1/runs/{run_id}")).status == 204
        await stream.rest()  # the stream ends in good order
    await asyncio.wait_for(puppet.closed.wait(), PATIENCE_SECONDS)
    await eventually(lambda: service.supervisor.log.size == 0 and not service.supervisor.running)


async def test_expired_run_is_410(serve: Serve) -> None:
    service = await serve({"a": words("x")}, limits=RunLimits(retention_s=0.1))
    run_id = await service.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (answer := await service.call("GET", f"/v1/runs/{run_id}")).status == 200:
            await asyncio.sleep(0.05)
    assert answer.problem["status"] == 410


async def test_cancel_is_acknowledged_at_once_and_is_no_error_later(serve: Serve) -> None:
    """Promise 5: 202 comes while the agent still closes; `cancelled` comes when it is closed."""
    closing, close = asyncio.Event(), asyncio.Event()

    async def slow_to_close(request: AgentInput) -> AsyncIterator[str]:
        try:
            yield "x"
            await asyncio.Event().wait()
        finally:
            closing.set()
            await close.wait()

    service = await serve({"a": slow_to_close, "b": endless})
    run_id = await service.start()
    async with service.stream(f"/v1/runs/{run_id}/events") as stream:
        await stream.until("a.token")
        answer = await service.call("POST", f"/v1/runs/{run_id}/cancel")
        assert answer.status == 202
        assert {agent["status"] for agent in answer.json["agents"].values()} == {"cancelling"}
        await asyncio.wait_for(closing.wait(), PATIENCE_SECONDS)
        assert (await service.call("POST", f"/v1/runs/{run_id}/cancel")).status == 202
        seen = await stream.until("b.cancelled")
        assert not [event for event in seen if event.type == "a.cancelled"]
        close.set()
        last = (await stream.until("run.done"))[-1]
    assert last.data["status"] == "cancelled"
    again = await service.call("POST", f"/v1/runs/{run_id}/cancel")
    assert (again.status, again.json["status"]) == (202, "cancelled")
    one = await service.call("POST", f"/v1/runs/{run_id}/agents/a/cancel")
    assert one.status == 202


async def test_one_agent_is_cancelled_alone(serve: Serve) -> None:
    puppet = Puppet()
    service = await serve({"a": endless, "b": puppet})
    run_id = await service.start()
    assert (await service.call("POST", f"/v1/runs/{run_id}/agents/a/cancel")).status == 202
    async with service.stream(f"/v1/runs/{run_id}/events") as stream:
        await stream.until("a.cancelled")
        puppet.say("whole ", "answer")
        puppet.end()
        events = await stream.until("run.done")
    assert "".join(e.data["text"] for e in events if e.type == "b.token") == "whole answer"
    assert events[-1].data["status"] == "partial"
    assert events[-1].data["agents"] == {
        "a": {"status": "cancelled", "attempt": 1},
        "b": {"status": "done", "attempt": 1},
    }


async def test_agents_are_added_and_retried_while_the_run_is_open(serve: Serve) -> None:
    a, b = Puppet(), Puppet()
    service = await serve({"a": a, "b": b, "c": words("late")})
    run_id = await service.start(agents=["a", "b"])
    path = f"/v1/runs/{run_id}"
    for body in ({"agent_id": "nobody"}, {}, {"agent_id": 1}, {"agent_id": "c", "x": 1}):
        wrong = await service.call("POST", f"{path}/agents", json=body)
        assert [error["at"] for error in wrong.problem["errors"]] == ["agent_id"]
        assert wrong.status == 422
    async with service.stream(f"{path}/events") as stream:
        running = await service.call("POST", f"{path}/agents/b/retry")
        assert running.problem["status"] == 409, "it has not ended"
        added = await service.call("POST", f"{path}/agents", json={"agent_id": "c"})
        assert (added.status, "c" in added.json["agents"]) == (202, True)
        events = await stream.until("c.done")
        names = [event.type for event in events]
        assert names.index("run.agent_added") < names.index("c.started")
        (joined,) = (e.data["agent"] for e in events if e.type == "run.agent_added")
        assert joined.keys() == {"agent_id", "title", "backend", "model"}
        again = await service.call("POST", f"{path}/agents", json={"agent_id": "c"})
        assert again.problem["status"] == 409
        b.fail(RuntimeError("boom"))
        await stream.until("b.error")
        retried = await service.call("POST", f"{path}/agents/b/retry")
        assert retried.status == 202
        assert retried.json["agents"]["b"]["attempt"] == 2
        b.say("better")
        b.end()
        assert (await stream.until("b.done"))[-1].data["attempt"] == 2
        a.end()
        done = (await stream.until("run.done"))[-1]
    assert done.data["agents"]["b"] == {"status": "done", "attempt": 2}
    late = await service.call("POST", f"{path}/agents/b/retry")
    assert late.problem["status"] == 409, "the run has ended"
    late = await service.call("POST", f"{path}/agents", json={"agent_id": "c"})
    assert late.problem["status"] == 409


async def test_approval_is_answered_once(serve: Serve) -> None:
    async def careful(request: AgentInput) -> AsyncIterator[object]:
        yield ApprovalRequest("c1", "launch", "{}")
        yield "yes" if await request.approve("c1") else "no"

    service = await serve({"a": careful})
    run_id = await service.start()
    path = f"/v1/runs/{run_id}/agents/a/approvals"
    async with service.stream(f"/v1/runs/{run_id}/events") as stream:
        asked = (await stream.until("a.approval_request"))[-1]
        assert asked.data["call_id"] == "c1"
        assert (await service.call("POST", f"{path}/zz", json={"approve": True})).problem["status"] == 404
        for body in ({}, {"approve": "yes"}, {"approve": True, "more": 1}):
            assert (await service.call("POST", f"{path}/c1", json=body)).problem["status"] == 422
        assert (await service.call("POST", f"{path}/c1", json={"approve": False})).status == 202
        assert (await stream.until("a.done"))[-1].data["text"] == "no"
    assert (await service.call("POST", f"{path}/c1", json={"approve": True})).problem["status"] == 404


async def test_run_that_nobody_follows_is_cancelled_where_it_asked_for_that(serve: Serve) -> None:
    service = await serve({"a": endless}, limits=RunLimits(abandon_after_s=2))
    kept = await service.start()
    # Followed from the start: a busy machine may take longer than the limit between two calls.
    asked = {"message": "hi", "on_disconnect": "cancel"}
    heads = {"Accept": "text/event-stream"}
    async with service.stream("/v1/runs", "POST", json=asked, headers=heads) as stream:
        left = (await stream.until("run.started"))[-1].data["run_id"]
        await stream.until("a.token")
        await asyncio.sleep(3)
        assert service.run(left).status == "running", "somebody follows it"
    await service.ended(left)
    assert service.run(left).status == "cancelled"
    assert service.run(kept).status == "running"


# ── whatever is wrong ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/runs", "GET,HEAD,POST"),
        ("PUT", "/v1/agents", "GET,HEAD"),
        ("GET", "/v1/runs/run_x/cancel", "POST"),
        ("POST", "/v1/runs/run_x/events", "GET"),
        ("HEAD", "/v1/runs/run_x/events", "GET"),
        ("POST", "/v1/channels/c/events", "GET"),
        ("PATCH", "/healthz", "GET,HEAD"),
    ],
)
async def test_wrong_method_is_405_with_allow(service: Service, method: str, path: str, allow: str) -> None:
    answer = await service.call(method, path)
    assert answer.status == 405
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == set(allow.split(","))
    if method == "HEAD":
        assert answer.body == b""
    else:
        assert answer.problem["status"] == 405


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v1/nothing", "/V1/runs", "/v1/runs/", "/%00", "/v1/channels/a%20b/events", "/x" * 3000],
)
async def test_unknown_path_is_a_404_problem(service: Service, path: str) -> None:
    answer = await service.call("GET", path)
    assert (answer.status, answer.problem["status"]) == (404, 404)


async def test_channel_name_is_checked(service: Service) -> None:
    for name in ("a" * 65, "a%2Fb", "%C3%A4"):
        answer = await service.call("GET", f"/v1/channels/{name}/events")
        assert answer.problem["status"] == 404


@pytest.mark.parametrize("call", ["GET", "POST"])
async def test_framing_is_checked_before_the_stream(service: Service, call: str) -> None:
    run_id = await service.start(agents=["mute"])
    count = len((await service.call("GET", "/v1/runs")).json["runs"])
    if call == "GET":
        answer = await service.call("GET", f"/v1/runs/{run_id}/events?framing=xml")
    else:
        answer = await service.call("POST", "/v1/runs?framing=xml", json={"message": "x"}, headers=STREAM)
    assert [error["at"] for error in answer.problem["errors"]] == ["framing"]
    assert len((await service.call("GET", "/v1/runs")).json["runs"]) == count


async def test_what_is_no_http_gets_a_problem_too(service: Service) -> None:
    for data in (
        b"\x16\x03\x01 hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    ):
        head, body = await exchange(service.port, data)
        assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
        assert b"application/problem+json" in head
        assert json.loads(body)["status"] == 400


async def test_usage_and_metrics_are_told(serve: Serve) -> None:
    async def counted(request: AgentInput) -> AsyncIterator[object]:
        yield "abc"
        await asyncio.sleep(0.05)
        yield Finish(reason="length", usage=Usage(7, 3))

    service = await serve({"a": counted})
    run_id = await service.start()
    events = await service.events(run_id)
    (done,) = (event.data for event in events if event.type == "a.done")
    assert (done["usage"], done["finish_reason"]) == ({"input_tokens": 7, "output_tokens": 3}, "length")
    metrics = done["metrics"]
    assert metrics.keys() == {
        "queue_ms", "ttft_ms", "duration_ms", "output_chars", "tokens_per_s", "retries",
    }  # fmt: skip
    assert 0 <= metrics["ttft_ms"] <= metrics["duration_ms"]
    assert metrics["duration_ms"] >= 45
    assert metrics["output_chars"] == 3
    agent = (await service.call("GET", f"/v1/runs/{run_id}")).json["agents"]["a"]
    assert (agent["usage"], agent["metrics"]) == (done["usage"], metrics)

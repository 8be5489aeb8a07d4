"""The calls of PROTOCOL.md's table, each from outside: what they answer, and how they refuse."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest

from orchestrator.backends.base import AgentInput, Finish
from orchestrator.events import ApprovalRequest, Usage
from orchestrator.server.options import ServerOptions
from orchestrator.supervisor import RunLimits

from .probe import exchange
from .service import Puppet, Service, endless, events_in, eventually, serving, silent, words

RUN_ID = re.compile(r"run_[A-Za-z0-9_-]{22,}")
SNAPSHOT_KEYS = {
    "run_id", "channel", "conversation_id", "message", "status", "created_at", "ended_at", "last_event_id",
    "agents",
}  # fmt: skip
AGENT_KEYS = {"status", "attempt", "text", "error", "metrics", "usage"}
STREAM = {"Accept": "text/event-stream"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    scripts = {"one": words("a ", "b"), "two": words("c"), "loop": endless, "mute": silent}
    keys: dict[str, dict[str, Any]] = {
        "one": {"default": True, "title": "One", "description": "Says a b."},
        "two": {"default": True},
    }
    async with serving(scripts, keys=keys) as service:
        yield service


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


# ── POST /v1/runs ─────────────────────────────────────────────────────────────────────────────


async def test_post_answers_201_with_the_address_and_the_snapshot(service: Service) -> None:
    answer = await service.call("POST", "/v1/runs", json={"message": "hi"})
    assert answer.status == 201
    check_snapshot(answer.json)
    run_id = answer.json["run_id"]
    assert answer.headers["Location"] == f"/v1/runs/{run_id}"
    assert answer.headers["Run-Id"] == run_id
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["status"] == "running"
    assert answer.json["channel"] == run_id
    assert answer.json["conversation_id"] is None
    assert set(answer.json["agents"]) == {"one", "two"}, "the default agents"
    await service.ended(run_id)
    shown = await service.call("GET", answer.headers["Location"])
    assert shown.status == 200
    check_snapshot(shown.json)
    assert shown.json["status"] == "completed"
    assert shown.json["ended_at"] >= shown.json["created_at"]
    assert shown.json["agents"]["one"]["text"] == "a b"
    assert shown.json["last_event_id"] == (await service.events(run_id))[-1].id


@pytest.mark.parametrize(
    ("accept", "stream"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; q=0.5", True),
        ("application/json, text/event-stream", True),
        ("text/event-stream;q=0, */*", False),
        ("*/*", False),
        ("application/json", False),
    ],
)
async def test_accept_decides_between_the_stream_and_the_snapshot(
    service: Service, accept: str, stream: bool
) -> None:
    answer = await service.call("POST", "/v1/runs", json={"message": "hi"}, headers={"Accept": accept})
    assert answer.status == (200 if stream else 201)
    assert answer.content_type == ("text/event-stream" if stream else "application/json")
    if stream:
        events = events_in(answer.body)
        assert (events[0].type, events[-1].type) == ("run.started", "run.done")
        assert answer.headers["Run-Id"] == events[0].data["run_id"]


async def test_every_key_of_a_run_is_taken(service: Service) -> None:
    body = {
        "message": "hällo \U0001f600 \u2028",
        "agents": ["two"],
        "conversation_id": "c-1_A",
        "channel": "room_1-A",
        "panel": None,
        "on_disconnect": "cancel",
    }
    answer = await service.call("POST", "/v1/runs", json=body)
    assert answer.status == 201, answer.body
    shown = answer.json
    assert (shown["message"], shown["conversation_id"], shown["channel"]) == (
        body["message"], "c-1_A", "room_1-A",
    )  # fmt: skip
    assert list(shown["agents"]) == ["two"]


async def test_agents_get_the_message_and_the_earlier_turns_of_the_conversation() -> None:
    puppets = {"a": Puppet()}
    async with serving(dict(puppets)) as service:
        for n, message in enumerate(("first", "second")):
            run_id = await service.start(message, conversation_id="c")
            puppets["a"].say(f"answer {n}")
            puppets["a"].end()
            await service.ended(run_id)
    first, second = puppets["a"].requests
    assert (first.message, first.history) == ("first", ())
    assert [(turn.message, turn.text) for turn in second.history] == [("first", "answer 0")]


async def test_busy_conversation_is_a_conflict(service: Service) -> None:
    """Two answers at once would interleave in one history."""
    await service.start(agents=["mute"], conversation_id="c")
    answer = await service.call("POST", "/v1/runs", json={"message": "x", "conversation_id": "c"})
    assert (answer.status, answer.problem["title"]) == (409, "Conflict")


WRONG_FIELDS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["message"]),
    ({"message": ""}, ["message"]),
    ({"message": 1}, ["message"]),
    ({"message": None}, ["message"]),
    ({"message": "x", "agents": []}, ["agents"]),
    ({"message": "x", "agents": "one"}, ["agents"]),
    ({"message": "x", "agents": ["one", "nobody"]}, ["agents[1]"]),
    ({"message": "x", "agents": ["one", "one"]}, ["agents[1]"]),
    ({"message": "x", "agents": [1, "zz"]}, ["agents[0]", "agents[1]"]),
    ({"message": "x", "agents": [f"a{n}" for n in range(33)]}, ["agents"]),
    ({"message": "x", "conversation_id": ""}, ["conversation_id"]),
    ({"message": "x", "conversation_id": "a" * 65}, ["conversation_id"]),
    ({"message": "x", "conversation_id": "ä"}, ["conversation_id"]),
    ({"message": "x", "channel": "a/b"}, ["channel"]),
    ({"message": "x", "channel": "a\n"}, ["channel"]),
    ({"message": "x", "on_disconnect": "stop"}, ["on_disconnect"]),
    ({"message": "x", "on_disconnect": 1}, ["on_disconnect"]),
    ({"message": "x", "panel": "jury"}, ["panel"]),
    ({"message": "x", "agent": "one"}, ["agent"]),
    ({"message": 1, "channel": 2}, ["message", "channel"]),
]


@pytest.mark.parametrize(("body", "at"), WRONG_FIELDS)
@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
async def test_wrong_fields_are_all_named_before_anything_starts(
    service: Service, body: dict[str, Any], at: list[str], accept: str
) -> None:
    answer = await service.call("POST", "/v1/runs", json=body, headers={"Accept": accept})
    assert answer.status == 422
    assert [error["at"] for error in answer.problem["errors"]] == at
    assert all(error["detail"] for error in answer.problem["errors"])
    assert (await service.call("GET", "/v1/runs")).json == {"runs": []}


async def test_message_may_have_exactly_its_limit() -> None:
    async with serving({"a": words("x")}, options=ServerOptions(max_message_chars=10)) as service:
        for text, status in (("é" * 10, 201), ("é" * 11, 413)):
            answer = await service.call("POST", "/v1/runs", json={"message": text})
            assert answer.status == status
        assert "10" in answer.problem["detail"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"null", "application/json", 400),
        (b'{"message": "\xff"}', "application/json", 400),
        (b'{"message": NaN}', "application/json", 400),
        (b'{"message": "a", "message": "b"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"message": "x"}', "text/plain", 415),
        (b'{"message": "x"}', "application/x-www-form-urlencoded", 415),
        (b'{"message": "x"}', "application/json; charset=latin-1", 415),
        (b'{"message": "x"}', "", 415),
        (b'{"message": "' + b"x" * 3_000_000 + b'"}', "application/json", 413),
        (b'{"message": "x"}', "application/json; charset=UTF-8", 201),
    ],
)
async def test_bodies_that_are_no_json_are_refused(
    service: Service, body: bytes, content_type: str, status: int
) -> None:
    answer = await service.call(
        "POST", "/v1/runs", data=BytesIO(body), headers={"Content-Type": content_type}
    )
    assert answer.status == status
    assert status == 201 or answer.problem["detail"]


async def test_lone_surrogate_in_a_message_does_not_break_the_snapshot(service: Service) -> None:
    answer = await service.call("POST", "/v1/runs", data=b'{"message": "\\ud800x"}', headers=JSON)
    assert answer.status == 201
    assert answer.json["message"] == "\ufffdx"


async def test_repeated_post_with_a_key_returns_the_same_run(service: Service) -> None:
    """A client that lost the answer asks again; no second run may start."""
    headers = {"Idempotency-Key": "k1"}
    answers = [
        await service.call("POST", "/v1/runs", json={"message": "hi"}, headers=headers) for _ in range(2)
    ]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].json["run_id"] == answers[1].json["run_id"]
    streamed = await service.call("POST", "/v1/runs", json={"message": "hi"}, headers=headers | STREAM)
    assert streamed.headers["Run-Id"] == answers[0].json["run_id"]
    assert events_in(streamed.body)[0].type == "run.started"
    other = await service.call("POST", "/v1/runs", json={"message": "other"}, headers=headers)
    assert other.problem["status"] == 409
    assert len((await service.call("GET", "/v1/runs")).json["runs"]) == 1
    wrong = await service.call(
        "POST", "/v1/runs", json={"message": "hi"}, headers={"Idempotency-Key": "x" * 201}
    )
    assert wrong.problem["status"] == 400


async def test_key_posted_many_times_at_once_starts_one_run(service: Service) -> None:
    async def post() -> str:
        answer = await service.call(
            "POST", "/v1/runs", json={"message": "hi"}, headers={"Idempotency-Key": "k"}
        )
        return str(answer.json["run_id"])

    assert len(set(await asyncio.gather(*(post() for _ in range(20))))) == 1


async def test_run_limit_is_429_with_retry_after() -> None:
    async with serving({"a": silent}, limits=RunLimits(max_runs=1)) as service:
        await service.start()
        answer = await service.call("POST", "/v1/runs", json={"message": "x"})
        assert (answer.status, answer.problem["status"]) == (429, 429)
        assert int(answer.headers["Retry-After"]) >= 1


# ── GET /v1/runs ──────────────────────────────────────────────────────────────────────────────


async def test_runs_are_listed_newest_first_page_by_page(service: Service) -> None:
    ids = [await service.start(f"m{n}") for n in range(53)][::-1]
    listed = (await service.call("GET", "/v1/runs")).json["runs"]
    assert [run["run_id"] for run in listed] == ids[:50]
    check_snapshot(listed[0])
    found: list[str] = []
    query = "?limit=20"
    while page := (await service.call("GET", f"/v1/runs{query}")).json["runs"]:
        found += [run["run_id"] for run in page]
        query = f"?limit=20&before={found[-1]}"
    assert found == ids
    everything = await service.call("GET", "/v1/runs?limit=200")
    assert len(everything.json["runs"]) == 53


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
    assert (await service.call("GET", "/v1/runs")).json == {"runs": []}


@pytest.mark.parametrize("path", ["/cancel", "/retry", "/approvals/c1"])
async def test_unknown_agent_in_the_path_is_404(service: Service, path: str) -> None:
    run_id = await service.start(agents=["mute"])
    body = {"approve": True} if "approvals" in path else None
    for agent in ("two", "nobody"):
        answer = await service.call("POST", f"/v1/runs/{run_id}/agents/{agent}{path}", json=body)
        assert answer.problem["status"] == 404


async def test_deleting_cancels_the_agents_and_frees_the_log() -> None:
    puppet = Puppet()
    async with serving({"a": puppet}) as service:
        run_id = await service.start()
        await puppet.started.wait()
        puppet.say("something")
        async with service.stream(f"/v1/runs/{run_id}/events") as stream:
            await stream.until("a.token")
            assert (await service.call("DELETE", f"/v1/runs/{run_id}")).status == 204
            await stream.rest()  # the stream ends in good order
        await asyncio.wait_for(puppet.closed.wait(), 5)
        await eventually(lambda: service.supervisor.log.size == 0 and not service.supervisor.running)


async def test_expired_run_is_410() -> None:
    async with serving({"a": words("x")}, limits=RunLimits(retention_s=0.1)) as service:
        run_id = await service.start()
        async with asyncio.timeout(10):
            while (answer := await service.call("GET", f"/v1/runs/{run_id}")).status == 200:
                await asyncio.sleep(0.05)
        assert answer.problem["status"] == 410


async def test_cancel_is_acknowledged_at_once_and_is_no_error_later() -> None:
    """Promise 5: 202 comes while the agent still closes; `cancelled` comes when it is closed."""
    closing, close = asyncio.Event(), asyncio.Event()

    async def slow_to_close(request: AgentInput) -> AsyncIterator[str]:
        try:
            yield "x"
            await asyncio.Event().wait()
        finally:
            closing.set()
            await close.wait()

    async with serving({"a": slow_to_close, "b": endless}) as service:
        run_id = await service.start()
        async with service.stream(f"/v1/runs/{run_id}/events") as stream:
            await stream.until("a.token")
            answer = await service.call("POST", f"/v1/runs/{run_id}/cancel")
            assert answer.status == 202
            assert {agent["status"] for agent in answer.json["agents"].values()} == {"cancelling"}
            await asyncio.wait_for(closing.wait(), 5)
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


async def test_one_agent_is_cancelled_alone() -> None:
    puppet = Puppet()
    async with serving({"a": endless, "b": puppet}) as service:
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


async def test_agents_are_added_and_retried_while_the_run_is_open() -> None:
    a, b = Puppet(), Puppet()
    async with serving({"a": a, "b": b, "c": words("late")}) as service:
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


async def test_approval_is_answered_once() -> None:
    async def careful(request: AgentInput) -> AsyncIterator[object]:
        yield ApprovalRequest("c1", "launch", "{}")
        yield "yes" if await request.approve("c1") else "no"

    async with serving({"a": careful}) as service:  # type: ignore[dict-item]
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


async def test_run_that_nobody_follows_is_cancelled_where_it_asked_for_that() -> None:
    async with serving({"a": endless}, limits=RunLimits(abandon_after_s=0.3)) as service:
        kept = await service.start()
        left = await service.start(on_disconnect="cancel")
        async with service.stream(f"/v1/runs/{left}/events") as stream:
            await stream.until("a.token")
            await asyncio.sleep(1.2)
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


async def test_usage_and_metrics_are_told() -> None:
    async def counted(request: AgentInput) -> AsyncIterator[object]:
        yield "abc"
        await asyncio.sleep(0.05)
        yield Finish(reason="length", usage=Usage(7, 3))

    async with serving({"a": counted}) as service:  # type: ignore[dict-item]
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

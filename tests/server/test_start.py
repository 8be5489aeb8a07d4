"""`POST /v1/runs`: every key, every refusal, the stream or the snapshot."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

import pytest

from orchestrator.server.options import ServerOptions
from orchestrator.settings.limits import RunLimits

from ..support.service import Puppet, Serve, Service, endless, events_in, silent, words
from .test_runs import JSON, STREAM, check_snapshot


@pytest.fixture
async def service(serve: Serve) -> Service:
    scripts = {"one": words("a ", "b"), "two": words("c"), "loop": endless, "mute": silent}
    keys: dict[str, dict[str, Any]] = {
        "one": {"default": True, "title": "One", "description": "Says a b."},
        "two": {"default": True},
    }
    return await serve(scripts, keys=keys)


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


async def test_agents_get_the_message_and_the_earlier_turns_of_the_conversation(serve: Serve) -> None:
    puppets = {"a": Puppet()}
    service = await serve(dict(puppets))
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
    assert (await service.call("GET", "/v1/runs")).json == {"runs": [], "next": None}


async def test_message_may_have_exactly_its_limit(serve: Serve) -> None:
    service = await serve({"a": words("x")}, options=ServerOptions(max_message_chars=10))
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


async def test_repeated_post_finds_its_run_where_there_is_room_for_no_other(serve: Serve) -> None:
    """The run that fills the server is the very one whose answer was lost."""
    service = await serve({"a": silent}, limits=RunLimits(max_runs=1))
    post, key = {"message": "x"}, {"Idempotency-Key": "mine"}
    first = await service.call("POST", "/v1/runs", json=post, headers=key)
    again = await service.call("POST", "/v1/runs", json=post, headers=key)
    assert (again.status, again.json["run_id"]) == (201, first.json["run_id"])
    other = {"Idempotency-Key": "another"}
    assert (await service.call("POST", "/v1/runs", json=post, headers=other)).status == 429
    assert len((await service.call("GET", "/v1/runs")).json["runs"]) == 1
    await service.call("DELETE", f"/v1/runs/{first.json['run_id']}")
    while (later := await service.call("POST", "/v1/runs", json=post, headers=other)).status == 429:
        await asyncio.sleep(0.01)
    assert later.status == 201  # what was refused has not used the key up


async def test_run_limit_is_429_with_retry_after(serve: Serve) -> None:
    service = await serve({"a": silent}, limits=RunLimits(max_runs=1))
    await service.start()
    answer = await service.call("POST", "/v1/runs", json={"message": "x"})
    assert (answer.status, answer.problem["status"]) == (429, 429)
    assert int(answer.headers["Retry-After"]) >= 1

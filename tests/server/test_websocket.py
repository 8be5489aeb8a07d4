"""`GET /v1/ws` as PROTOCOL.md has it: many runs on one socket, both ways."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from orchestrator.eventlog import MemoryLog
from orchestrator.server.http.guards.security import SecuritySettings
from orchestrator.server.routes import websocket
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.service import FLOOD_KEYS, Puppet, Serve, Service, endless, flood, silent, words


class Socket:
    """A client's side: sends objects, receives objects."""

    def __init__(self, ws: ClientWebSocketResponse) -> None:
        self.ws = ws

    async def send(self, op: str, **members: Any) -> None:
        await self.ws.send_json({"op": op, **members})

    async def receive(self, limit: float = PATIENCE_SECONDS) -> dict[str, Any]:
        message = await self.ws.receive(limit)
        assert message.type is WSMsgType.TEXT, message
        found: dict[str, Any] = json.loads(message.data)
        return found

    async def until(self, type_: str, run_id: str | None = None) -> list[dict[str, Any]]:
        """Receive up to and with the run's own event *type_*, of *run_id* or of any run."""
        found = [await self.receive()]
        while not (_name(found[-1]) == type_ and run_id in (None, found[-1]["run_id"])):
            found.append(await self.receive())
        return found


def _name(message: dict[str, Any]) -> str:
    return f"{message.get('agent_id', 'run')}.{message.get('type')}"


@asynccontextmanager
async def connected(service: Service, **options: Any) -> AsyncIterator[Socket]:
    async with service.session.ws_connect(f"{service.url}/v1/ws", **options) as ws:
        yield Socket(ws)


async def test_start_answers_with_the_streams_data_plus_id_and_run_id(serve: Serve) -> None:
    service = await serve({"a": words("x", "y"), "b": words("z")})
    async with (
        connected(service) as sock,
    ):
        for ref in ("r1", 7, {"n": [1]}, None):
            await sock.send("start", ref=ref, message="hi", agents=["a", "b"])
            seen = await sock.until("run.done")
            run_id = seen[0]["run_id"]
            assert {message["run_id"] for message in seen} == {run_id}
            assert seen[0].get("ref") == ref
            assert all("ref" not in message for message in seen[1:])
            events = await service.events(run_id)
            assert [message["id"] for message in seen] == [event.id for event in events]
            extra = {"id", "run_id", "ref"}
            for message, event in zip(seen, events, strict=True):
                own = {key: value for key, value in message.items() if key not in extra}
                assert own == {key: value for key, value in event.data.items() if key != "run_id"}


async def test_many_runs_on_one_socket_do_not_mix(serve: Serve) -> None:
    service = await serve({"a": words("x", "y", pause=0.001), "b": words("z")})
    async with connected(service) as sock:
        for ref in range(30):
            await sock.send("start", ref=ref, message=f"m{ref}")
        by_run: dict[str, list[dict[str, Any]]] = {}
        done = 0
        while done < 30:
            message = await sock.receive()
            by_run.setdefault(message["run_id"], []).append(message)
            done += _name(message) == "run.done"
    assert sorted(messages[0]["ref"] for messages in by_run.values()) == list(range(30))
    for run_id, messages in by_run.items():
        assert [message["id"] for message in messages] == [e.id for e in await service.events(run_id)]


async def test_cancel_of_an_agent_and_of_a_run(serve: Serve) -> None:
    service = await serve({"a": endless, "b": endless})
    async with (
        connected(service) as sock,
    ):
        await sock.send("start", ref=1, message="hi")
        run_id = (await sock.receive())["run_id"]
        await sock.until("a.token")
        await sock.send("cancel", run_id=run_id, agent_id="a")
        await sock.until("a.cancelled")
        await sock.until("b.token")
        await sock.send("cancel", run_id=run_id)
        done = (await sock.until("run.done"))[-1]
        assert done["status"] == "cancelled"
        await sock.send("cancel", run_id=run_id)  # an ended run is no error
        await sock.send("cancel", run_id=run_id, agent_id="nobody", ref="x")
        problem = await sock.receive()
        assert (problem["op"], problem["ref"], problem["problem"]["status"]) == ("error", "x", 404)


async def test_attach_goes_on_after_the_cursor_and_detach_ends_it(serve: Serve) -> None:
    puppet = Puppet()
    service = await serve({"a": puppet})
    async with (
        connected(service) as sock,
    ):
        run_id = await service.start()
        puppet.say("one ")
        await sock.send("attach", ref="r", run_id=run_id)
        seen = await sock.until("a.token")
        assert [_name(m) for m in seen] == ["run.started", "a.started", "a.token"]
        assert seen[0]["ref"] == "r"
        await sock.send("detach", run_id=run_id)
        await sock.send("nonsense", ref="barrier")
        assert (await sock.receive())["ref"] == "barrier"
        puppet.say("two ")
        await eventually(lambda: service.run(run_id).snapshot().agents["a"].text == "one two ")
        await sock.send("attach", run_id=run_id, after=seen[-1]["id"])
        assert (await sock.receive())["text"] == "two ", "nothing came while it was detached"
        await sock.send(
            "attach", run_id=run_id, after=seen[0]["id"]
        )  # again, from elsewhere: the last one counts
        assert [_name(m) for m in await sock.until("a.token")] == ["a.started", "a.token"]
        puppet.end()
        await sock.until("run.done")
        assert (await service.find(run_id)).status == "completed"


async def test_socket_follows_a_channel_with_one_cursor(serve: Serve) -> None:
    puppet = Puppet()
    service = await serve({"a": puppet})
    async with (
        connected(service) as sock,
    ):
        await sock.send("attach", channel="tab")
        run_id = await service.start(channel="tab")
        puppet.say("one ")
        seen = await sock.until("a.token")
        assert {m["run_id"] for m in seen} == {run_id}
        await sock.send("detach", channel="tab")
        await sock.send("nonsense", ref="barrier")
        assert (await sock.receive())["ref"] == "barrier"
        puppet.end()
        await service.ended(run_id)
        await sock.send("attach", channel="tab", after=seen[-1]["id"])
        rest = await sock.until("run.done")
        assert "a.started" not in [_name(m) for m in rest]
        await sock.send("attach", channel="../etc", ref="bad")
        assert (await sock.receive())["problem"]["status"] == 422


async def test_socket_filters_by_run_and_agent(serve: Serve) -> None:
    service = await serve({"a": words("x"), "b": words("y")})
    async with (
        connected(service) as sock,
    ):
        first, second = await service.start(channel="tab"), await service.start(channel="tab")
        for run_id in (first, second):
            await service.ended(run_id)
        await sock.send("attach", channel="tab", runs=[second], agents=["b"])
        told = await sock.until("run.done")
        assert {m["run_id"] for m in told} == {second}
        assert {m.get("agent_id") for m in told} == {None, "b"}
        await sock.send("attach", run_id=first, agents=["a"])
        assert {m.get("agent_id") for m in await sock.until("run.done")} == {None, "a"}
        for wrong in ({"agents": "a"}, {"runs": [1]}):
            await sock.send("attach", channel="tab", ref="bad", **wrong)
            problem = (await sock.receive())["problem"]
            assert (problem["status"], problem["errors"][0]["at"]) == (422, next(iter(wrong)))


async def test_only_the_last_snapshot_of_a_gap_moves_the_cursor(serve: Serve) -> None:
    """Cut off between two of them, a client comes back with its old cursor and hears all of them again."""
    service = await serve({"a": words("x")})
    async with (
        connected(service) as sock,
    ):
        for _ in range(3):
            await service.ended(await service.start(channel="tab"))
        await sock.send("attach", channel="tab", after="zzzz-1")
        gap, *snapshots = [await sock.receive() for _ in range(4)]
        assert _name(gap) == "run.gap"
        assert [m.get("id") for m in snapshots] == [None, None, gap["latest"]]


async def test_leaving_does_not_cancel_the_runs(serve: Serve) -> None:
    puppet = Puppet()
    service = await serve({"a": puppet})
    async with connected(service) as sock:
        await sock.send("start", message="hi")
        run_id = (await sock.receive())["run_id"]
    await eventually(lambda: not service.streams.sockets)
    puppet.end()
    await service.ended(run_id)
    assert (await service.find(run_id)).status == "completed"


async def test_attaching_at_the_end_of_an_ended_run_tells_its_state(serve: Serve) -> None:
    """Where HTTP says 204 a socket needs a message, or the client would wait for ever."""
    service = await serve({"a": words("x")})
    async with (
        connected(service) as sock,
    ):
        run_id = await service.start()
        await service.ended(run_id)
        last = service.run(run_id).state.last_event_id
        await sock.send("attach", run_id=run_id, after=last)
        state = await sock.receive()
        assert (_name(state), state["id"], state["run_id"]) == ("run.snapshot", last, run_id)
        assert (state["status"], state["agents"]["a"]["text"]) == ("completed", "x")
        await sock.send("attach", run_id=run_id)
        assert _name((await sock.until("run.done"))[0]) == "run.started"


@pytest.mark.parametrize(("after", "reason"), [("zzzz-1", "epoch"), ("-1", "malformed"), ("\0", "malformed")])
async def test_useless_cursor_gives_a_gap_and_the_snapshot(serve: Serve, after: str, reason: str) -> None:
    puppet = Puppet()
    service = await serve({"a": puppet})
    async with (
        connected(service) as sock,
    ):
        run_id = await service.start()
        puppet.say("said")
        await eventually(lambda: service.run(run_id).snapshot().agents["a"].text == "said")
        await sock.send("attach", run_id=run_id, after=after)
        gap, snapshot = await sock.receive(), await sock.receive()
        assert (_name(gap), gap["reason"], gap["run_id"], "id" in gap) == ("run.gap", reason, run_id, False)
        assert (_name(snapshot), snapshot["id"]) == ("run.snapshot", gap["latest"])
        puppet.end()
        assert [_name(m) for m in await sock.until("run.done")] == ["a.done", "run.done"]


@pytest.mark.parametrize(
    ("text", "ref", "status"),
    [
        ("{", None, 400),
        ("[]", None, 400),
        ("\ud800", None, 400),
        ('{"op": "fly", "ref": 1}', 1, 422),
        ('{"ref": 1}', 1, 422),
        ('{"op": [], "ref": 1}', 1, 422),
        ('{"op": "start", "ref": "a"}', "a", 422),
        ('{"op": "start", "ref": "a", "message": "x", "agents": ["nobody"]}', "a", 422),
        ('{"op": "start", "ref": "a", "message": "x", "extra": 1}', "a", 422),
        ('{"op": "attach", "ref": "a"}', "a", 422),
        ('{"op": "attach", "ref": "a", "run_id": 1}', "a", 422),
        ('{"op": "attach", "ref": "a", "run_id": "run_x"}', "a", 404),
        ('{"op": "cancel", "ref": "a", "run_id": "run_x"}', "a", 404),
        ('{"op": "detach", "ref": "a", "run_id": "run_x"}', "a", 404),
    ],
)
async def test_refusals_name_the_ref_and_leave_the_socket_open(
    serve: Serve, text: str, ref: object, status: int
) -> None:
    service = await serve({"a": words("x")})
    async with (
        connected(service) as sock,
    ):
        if text == "\ud800":
            await sock.ws.send_bytes(b"binary")
        else:
            await sock.ws.send_str(text)
        answer = await sock.receive()
        assert answer.keys() == {"op", "ref", "problem"}
        assert (answer["op"], answer["ref"], answer["problem"]["status"]) == ("error", ref, status)
        assert answer["problem"].keys() >= {"type", "title", "detail"}
        await sock.send("start", message="still works")
        await sock.until("run.done")


async def test_deleted_run_ends_with_an_error_and_is_410_afterwards(serve: Serve) -> None:
    service = await serve({"a": silent})
    async with (
        connected(service) as sock,
    ):
        await sock.send("start", ref="r", message="hi")
        run_id = (await sock.receive())["run_id"]
        await service.call("DELETE", f"/v1/runs/{run_id}")
        while (message := await sock.receive()).get("op") != "error":
            assert message["run_id"] == run_id
        assert (message["ref"], message["problem"]["status"]) == ("r", 410)
        await sock.send("attach", ref="again", run_id=run_id)
        answer = await sock.receive()
        assert (answer["ref"], answer["problem"]["status"]) == ("again", 410)


# ── who may open one ──────────────────────────────────────────────────────────────────────────


async def test_foreign_origin_is_refused(serve: Serve) -> None:
    """A page of another site could else use a person's local service (WebSocket hijacking)."""
    service = await serve({"a": words("x")})
    for origin in ("https://evil.example", "null", f"https://localhost.evil:{service.port}"):
        with pytest.raises(WSServerHandshakeError) as caught:
            await service.session.ws_connect(f"{service.url}/v1/ws", origin=origin)
        assert caught.value.status == 403
    async with connected(service, origin=service.url) as sock:
        await sock.send("start", message="ours")
        await sock.until("run.done")


async def test_token_comes_as_a_header_or_as_a_subprotocol(serve: Serve) -> None:
    """A browser's WebSocket can set no header."""
    token = "s3cret+/="
    offered = "bearer." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    wrong = "bearer." + base64.urlsafe_b64encode(b"other").decode().rstrip("=")
    service = await serve({"a": words("x")}, security=SecuritySettings(token=token))
    for options in (
        {},
        {"protocols": ["orchestrator.v1", wrong]},
        {"headers": {"Authorization": "Bearer x"}},
    ):
        with pytest.raises(WSServerHandshakeError) as caught:
            await service.session.ws_connect(f"{service.url}/v1/ws", **options)
        assert caught.value.status == 401
    async with connected(service, protocols=["orchestrator.v1", offered]) as sock:
        assert sock.ws.protocol == "orchestrator.v1", "the token is not said back"
        await sock.send("start", message="hi")
        await sock.until("run.done")
    async with connected(service, headers={"Authorization": f"Bearer {token}"}) as sock:
        await sock.send("start", message="hi")
        await sock.until("run.done")


async def test_plain_get_is_told_to_upgrade(serve: Serve) -> None:
    service = await serve({"a": words("x")})
    answer = await service.call("GET", "/v1/ws")
    assert answer.problem["status"] == 426
    assert answer.headers["Upgrade"] == "websocket"


# ── slow ones ─────────────────────────────────────────────────────────────────────────────────


async def test_client_that_never_reads_its_socket_is_dropped(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "SEND_SECONDS", 1.0)
    scripts = {"a": flood, "b": words("fine", pause=0.2)}
    service = await serve(scripts, keys={"a": FLOOD_KEYS}, log=MemoryLog(max_channel_bytes=4_000_000))
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=1024)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    key = base64.b64encode(b"0123456789abcdef").decode()
    writer.write(
        f"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readline()
    run_id = await service.start()
    writer.write(_masked(json.dumps({"op": "attach", "run_id": run_id}).encode()))
    await eventually(lambda: service.streams.sockets)
    await eventually(lambda: not service.streams.sockets)
    assert service.run(run_id).status == "running", "the agents do not care"
    assert service.dropped() == 1
    writer.close()


def _masked(data: bytes) -> bytes:
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data

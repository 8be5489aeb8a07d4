"""Bodies and messages are bounded before they are paid for, and what is large is parsed off the loop."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from typing import Any

import pytest
from aiohttp import WSMsgType

from orchestrator.panels import regex_process
from orchestrator.server.http import json_body
from orchestrator.server.http.guards.request_scheduler import RequestScheduler
from orchestrator.server.http.json_body import SMALL_BODY_BYTES, JsonReader, parse_json_object
from orchestrator.server.http.problem import ProblemError

from ..support.service import Serve, Service, words

JSON = {"Content-Type": "application/json"}


async def post(service: Service, path: str, body: bytes, **headers: str) -> Any:
    return await service.call("POST", path, data=body, headers=JSON | headers)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{" + b",".join(b'"k%d":1' % n for n in range(2000)) + b"}", "members"),
        (b'{"a":[' + b",".join([b"{}"] * 2000) + b"]}", "members"),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "deeply"),
        (b'{"a":' + b'{"a":' * 40 + b"1" + b"}" * 41, "deeply"),
        (b'{"a":' + b'"x" ' * 5000 + b"}", "members"),
        (b'{"a":"' + b'\\"' * 600_000 + b'"}', "escapes"),
        (b'{"a":' + b"1" * 5000 + b"}", "digits"),
        (b'{"a":1.' + b"1" * 5000 + b"}", "too large"),
        (b"]" * 100_000, "Expecting value"),
    ],
)
def test_what_is_too_large_to_mean_anything_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_json_object(body)
    assert caught.value.problem.status == 400
    assert says in caught.value.problem.detail


@pytest.mark.parametrize(
    "text",
    [
        "{[,]}" * 5000,
        '"' * 5000,
        "\\" * 5001,
        '\\"' * 50_000,
        '\\\\"' * 5000,
        "é\n\t\u2028" * 2000,
        '"{[,"\\\\"' * 999,
    ],
)
def test_what_stands_in_a_text_counts_for_nothing(text: str) -> None:
    """A question may be about JSON."""
    value = {"message": text, "agents": ["a", "b"]}
    for body in (json.dumps(value), json.dumps(value, ensure_ascii=False), json.dumps(value).encode()):
        assert parse_json_object(body) == value


async def test_a_large_body_is_parsed_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count and the decoding of 8 MiB would hold up every stream."""
    seen: list[threading.Thread] = []
    whole = parse_json_object

    def parse(body: bytes | str) -> dict[str, Any]:
        seen.append(threading.current_thread())
        return whole(body)

    monkeypatch.setattr(json_body, "parse_json_object", parse)
    reader = JsonReader()
    await reader.parse(json.dumps({"a": "x" * SMALL_BODY_BYTES}))
    await reader.parse(b"{}")
    reader.close()
    assert [thread is threading.main_thread() for thread in seen] == [False, True]


async def test_a_packed_body_is_unpacked_in_several_turns(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """A few kilobytes on the wire may be megabytes; all of it was unpacked and read in one round of the loop."""
    service = await serve({"a": words("x")})
    turns = 0
    take = RequestScheduler.take

    async def spy(self: RequestScheduler) -> None:
        nonlocal turns
        turns += 1
        await take(self)

    monkeypatch.setattr(RequestScheduler, "take", spy)
    monkeypatch.setattr(json_body, "READ_SECONDS", 0.0)
    body = gzip.compress(json.dumps({"message": "x" * 6_000_000}).encode())
    assert (await post(service, "/v1/runs", body, **{"Content-Encoding": "gzip"})).status == 413
    assert turns > 8


async def test_each_call_but_the_start_takes_64_kib(serve: Serve) -> None:
    service = await serve({"a": words("x")})
    run_id = await service.start("x" * 90_000)
    large = json.dumps({"agent_id": "a" * SMALL_BODY_BYTES}).encode()
    for call in ("vote", "agents", "panel", "agents/a/approvals/c"):
        assert (await post(service, f"/v1/runs/{run_id}/{call}", large)).status == 413, call


async def test_bodies_of_all_together_are_bounded(serve: Serve) -> None:
    service = await serve({"a": words("x")})
    service.app[json_body_key()]._most = 1000
    body = json.dumps({"message": "x" * 2000}).encode()
    answer = await post(service, "/v1/runs", body)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert service.app[json_body_key()].in_flight == 0
    assert (await post(service, "/v1/runs", b'{"message":"x"}')).status == 201


def json_body_key() -> Any:
    from orchestrator.server.app_keys import READER

    return READER


@pytest.mark.parametrize(
    ("coding", "status"),
    [("br", 415), ("nonsense", 415), ("gzip", 400), ("identity", 201), ("gzip, gzip", 415)],
)
async def test_an_unknown_coding_is_named_as_such(coding: str, status: int, serve: Serve) -> None:
    service = await serve({"a": words("x")})
    answer = await post(service, "/v1/runs", b'{"message":"x"}', **{"Content-Encoding": coding})
    assert answer.status == status


@pytest.mark.parametrize(
    "message",
    [
        '{"op":"start","message":' + "[" * 5000,
        '{"op":' + '{"a":' * 5000,
        '{"op":"start","op":"start","message":"x"}',
        "[]", "nonsense", "{", '{"op":"start","message":NaN}', "{" + '"a":1,' * 5000,
    ],
)  # fmt: skip
async def test_a_socket_survives_what_is_no_operation(serve: Serve, message: str) -> None:
    """Deep JSON closed the socket with all its runs."""
    service = await serve({"a": words("x")})
    async with (
        service.session.ws_connect(f"{service.url}/v1/ws") as ws,
    ):
        await ws.send_str(message)
        told = json.loads((await ws.receive()).data)
        assert (told["op"], told["problem"]["status"]) == ("error", 400)
        await ws.send_json({"op": "start", "message": "x"})
        assert (await ws.receive()).type is WSMsgType.TEXT


WIDE = "(?i)" + "".join(f"[\\U{0x10000 + n:08x}-\\U000{0xE0000 + n:05x}]" for n in range(8))


async def test_an_inline_pattern_is_compiled_in_a_child_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """Compiling took 2.4 s on the loop; and a process for each request would be a bomb of its own."""
    asked = []
    open_, most = 0, 0
    ask = regex_process._ask

    async def count(pattern: str, text: str | None) -> Any:
        nonlocal open_, most
        asked.append(pattern)
        open_ += 1
        most = max(most, open_)
        try:
            return await ask(pattern, text)
        finally:
            open_ -= 1

    def refuse(*_: object) -> None:
        raise AssertionError("a request's pattern was compiled on the loop")

    monkeypatch.setattr(regex_process, "_ask", count)
    pattern = "never seen before [a-z]{2}"
    panel = {"method": "race", "members": ["a", "b"], "valid": pattern}
    service = await serve({"a": words("x"), "b": words("y")})
    from orchestrator.panels import settings

    monkeypatch.setattr(settings.re, "compile", refuse)
    answers = await asyncio.gather(
        *(service.call("POST", "/v1/runs", json={"message": "x", "panel": panel}) for _ in range(5))
    )
    monkeypatch.undo()
    assert [answer.status for answer in answers] == [201] * 5
    assert (asked.count(pattern) >= 5, most) == (True, most)
    assert most <= 2
    wrong = await service.call("POST", "/v1/runs", json={"message": "x", "panel": panel | {"valid": "("}})
    assert wrong.status == 422
    assert wrong.problem["errors"][0]["at"] == "panel.valid"


async def test_patterns_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    monkeypatch.setattr(regex_process, "MAX_WAITING", 1)
    panel = {"method": "race", "members": ["a", "b"], "valid": "x"}
    service = await serve({"a": words("x"), "b": words("y")})
    answers = await asyncio.gather(
        *(service.call("POST", "/v1/runs", json={"message": "x", "panel": panel}) for _ in range(4))
    )
    assert sorted({answer.status for answer in answers}) == [201, 429]


async def test_a_panel_full_of_unknown_keys_is_refused_with_a_few(serve: Serve) -> None:
    """Each fault looked for a similar name: with 600,000 of them that took seconds."""
    panel = {"method": "race"} | {f"k{n}": n for n in range(900)}
    service = await serve({"a": words("x"), "b": words("y")})
    answer = await service.call("POST", "/v1/runs", json={"message": "x", "panel": panel})
    assert (answer.status, len(answer.problem["errors"])) == (422, 20)
    long = {"method": "race", "x" * 100_000: 1}
    answer = await service.call("POST", "/v1/runs", json={"message": "x", "panel": long})
    assert answer.problem["errors"][0]["at"] == "panel"

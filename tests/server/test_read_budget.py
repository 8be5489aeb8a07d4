"""Covers `server/http/guards/read_budget.py`, and what `runner` does with it: a crowd is parsed over many rounds."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from orchestrator.server.http import runner
from orchestrator.server.http.guards.read_budget import ROUND_SECONDS, ReadBudget
from tests.support.patience import eventually, soon
from tests.support.service import Serve, Service

from .test_request_scheduler import Rounds


class _Reader:
    """A connection with pieces, each of which takes a while to parse."""

    def __init__(self, name: str, pieces: int, log: list[tuple[int, str]], rounds: Rounds) -> None:
        self._name, self._pieces, self._log, self._rounds = name, pieces, log, rounds

    def read_on(self) -> float:
        self._pieces -= 1
        self._log.append((self._rounds.now, self._name))
        return ROUND_SECONDS * 0.4

    @property
    def has_unread(self) -> bool:
        return self._pieces > 0


async def test_a_round_parses_a_little_of_each_in_turn() -> None:
    intake, rounds = ReadBudget(), Rounds()
    log: list[tuple[int, str]] = []
    assert intake.has_room
    for name in "abcd":
        intake.put_off(_Reader(name, 3, log, rounds))
    assert not intake.has_room, "nobody overtakes who waits"
    await eventually(lambda: len(log) == 12)
    rounds.close()
    assert "".join(name for _, name in log) == "abcd" * 3
    assert max(Counter(now for now, _ in log).values()) <= 3
    await eventually(lambda: intake.has_room)


@pytest.mark.parametrize("room", [True, False])
async def test_pipelined_requests_in_odd_pieces_are_answered_in_order(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, room: bool
) -> None:
    """Whether or not what comes is put off, in pieces that end anywhere."""
    monkeypatch.setattr(runner, "MOST_BYTES", 64)
    monkeypatch.setattr(runner, "FEWEST_BYTES", 7)
    if not room:
        monkeypatch.setattr(ReadBudget, "has_room", False)
    service = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    for n in range(30):
        body = json.dumps({"message": f"question {n}", "agents": ["nobody"]}).encode()
        writer.write(
            b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-N: %d\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (n, len(body), body)
        )
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answers = await soon(reader.read())
    assert answers.count(b"HTTP/1.1 422") == 30
    assert answers.count(b"HTTP/1.1 200") == 1
    assert answers.rindex(b"HTTP/1.1 200") > answers.rindex(b"HTTP/1.1 422")
    writer.close()


async def _post_in_chunks(service: Service, body: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(
        b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"1\r\n%c\r\n" % each for each in body)
        + b"0\r\n\r\n"
    )
    answer = await soon(reader.read())
    writer.close()
    return answer


async def test_a_body_in_chunks_of_one_byte_is_parsed_over_many_rounds(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """43,000 such chunks come with one read of the socket: 150 ms in which no stream went on."""
    monkeypatch.setattr(runner, "PARSE_SECONDS", 0.0)  # as if each took long
    pieces: list[int] = []
    parse = runner.ProblemProtocol._parse

    def spy(self: runner.ProblemProtocol, data: bytes) -> float:
        pieces.append(len(data))
        return parse(self, data)

    monkeypatch.setattr(runner.ProblemProtocol, "_parse", spy)
    service = await serve()
    answer = await _post_in_chunks(service, json.dumps({"message": "m" * 40_000, "agents": ["no"]}).encode())
    assert b"HTTP/1.1 422" in answer
    assert len(pieces) > 10
    assert pieces[-3] <= runner.FEWEST_BYTES

"""Any dialect takes a run up where another was cut: no character lost, none twice."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

import pytest

from orchestrator import AgentInput
from orchestrator.backends.base import Emission
from orchestrator.eventlog import MemoryLog, subscription
from orchestrator.eventlog.base import Cursor, Entry
from orchestrator.events import Reasoning, Status, ToolCall, ToolResult
from orchestrator.framing.base import DIALECTS
from orchestrator.run import compaction
from orchestrator.server.http.dialects import dialect_run, fold_cache
from orchestrator.sse_parser import SSEParser
from tests.support.service import Serve, Service

from .agents import AGENTS, CHATTY, TOOLED, dialects_served

SPEAKERS = [row.name for row in DIALECTS.values() if row.carrier == "stream" and row.says_pieces]
CUTS = 12


def pieces(name: str, data: str) -> Iterator[tuple[str, str]]:
    """Yield what one frame adds to whose text, in the words of its dialect; reasoning is left out."""
    if not data.startswith("{"):
        return
    told: dict[str, Any] = json.loads(data)
    kind = told.get("type")
    if name in ("event", "message"):
        if kind == "token":
            yield told["agent_id"], told["text"]
    elif name == "chat":
        for choice in told.get("choices", ()):
            yield ("chatty", "tooled")[choice["index"]], choice["delta"].get("content") or ""
    elif name == "responses" and kind == "response.output_text.delta":
        yield told["item_id"].rsplit("_", 2)[0].rpartition("_")[2], told["delta"]
    elif name == "ai-sdk" and kind == "text-delta":
        yield told["id"].split(".")[0], told["delta"]
    elif name == "ag-ui" and kind == "TEXT_MESSAGE_CONTENT":
        yield told["messageId"].split(".")[0], told["delta"]
    elif name == "a2a" and "artifactUpdate" in told:
        artifact = told["artifactUpdate"]["artifact"]
        yield artifact["metadata"]["agent_id"], "".join(part["text"] for part in artifact["parts"])


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with dialects_served() as served:
        yield served


def read_up_to_last_id(name: str, body: bytes) -> tuple[str | None, dict[str, str]]:
    """Return the last cursor in *body*, and what was said up to it: the frames after it come again."""
    said: list[tuple[str, str]] = []
    kept, cursor = 0, None
    for event in SSEParser().feed(body):
        said += pieces(name, event.data)
        if event.id is not None:
            cursor, kept = event.id, len(said)
    return cursor, _joined(said[:kept])


def _joined(said: list[tuple[str, str]]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for agent_id, text in said:
        texts[agent_id] = texts.get(agent_id, "") + text
    return texts


@pytest.mark.parametrize("first", SPEAKERS)
async def test_a_cut_in_one_goes_on_in_every_other(
    service: Service, first: str, pytestconfig: pytest.Config
) -> None:
    """At random bytes, from a run that is over as from its log; `--fuzz-seed` chooses others."""
    chance = random.Random(f"{first} {pytestconfig.getoption('fuzz_seed')}")
    run_id = await service.start(agents=["chatty", "tooled"])
    await service.ended(run_id)
    path = f"/v1/runs/{run_id}/events?framing="
    whole = {"chatty": "".join(CHATTY), "tooled": "".join(TOOLED)}
    begun = await service.body(path + first)
    for second in SPEAKERS:
        for _ in range(CUTS):
            cursor, before = read_up_to_last_id(first, begun[: chance.randrange(len(begun))])
            headers = {} if cursor is None else {"Last-Event-ID": cursor}
            answer = await service.call("GET", path + second, headers=headers)
            rest = SSEParser().feed(answer.body) if answer.status == 200 else []
            after = _joined([each for event in rest for each in pieces(second, event.data)])
            assert {name: before.get(name, "") + after.get(name, "") for name in whole} == whole, (
                second,
                cursor,
            )


class CountingLog(MemoryLog):
    """A log that knows how many entries were read of it."""

    entries_read = 0

    async def read(self, channel: str, after: Cursor | None, *, most: int) -> list[Entry]:
        return self._counted(await super().read(channel, after, most=most))

    async def read_run(self, channel: str, run_id: str, after: Cursor | None, *, most: int) -> list[Entry]:
        return self._counted(await super().read_run(channel, run_id, after, most=most))

    def _counted(self, page: list[Entry]) -> list[Entry]:
        self.entries_read += len(page)
        return page


ROUNDS = 7
FEW = 400
"""Entries: a few times what stands between the cursor and the end."""


async def steady(request: AgentInput) -> AsyncGenerator[Emission, None]:
    """Think, look and speak at length; nothing is merged with what comes next."""
    for n in range(ROUNDS):
        for word in range(30):
            yield Reasoning(f"thought {word} ")
            yield Status("thinking", str(word))
        yield ToolCall(f"c{n}", "look", "{}")
        yield ToolResult(f"c{n}", "blue", is_error=False)
        for word in range(60):
            yield f"word {word} "
            yield Status("answering", str(word))


async def test_the_first_late_reader_of_each_reads_little_of_a_long_run(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody has read the run in that dialect before, and yet what it says is what the whole stream ends with."""
    monkeypatch.setattr(dialect_run, "LONG_EVENTS", 200)
    monkeypatch.setattr(compaction, "SPAN_EVENTS", 40)
    log = CountingLog()
    service = await serve({"steady": steady, "tooled": AGENTS["tooled"]}, log=log)
    run_id = await service.start(agents=["steady", "tooled"])
    await service.ended(run_id)
    events = await service.events(run_id)
    assert len(events) > 3 * FEW
    path = f"/v1/runs/{run_id}/events?framing="
    for name in SPEAKERS:
        for place in (len(events) - 8, len(events) - 90):
            cursor = str(events[place].id)
            before = log.entries_read
            body = await service.body(path + name, **{"Last-Event-ID": cursor})
            assert log.entries_read - before < FEW, name
            told = [each for event in SSEParser().feed(body) for each in pieces(name, event.data)]
            rest = [e.data["text"] for e in events[place + 1 :] if e.data["type"] == "token"]
            assert "".join(text for _, text in told) == "".join(rest), name
    # The sums in the end are whole, too, and numbered as in the stream that was never cut.
    late = SSEParser().feed(body := await service.body(path + "responses", **{"Last-Event-ID": cursor}))
    whole = SSEParser().feed(await service.body(path + "responses"))
    assert body
    assert [e.data for e in late] == [e.data for e in whole[-len(late) :]]
    before = log.entries_read
    answer = await service.call("GET", f"/v1/responses/{run_id.replace('run_', 'resp_')}")
    assert log.entries_read - before < FEW
    output = json.loads(whole[-1].data)["response"]["output"]
    assert (answer.json["output"], len(output)) == (output, ROUNDS * 2 + 3)


FOLDED = [name for name, row in DIALECTS.items() if row.carrier == "stream" and row.framing.folds]


def _frames(body: bytes) -> list[tuple[str | None, str, str]]:
    return [(frame.id, frame.event, frame.data) for frame in SSEParser().feed(body)]


def _seq(cursor: str) -> int:
    return int(cursor.rpartition("-")[2])


@pytest.mark.parametrize("name", FOLDED)
async def test_a_late_reader_gets_what_the_whole_stream_ends_with(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """To the byte, names of parts and numbers of frames too, wherever it was cut; and others read little after it.

    The digest of the run is as far as its first cut, the first reader leaves checkpoints, and one reader at a time
    takes in what lies before.
    """
    monkeypatch.setattr(dialect_run, "LONG_EVENTS", 100)
    monkeypatch.setattr(dialect_run, "PAGE_EVENTS", 25)
    monkeypatch.setattr(subscription, "PAGE_EVENTS", 25)
    monkeypatch.setattr(fold_cache, "CHECKPOINT_EVENTS", 50)
    monkeypatch.setattr(compaction, "SPAN_EVENTS", 40)
    log = CountingLog()
    service = await serve({"steady": steady, "tooled": AGENTS["tooled"]}, log=log)
    run_id = await service.start(agents=["steady", "tooled"])
    await service.ended(run_id)
    path = f"/v1/runs/{run_id}/events"
    whole, events = _frames(await service.body(f"{path}?framing={name}")), await service.events(run_id)
    monkeypatch.setattr(fold_cache, "PER_VIEW", 1000)
    for way in ("", "&agents=steady,tooled"):  # of the second one nothing is kept
        for behind in (2 * len(events) // 3, len(events) // 2, 9):
            cursor = str(events[-behind].id)
            seen = [n for n, (at, _, _) in enumerate(whole) if at is not None and _seq(at) <= _seq(cursor)]
            rest = whole[seen[-1] + 1 if seen else 0 :]
            before = log.entries_read
            late = [
                _frames(await service.body(f"{path}?framing={name}{way}", **{"Last-Event-ID": cursor}))
                for _ in range(2)
            ]
            assert [frames[-len(rest) :] for frames in late] == [rest, rest], cursor
            assert log.entries_read - before < 2 * behind + FEW, "it has read from the first event"


async def test_a_crowd_of_late_readers_takes_in_what_lies_before_once(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each by itself would read, and hold, all of it: twenty of a long run took half a GiB and twenty seconds."""
    monkeypatch.setattr(dialect_run, "LONG_EVENTS", 100)
    monkeypatch.setattr(subscription, "PAGE_EVENTS", 25)
    monkeypatch.setattr(fold_cache, "CHECKPOINT_EVENTS", 50)
    monkeypatch.setattr(compaction, "MOST_BYTES", 1)
    log = CountingLog()
    service = await serve({"steady": steady}, log=log)
    run_id = await service.start(agents=["steady"])
    await service.ended(run_id)
    events = await service.events(run_id)
    cursor = str(events[-20].id)
    for name in FOLDED:
        before = log.entries_read
        async with asyncio.TaskGroup() as group:
            readers = [
                group.create_task(
                    service.body(f"/v1/runs/{run_id}/events?framing={name}", **{"Last-Event-ID": cursor})
                )
                for _ in range(8)
            ]
        assert len({reader.result() for reader in readers}) == 1
        assert log.entries_read - before < len(events) + 8 * 150, name
    before = log.entries_read
    answer = await service.call("GET", f"/v1/responses/{run_id.replace('run_', 'resp_')}")
    assert log.entries_read - before < 200
    last = _frames(await service.body(f"/v1/runs/{run_id}/events?framing=responses"))[-1]
    assert answer.json["output"] == json.loads(last[2])["response"]["output"]


@pytest.mark.parametrize("name", SPEAKERS)
async def test_a_run_under_way_is_read_in_each(service: Service, name: str) -> None:
    """A stream that begins while agents speak ends with the same words as the native one."""
    run_id = await service.start(agents=["silent", "tooled"])
    body = await service.body(f"/v1/runs/{run_id}/events?framing={name}")
    native = await service.events(run_id)
    told = [each for event in SSEParser().feed(body) for each in pieces(name, event.data)]
    texts = sorted("".join(text for who, text in told if who == agent) for agent in {who for who, _ in told})
    assert texts == sorted(
        "".join(e.data["text"] for e in native if e.data["type"] == "token" and e.data["agent_id"] == agent)
        for agent in ("silent", "tooled")
    )

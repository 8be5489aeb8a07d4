"""The one judge of the fault suite: what a client kept, and what must be true of it whatever happened.

The agents are chains (`tests.workers.agents`): each token names its agent, its number and a hash of the one
before. A client keeps the raw bytes of every connection and the events in them. Shares no code with the
package; owns no fault.
"""

from __future__ import annotations

import asyncio
import gc
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from tests.support.patience import PATIENCE_SECONDS
from tests.support.service import Event, events_in, finished_part
from tests.workers.agents import check

TERMINALS = ("done", "error", "cancelled")
OPEN = ("queued", "running")
"""Statuses of a run that has not ended."""

MEMORY_TOLERANCE_BYTES = 8 * 1024 * 1024
"""What an allocator may keep once all is over."""


@dataclass
class Account:
    """What one client has of one run: the bytes of each connection, and the events of their whole frames."""

    run_id: str
    connections: list[bytes] = field(default_factory=list)
    seen: list[Event] = field(default_factory=list)

    @property
    def cursor(self) -> str | None:
        """The id it comes back with, as an EventSource does."""
        return next((event.id for event in reversed(self.seen) if event.id is not None), None)

    @property
    def ended(self) -> bool:
        """Whether it knows that the run has ended."""
        if not self.seen:
            return False
        last = self.seen[-1]
        return last.type == "run.done" or (last.type == "run.snapshot" and last.data["status"] not in OPEN)

    def take(self, body: bytes) -> None:
        """Note what one connection brought; a frame that was cut counts for nothing."""
        self.connections.append(body)
        self.seen += events_in(finished_part(body))

    async def connect(self, http: ClientSession, url: str, *, most: int | None = None) -> int:
        """Connect once, from the cursor on, and take what comes until it ends, breaks, or has *most* bytes.

        Returns the status; 0 where there was no answer.
        """
        headers = {"Accept-Encoding": "identity"}
        if self.cursor is not None:
            headers["Last-Event-ID"] = self.cursor
        body, status = b"", 0
        try:
            async with http.get(f"{url}/v1/runs/{self.run_id}/events", headers=headers) as answer:
                status = answer.status
                if status == 200:
                    while most is None or len(body) < most:
                        piece = await answer.content.readany()
                        if not piece:
                            break
                        body += piece
        except (ClientError, ConnectionError):
            pass
        finally:
            # Also where this client itself was kicked.
            self.take(body[:most])
        return status

    async def follow(self, http: ClientSession, url: str, *, limit: float = PATIENCE_SECONDS) -> None:
        """Come back again and again until the run has ended."""
        async with asyncio.timeout(limit):
            while not self.ended:
                if await self.connect(http, url) == 204:
                    return
                if not self.ended:
                    await asyncio.sleep(0.05)


async def let_go(*readings: asyncio.Task[int], limit: float = PATIENCE_SECONDS) -> None:
    """Wait until connections have ended, and cut those that do not: two at once would count all twice."""
    _, left = await asyncio.wait(readings, timeout=limit)
    for reading in left:
        reading.cancel()
    if left:
        await asyncio.wait(left)


def patient_session() -> ClientSession:
    """A client without a pool and without time limits: the tests set their own."""
    return ClientSession(timeout=ClientTimeout(), connector=TCPConnector(force_close=True, limit=0))


async def begin(http: ClientSession, url: str, message: str, **keys: Any) -> Account:
    """Start a run, again if the store is unavailable for a moment; return a client's account of it, which is empty."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with http.post(f"{url}/v1/runs", json={"message": message, **keys}) as answer:
                if answer.status != 503:
                    assert answer.status == 201, await answer.text()
                    return Account(str((await answer.json())["run_id"]))
            await asyncio.sleep(0.05)


async def whole_run(http: ClientSession, url: str, run_id: str) -> list[Event]:
    """Read a run from its first event, as a client that was never away has it."""
    account = Account(run_id)
    await account.follow(http, url)
    return account.seen


def judge(
    seen: list[Event], *, links: int | None = None, gaps: bool = False, codes: tuple[str, ...] = ()
) -> None:
    """Check what a client saw of a run that has ended.

    Args:
        links: How long the chain of an agent that is done must be; None for any length.
        gaps: Whether a declared gap is allowed.
        codes: What an agent may have failed of.
    """
    _check_order(seen, gaps=gaps)
    assert seen[-1].type == "run.done" or (gaps and seen[-1].data["status"] != "running")
    assert seen[0].type in ("run.started", "run.gap")
    agents = seen[-1].data["agents"]
    for agent_id, outcome in agents.items():
        attempts = _check_agent(agent_id, seen, links, codes)
        assert outcome["attempt"] == max(attempts, default=outcome["attempt"])


def _check_order(seen: list[Event], *, gaps: bool) -> None:
    """No gap but a declared one, no duplicate, no reordering, and `t` never runs backwards."""
    epoch, at, t, stranded = "", 0, 0, False
    for event in seen:
        if event.type == "run.gap":
            assert gaps, event
            assert event.id is None
            stranded = True
            continue
        now, seq = _place(event)
        if event.type == "run.snapshot":
            assert stranded, "a snapshot follows a gap"
            epoch, at, stranded = now, seq, False
            continue
        assert not stranded, "after a gap comes the snapshot"
        assert (now, seq) == (epoch or now, at + 1), (event, at)
        assert event.data["t"] >= t, (event, t)
        epoch, at, t = now, seq, event.data["t"]


def _place(event: Event) -> tuple[str, int]:
    epoch, _, seq = str(event.id).partition("-")
    return epoch, int(seq)


def _check_agent(agent_id: str, seen: list[Event], links: int | None, codes: tuple[str, ...]) -> set[int]:
    """One terminal for each attempt and nothing of it afterwards; each attempt's text is an unbroken chain.

    Returns the attempts that were seen.
    """
    texts: dict[int, str] = {}
    ends: dict[int, Event] = {}
    now = 0
    for event in seen:
        if event.type == "run.snapshot":
            told = event.data["agents"].get(agent_id)
            if told is not None:
                now, texts[told["attempt"]] = told["attempt"], told["text"]
            continue
        if event.data.get("agent_id") != agent_id:
            continue
        kind = event.data["type"]
        if kind == "started":
            now = event.data["attempt"]
            assert now not in texts, event
            texts[now] = ""
        elif kind == "token":
            assert now not in ends, event
            texts[now] += event.data["text"]
        elif kind in TERMINALS:
            assert event.data["attempt"] not in ends, event
            ends[event.data["attempt"]] = event
    for number, text in texts.items():
        _check_end(agent_id, text, ends.get(number), links, codes)
    last = seen[-1]
    if last.type == "run.done":
        assert set(texts) <= set(ends), f"an attempt of {agent_id} has no end"
    return set(texts) | set(ends)


def _check_end(
    agent_id: str, text: str, end: Event | None, links: int | None, codes: tuple[str, ...]
) -> None:
    said = check(agent_id, text)
    if end is None:
        return
    if end.data["type"] == "done":
        assert end.data["text"] == text
        assert links in (None, said), (agent_id, said)
    elif end.data["type"] == "error":
        assert end.data["code"] in codes, end


def agents_of(seen: list[Event]) -> dict[str, Any]:
    """How each agent ended, by the run's last event."""
    agents: dict[str, Any] = seen[-1].data["agents"]
    return {agent_id: agent["status"] for agent_id, agent in agents.items()}


class Baseline:
    """Tasks, descriptors and memory of this process, to be found again when all is over."""

    def __init__(self) -> None:
        gc.collect()
        self._tasks, self._files, self._memory = _tasks(), _files(), resident_bytes()

    async def restored(
        self, *, limit: float = PATIENCE_SECONDS, memory: int = MEMORY_TOLERANCE_BYTES, files: int = 0
    ) -> None:
        """Wait until all is as it was; fail where it does not come to that.

        Args:
            memory, files: How much more may be there, for what is opened once and kept.
        """
        try:
            async with asyncio.timeout(limit):
                while _tasks() > self._tasks or _files() > self._files + files:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            left = [task.get_name() for task in asyncio.all_tasks()]
            raise AssertionError(
                f"tasks {self._tasks} → {_tasks()}, files {self._files} → {_files()}: {left[:20]}"
            ) from None
        gc.collect()
        grown = resident_bytes() - self._memory
        assert grown < memory, f"memory grew by {grown} bytes"


def _tasks() -> int:
    return len(asyncio.all_tasks())


def _files() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident_bytes(pid: int | str = "self") -> int:
    """Return how much memory a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

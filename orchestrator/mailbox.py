"""The bounded buffer between one agent and the merge; owns the joining of neighbouring tokens.

The agent's task offers, one drainer fetches. Nothing else holds an agent back: a mailbox is
full when `limit` items (or `MAX_CHARS` characters) that nobody has fetched lie in it.
"""

from __future__ import annotations

import asyncio
from collections import deque

from .events import Payload, Reasoning, Token

MAX_CHARS = 256 * 1024
"""Characters held before the agent waits, however few items they came in: a memory guard."""

MAX_EVENT_CHARS = 32 * 1024
"""Longest text of one event; a longer one is cut, so that no frame outgrows a slow client's window."""


class _Gather:
    """Neighbouring pieces of one kind, speaker and parent, not yet joined."""

    __slots__ = ("chars", "kind", "parent", "pieces", "speaker")

    def __init__(
        self, kind: type[Token] | type[Reasoning], text: str, speaker: str | None, parent: str | None
    ):
        self.kind = kind
        self.pieces = [text]
        self.chars = len(text)
        self.speaker = speaker
        self.parent = parent

    def join(self) -> Payload:
        return self.kind("".join(self.pieces), self.speaker, self.parent)


class Mailbox:
    """What one agent said and nobody has fetched yet.

    Args:
        agent_id: Whose it is.
        limit: Items before the agent is held back; a joined token counts as the pieces it has.
        coalesce_s: Least time between two fetches of text; other events never wait for it.
    """

    def __init__(self, agent_id: str, *, limit: int = 256, coalesce_s: float = 0.0) -> None:
        self.agent_id = agent_id
        self._limit = limit
        self._coalesce = coalesce_s
        self._queue: deque[Payload | _Gather] = deque()
        self._tail: _Gather | None = None
        self._items = 0
        self._chars = 0
        self._closed = False
        self._urgent = False
        self._not_before = 0.0
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """Count the items that wait, before joining."""
        return self._items

    @property
    def closed(self) -> bool:
        """Whether nothing more can come."""
        return self._closed

    @property
    def full(self) -> bool:
        return self._items >= self._limit or self._chars >= MAX_CHARS

    def say(
        self,
        text: str,
        kind: type[Token] | type[Reasoning] = Token,
        speaker: str | None = None,
        parent: str | None = None,
    ) -> bool:
        """Add a piece of text; return whether there is room for more (else await `room`)."""
        tail = self._tail
        size = len(text)
        if (
            tail is not None
            and tail.kind is kind
            and tail.speaker == speaker
            and tail.parent == parent
            and tail.chars + size <= MAX_EVENT_CHARS
        ):
            tail.pieces.append(text)
            tail.chars += size
        else:
            self._tail = tail = _Gather(kind, text, speaker, parent)
            self._queue.append(tail)
        self._items += 1
        self._chars += size
        if self._reader is not None:
            self._wake_reader()
        return self._items < self._limit and self._chars < MAX_CHARS

    def post(self, payload: Payload) -> bool:
        """Add an event that is not text; return whether there is room for more."""
        self._tail = None
        self._queue.append(payload)
        self._items += 1
        self._urgent = True
        self._wake_reader()
        return not self.full

    async def room(self) -> None:
        """Wait until the mailbox is not full. One waiter at a time; cancelling is safe."""
        while self.full and not self._closed:
            self._writer = asyncio.get_running_loop().create_future()
            try:
                await self._writer
            finally:
                self._writer = None

    def close(self) -> None:
        """Say that nothing more comes; what is in it can still be fetched."""
        self._closed = True
        self._urgent = True
        self._wake_reader()
        self._wake_writer()

    async def fetch(self, most: int) -> list[Payload]:
        """Wait for events and take up to *most* of them; an empty list means closed and empty.

        Cancelling is safe: nothing is taken before it returns.
        """
        return self.take(most) if await self.ready() else []

    async def ready(self) -> bool:
        """Wait until there is something to take; False means closed and empty. Cancelling is safe."""
        while not self._queue:
            if self._closed:
                return False
            await self._wait()
        if self._coalesce and not self._urgent:
            await self._gather()
        return True

    async def _gather(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._urgent and not self.full and (left := self._not_before - loop.time()) > 0:
            timer = loop.call_later(left, self._wake_reader)
            try:
                await self._wait()
            finally:
                timer.cancel()

    async def _wait(self) -> None:
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def take(self, most: int) -> list[Payload]:
        """Take up to *most* events, oldest first, joined where they are neighbours."""
        queue = self._queue
        batch: list[Payload] = []
        while queue and len(batch) < most:
            item = queue.popleft()
            if isinstance(item, _Gather):
                self._items -= len(item.pieces)
                self._chars -= item.chars
                batch.append(item.join())
            else:
                self._items -= 1
                batch.append(item)
        if not queue:
            self._tail = None
            self._urgent = self._closed
        if self._coalesce:
            self._not_before = asyncio.get_running_loop().time() + self._coalesce
        if not self.full:
            self._wake_writer()
        return batch

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _wake_writer(self) -> None:
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

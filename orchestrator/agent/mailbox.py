"""The bounded buffer between one agent and the merge; owns the joining of neighbouring tokens.

The agent's task offers, the merge fetches. Nothing else holds an agent back: a mailbox is
full when `limit` items (or `MAX_CHARS` characters) that nobody has fetched lie in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..events.agent import Reasoning, Token
from ..events.base import Payload

MAX_CHARS = 256 * 1024
"""Characters held before the agent waits, however few items they came in: a memory guard."""

MAX_EVENT_CHARS = 32 * 1024
"""Longest text of one event; a longer one is cut, so that no frame outgrows a slow client's window."""

BURST_PIECES = 64
"""Most pieces in a row that are put into a mailbox before anybody looks at them."""

BURST_PIECE_CHARS = 256
"""Longest of them: a token is shorter."""

BURST_CHARS = BURST_PIECES * BURST_PIECE_CHARS
"""What they come to at most."""


class Burst:
    """Pieces of text in a row that nobody has looked at yet; each costs no more than to put it into a list.

    Args:
        judge: Is called once, when somebody asks for what is in the mailbox, or something else comes: it may put all
            of them into the mailbox then.
    """

    __slots__ = ("judge", "pieces")

    def __init__(self, judge: Callable[[list[str]], None]) -> None:
        self.judge = judge
        self.pieces: list[str] = []


class _Gather:
    """Neighbouring pieces of one kind, speaker and parent, not yet joined."""

    __slots__ = ("chars", "count", "kind", "parent", "pieces", "plain", "speaker")

    def __init__(
        self, kind: type[Token] | type[Reasoning], text: str, speaker: str | None, parent: str | None
    ):
        self.kind = kind
        self.pieces = [text]
        self.chars = len(text)
        self.count = 1
        self.speaker = speaker
        self.parent = parent
        self.plain = kind is Token and speaker is None and parent is None

    def join(self) -> Payload:
        pieces = self.pieces
        return self.kind(pieces[0] if len(pieces) == 1 else "".join(pieces), self.speaker, self.parent)


class _Heavy:
    """An event that counts as several items."""

    __slots__ = ("payload", "weight")

    def __init__(self, payload: Payload, weight: int) -> None:
        self.payload = payload
        self.weight = weight


class Mailbox:
    """The events of one agent that nobody has fetched yet.

    Args:
        agent_id: Whose it is.
        limit: Items before the agent is held back; a joined token counts as the pieces it has.
        coalesce_s: Least time between two takes of text; other events never wait for it.
    """

    def __init__(self, agent_id: str, *, limit: int = 256, coalesce_s: float = 0.0) -> None:
        self.agent_id = agent_id
        self.has_spoken = False
        """Whether text of it was ever taken."""
        self.has_joined = False
        """Whether the newest token came while another one waited."""
        self._limit = limit
        self._coalesce = coalesce_s
        self._queue: list[Payload | _Gather | _Heavy] = []  # an empty deque holds 0.7 KiB
        self._tail: _Gather | None = None
        self._items = 0
        self._chars = 0
        self._closed = False
        self._urgent = False
        self._not_before = 0.0
        self._on_ready: Callable[[Mailbox], None] | None = None
        self._announced = False
        self._timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.Future[None] | None = None
        self._burst: Burst | None = None

    def __len__(self) -> int:
        """Count the items that wait, before joining."""
        return self._items if self._burst is None else self._items + len(self._burst.pieces)

    @property
    def closed(self) -> bool:
        """Whether nothing more can come."""
        return self._closed

    @property
    def drained(self) -> bool:
        """Whether all was taken and nothing more can come."""
        return self._closed and not self._queue

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
        self.end_burst()
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
            tail.count += 1
        else:
            self._tail = tail = _Gather(kind, text, speaker, parent)
            self._queue.append(tail)
        self._items = items = self._items + 1
        self._chars = chars = self._chars + size
        if not self._announced:
            self._announce()
        return items < self._limit and chars < MAX_CHARS

    def more(self, text: str, pieces: int = 1) -> bool:
        """As `say` of a token of the agent's own, for less: most events are such.

        Args:
            pieces: Of so many, which came in a row, *text* is joined.
        """
        if self._burst is not None:
            self.end_burst()
        tail = self._tail
        size = len(text)
        self.has_joined = tail is not None
        if tail is None or not tail.plain or tail.chars + size > MAX_EVENT_CHARS:
            self._tail = tail = _Gather(Token, text, None, None)
            self._queue.append(tail)
            tail.count = pieces
        else:
            tail.pieces.append(text)
            tail.chars += size
            tail.count += pieces
        self._items = items = self._items + pieces
        self._chars = chars = self._chars + size
        if not self._announced:
            self._announce()
        return items < self._limit and chars < MAX_CHARS

    def begin_burst(self, judge: Callable[[list[str]], None]) -> list[str] | None:
        """Return a list for up to `BURST_PIECES` pieces that come next, each of up to `BURST_PIECE_CHARS`.

        None if no text waits that they would join, or there is no room for all of them.

        Args:
            judge: Puts what it is called with into the mailbox, before anybody sees what is in it.
        """
        tail = self._tail
        if (
            tail is None
            or self._items + BURST_PIECES >= self._limit
            or self._chars + BURST_CHARS >= MAX_CHARS
        ):
            return None
        self._burst = burst = Burst(judge)
        return burst.pieces

    def end_burst(self) -> None:
        """Have looked at what came in a row."""
        burst, self._burst = self._burst, None
        if burst is not None:
            burst.judge(burst.pieces)

    def post(self, payload: Payload, *, weight: int = 1) -> bool:
        """Add an event that is not text; return whether there is room for more.

        Args:
            weight: How many items it counts as, so that few large ones fill a mailbox, too.
        """
        self.end_burst()
        self._tail = None
        self._queue.append(payload if weight == 1 else _Heavy(payload, weight))
        self._items += weight
        self._urgent = True
        self._announce()
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
        if self._closed:
            return
        self.end_burst()
        self._closed = True
        self._urgent = True
        self._announce()
        self._wake_writer()

    def watch(self, on_ready: Callable[[Mailbox], None]) -> None:
        """Call *on_ready* when there is something to take, or nothing will be any more; once before each take."""
        self._on_ready = on_ready
        self._announced = False
        if self._queue or self._closed:
            self._announce()

    def take(self, most: int) -> list[Payload]:
        """Take up to *most* events, oldest first, joined if they are neighbours."""
        self.end_burst()
        taken, queue = self._queue, self._queue[most:]
        self._queue = queue
        del taken[most:]
        batch: list[Payload] = []
        for item in taken:
            if isinstance(item, _Gather):
                self._items -= item.count
                self._chars -= item.chars
                self.has_spoken = True
                batch.append(item.join())
            elif isinstance(item, _Heavy):
                self._items -= item.weight
                batch.append(item.payload)
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
        self._announced = False
        if queue:
            self._announce()
        return batch

    def _announce(self) -> None:
        if self._announced or self._on_ready is None or self._gathering():
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._announced = True
        self._on_ready(self)

    def _gathering(self) -> bool:
        """Whether the text shall wait for more; if so, see to it that it is announced in time."""
        if not self._coalesce or self._urgent or self.full:
            return False
        loop = asyncio.get_running_loop()
        left = self._not_before - loop.time()
        if left > 0 and self._timer is None:
            self._timer = loop.call_later(left, self._due)
        return left > 0

    def _due(self) -> None:
        self._timer = None
        self._not_before = 0.0
        self._announce()

    def _wake_writer(self) -> None:
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)


def cut(text: str) -> tuple[str, ...] | list[str]:
    """Return *text* in pieces of which each may be an event."""
    if len(text) <= MAX_EVENT_CHARS:
        return (text,) if text else ()
    return [text[i : i + MAX_EVENT_CHARS] for i in range(0, len(text), MAX_EVENT_CHARS)]

"""The `EventLog` Protocol, which every store of events implements; entries and cursors.

Owns no storage. A log is a set of channels; a channel is an ordered list of entries whose ids are
`<epoch>-<seq>`. Every implementation is held by `tests/contract/test_eventlog.py`.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from ..errors import GapError, GapReason
from .cluster import Cluster
from .run_store import Fence, RunStore

_CURSOR = re.compile(r"([a-z0-9]{4,16})-(0|[1-9][0-9]{0,18})", re.ASCII)
_MAX_SEQ = 2**63 - 1


def new_epoch() -> str:
    """Make the name of a new log incarnation: 8 characters, 40 random bits."""
    return base64.b32encode(os.urandom(5)).decode().lower()


class Draft(NamedTuple):
    """An event that is not yet in the log. `agent_id` is None for the run's own; `data` is one line of JSON."""

    run_id: str
    agent_id: str | None
    type: str
    data: bytes


class Entry(msgspec.Struct, gc=False, eq=False):
    """One event of a channel's log. Its bytes are made once and shared by all readers.

    Not for the garbage collector, which would stop every stream while it walks over a log of millions; it holds
    nothing that could refer to it.

    Attributes:
        frame: The entry as the commonest framing writes it, kept by `framing.sse` after the first time.
    """

    epoch: str
    seq: int
    run_id: str
    agent_id: str | None
    type: str
    data: bytes
    frame: bytes | None = None

    @property
    def id(self) -> str:
        return f"{self.epoch}-{self.seq}"

    def __repr__(self) -> str:
        return f"<Entry {self.id} {self.run_id} {self.agent_id or 'run'}.{self.type}>"


class Cursor(NamedTuple):
    """The last entry a reader has seen; `seq` 0 stands before the first."""

    epoch: str
    seq: int


class Bounds(NamedTuple):
    """A channel's bounds: `first` is the oldest entry's seq and `last` the newest's; empty: first = last + 1."""

    epoch: str
    first: int
    last: int

    def id(self, seq: int) -> str | None:
        """Spell the id of *seq*; None if the channel is empty."""
        return f"{self.epoch}-{seq}" if self.first <= self.last else None


Take = Callable[[list["Entry"]], bool]
"""What a reader does with entries in the turn in which they are appended; False if it cannot just now."""


class EventLog(Protocol):
    """Ordered, append-only channels.

    Writers never wait for readers. What `append` returned can be read by everybody.
    """

    async def start(self) -> None:
        """Open the store; further calls do nothing. A store that was not started opens at its first use.

        Raises:
            ConfigError: It cannot be used as it is configured.
            LogUnavailable: It does not answer.
        """
        ...

    async def append(
        self, channel: str, drafts: Sequence[Draft], *, fence: Fence | None = None
    ) -> list[Entry]:
        """Add *drafts* in order as one write, make the channel if need be, then wake its readers.

        Args:
            fence: Checked in the same atomic step; None is not checked.
        Raises:
            Fenced: Another worker owns the run of *fence*, or it was forgotten; nothing was added.
            LogUnavailable: The store does not answer.
        """
        ...

    async def open(self, channel: str) -> Bounds:
        """Return what the channel holds; make it if it does not exist.

        An empty channel that nobody waits for any more may go again.
        """
        ...

    async def read(self, channel: str, after: Cursor, *, most: int) -> list[Entry]:
        """Return up to *most* entries later than *after*, oldest first; empty if there is none yet.

        Erased entries are left out.

        Raises:
            GapError: *after* was trimmed, is ahead, or is of another incarnation of the channel.
        """
        ...

    async def read_run(self, channel: str, run_id: str, after: Cursor | None, *, most: int) -> list[Entry]:
        """Return up to *most* of one run's entries later than *after*, oldest first; empty if there is none yet.

        What it costs depends on the run, not on the others in its channel.

        Args:
            after: None stands before the first that there is.
        Raises:
            GapError: As `read` does. LogUnavailable: The store does not answer.
        """
        ...

    async def wait(self, channel: str, after: Cursor, seconds: float, *, take: Take | None = None) -> bool:
        """Wait until there is an entry later than *after*; False after *seconds*. Cancelling is safe.

        Spurious wake-ups are allowed: a reader looks again.

        Args:
            take: A log may offer it what this process appends, in the turn in which that is in the log; while it takes
                all, the reader waits on. It never raises, and gets each entry once, in order.
        """
        ...

    async def erase(self, channel: str, run_id: str) -> None:
        """Forget a run's entries. The other runs' ids stay; a channel with no entry left goes as a whole."""
        ...

    async def shrink(self, size: int) -> None:
        """Drop the oldest entries, of the largest channels first, until at most *size* bytes are held."""
        ...

    async def aclose(self) -> None:
        """Release the store; readers that wait are woken."""
        ...

    @property
    def available(self) -> bool:
        """Whether the store answered lately."""
        ...

    @property
    def size(self) -> int:
        """Bytes held, roughly."""
        ...


class Store(EventLog, RunStore, Protocol):
    """The store that `open.open_log` makes: events and runs in one place, and what workers share there."""

    def cluster(self) -> Cluster | None:
        """Return what the workers on this store share; None if only one process can use it."""
        ...


def parse_cursor(text: str) -> Cursor | None:
    """Read `<epoch>-<seq>`; None if *text* is not of that form, however odd it is."""
    match = _CURSOR.fullmatch(text)
    if match is None or (seq := int(match[2])) > _MAX_SEQ:
        return None
    return Cursor(match[1], seq)


def check_cursor(cursor: Cursor, bounds: Bounds) -> None:
    """Raise GapError unless a reader at *cursor* can go on within *bounds*."""
    reason: GapReason
    if cursor.epoch != bounds.epoch:
        reason = "epoch"
    elif cursor.seq > bounds.last:
        reason = "ahead"
    elif cursor.seq < bounds.first - 1:
        reason = "trimmed"
    else:
        return
    raise make_gap(reason, bounds)


def make_gap(reason: GapReason, bounds: Bounds) -> GapError:
    """Build the GapError for *reason* with the ids of *bounds*."""
    return GapError(reason, earliest=bounds.id(bounds.first), latest=bounds.id(bounds.last))

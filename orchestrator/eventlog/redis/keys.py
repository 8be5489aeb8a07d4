"""The names of our keys in Redis.

In a Redis Cluster a prefix is a hash tag, so that whatever begins with it is in one slot. A channel's name stands in
braces, too, which counts if there is no other tag before it.
"""

from __future__ import annotations

from typing import NamedTuple


class ChannelKeys(NamedTuple):
    """One channel: `meta` (hash), `log` (stream), `runs` (hash: run → token that may append)."""

    meta: str
    log: str
    runs: str


class Keys:
    """All names under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.sizes = f"{prefix}sizes"
        """Sorted set: channel → bytes."""
        self.total = f"{prefix}total"
        self.incarnation = f"{prefix}incarnation"
        """Random, made once; another one means that everything was flushed."""
        self.server = f"{prefix}server"
        """Which server process this was when it was looked at last."""
        self.generation = f"{prefix}generation"
        """Grows when the server may have lost writes that it had confirmed; what a channel holds is of one."""
        self.notices = f"{prefix}notices"
        """Stream: channels from which events were erased."""
        self.runs = f"{prefix}runs"
        """Sorted set: run → its place in the order in which they began."""
        self.ended = f"{prefix}ended"
        """Sorted set: ended run → when it ended (ms)."""
        self.idempotency = f"{prefix}keys"
        """Hash: idempotency key → the run that it started."""
        self.workers = f"{prefix}workers"
        """Sorted set: worker → when its lease ends (ms)."""
        self.work = f"{prefix}work"
        """Stream with a consumer group: runs that wait for an executor."""
        self.work_ids = f"{prefix}work:ids"

        self.guards = (self.incarnation, f"{prefix}nothing")
        """One that is there from the start on, and one that never is. While a Redis Cluster moves their slot, a
        script that declares both is refused as a whole; it would otherwise end half-way, at the first key that
        has moved already."""

    def channel(self, channel: str) -> ChannelKeys:
        stem = f"{self.prefix}{{{channel}}}:"
        return ChannelKeys(f"{stem}meta", f"{stem}log", f"{stem}runs")

    def run(self, run_id: str) -> str:
        return f"{self.prefix}run:{run_id}"

    def took(self, take: str) -> str:
        """Name what one call took of the work."""
        return f"{self.work}:took:{take}"

    def inbox(self, name: str) -> str:
        """Name the stream of what is sent to one process."""
        return f"{self.prefix}inbox:{name}"

    def turns(self, conversation_id: str, agent_id: str) -> str:
        return f"{self.prefix}turns:{conversation_id}:{agent_id}"

    def holder(self, conversation_id: str) -> str:
        return f"{self.prefix}holder:{conversation_id}"

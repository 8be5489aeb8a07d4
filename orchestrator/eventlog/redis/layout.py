"""How the keys of a log are named, and in how many partitions they lie. Fixed when the log is made; owns no connection.

The first layout has no tenant and one partition. A log of it stays as it is, so that this release and the one before
can share it; a new log has the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from ..open import wrong_log

TENANT = "default"
"""There is one tenant until there are more."""

PARTITIONS = 16
"""Of a new log in a Redis Cluster. So many shards can share it, and a worker has up to three connections to each."""

CHOOSE = """#!lua flags=allow-oom
-- KEYS: layout, what any log of the first layout has. ARGV: the layout of a log that is new.
local kept = redis.call('GET', KEYS[1])
if kept then return kept end
local chosen = ARGV[1]
for n = 2, #KEYS do
  if redis.call('EXISTS', KEYS[n]) == 1 then chosen = '1 1' end
end
redis.call('SET', KEYS[1], chosen)
return chosen
"""
"""Sent as text: what it decides comes before anything else."""


class Layout(NamedTuple):
    """Which names the keys have, and the number of partitions."""

    version: int
    partitions: int

    def __str__(self) -> str:
        return f"{self.version} {self.partitions}"

    def prefix(self, root: str) -> str:
        """Return what the names of all keys begin with that no partition has, if those of the log begin with *root*."""
        return root if self.version == 1 else f"{root}{TENANT}:"


FIRST, SECOND = Layout(1, 1), Layout(2, 1)


def partition_tags(prefix: str, layout: Layout) -> Iterator[str]:
    """Yield what the keys of each partition begin with.

    Their hash tags are chosen so that the slots are as far from each other as they can be: a cluster gives each shard
    a range of slots, and so each gets as many partitions as any other.
    """
    for n in range(layout.partitions):
        low, high = (m * REDIS_CLUSTER_HASH_SLOTS // layout.partitions for m in (n, n + 1))
        tags = (f"{prefix}{TENANT}:{n:02d}{f'.{more}' if more else ''}" for more in count())
        yield f"{{{next(tag for tag in tags if low <= key_slot(tag.encode()) < high)}}}:"


def choose_layout(root: str, new: Layout) -> list[str | int]:
    """Spell the command that returns a log's layout; a log that does not exist gets the *new* one."""
    keys = [f"{root}{name}" for name in ("layout", "incarnation", "runs", "sizes")]
    return ["EVAL", CHOOSE, len(keys), *keys, str(new)]


def read_layout(raw: bytes) -> Layout:
    """Read a layout as it is kept.

    Raises:
        ConfigError: A later release made it.
    """
    words = bytes(raw).decode(errors="replace").split()
    if len(words) != 2 or not all(word.isdecimal() for word in words) or int(words[0]) not in (1, 2):
        raise wrong_log(
            f"a later release made this log (its layout is {' '.join(words)!r}); use that release"
        )
    return Layout(int(words[0]), max(1, int(words[1])))

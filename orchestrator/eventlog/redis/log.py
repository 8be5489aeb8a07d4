"""The log in Redis or Valkey Streams: shared by several workers, and there after they are gone.

Owns which server it is in and what its keys are named; the rest is `partition`'s.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from ...errors import LogUnavailable
from ..cluster import Cluster
from .cluster import RedisCluster
from .connection.address import parse_address
from .connection.client import PATIENCE_SECONDS, RedisClient
from .connection.connection import Exchange
from .connection.failures import Refusal
from .keys import Keys
from .layout import SECOND, Layout, choose_layout, read_layout
from .partitioned.partition import RedisPartition

log = structlog.get_logger(__name__)

MAX_CHANNEL_BYTES = 64 * 1024 * 1024


class RedisLog(RedisPartition):
    """An `EventLog` and `RunStore` in Redis (or Valkey) 7.0 or later.

    While Redis is unavailable, readers wait and go on by themselves when it is back: `read` finds nothing then,
    and `wait` waits. Every other call raises `LogUnavailable` within about *patience_s*.
    After `LogUnavailable` the same `append` may be made again: its drafts are added once.

    Args:
        url: ``redis://[user:password@]host[:port][/db][?prefix=…]``, or of another of the `SCHEMES`.
        max_channel_bytes: A channel that grows beyond this loses its oldest entries, and readers
            that stood there get a gap.
        patience_s: How long a call waits for a Redis that does not answer.
        ahead: Seconds by which Redis' clock is taken to be late; for tests.
        new: The layout of a log that does not exist.

    Raises:
        ConfigError: *url* is wrong; from `start`, the server cannot be used, or a later release made the log.
    """

    def __init__(
        self,
        url: str,
        *,
        max_channel_bytes: int = MAX_CHANNEL_BYTES,
        patience_s: float = PATIENCE_SECONDS,
        ahead: Callable[[], float] = float,
        new: Layout = SECOND,
    ) -> None:
        address = parse_address(url)
        self._root = address.key_prefix
        self.layout = new
        self._is_stale = False
        super().__init__(
            RedisClient(address, patience_s=patience_s), Keys(self.layout.prefix(self._root)),
            max_channel_bytes=max_channel_bytes, ahead=ahead,
        )  # fmt: skip
        self._cluster: Cluster | None = None

    async def _prepare(self) -> None:
        await self._link.check()
        self.layout = read_layout(await self._link.ask_first(choose_layout(self._root, self.layout)))
        self.keys = Keys(self.layout.prefix(self._root))

    @property
    def patience_s(self) -> float:
        """Return how long a call waits for a Redis that does not answer."""
        return self._link.patience_s

    async def _flushed(self, exchange: Exchange) -> None:
        """Keep the layout over a flush; if another release has begun the log anew meanwhile, do not write beside it."""
        (answer,) = await exchange([choose_layout(self._root, self.layout)])
        if isinstance(answer, Refusal) or bytes(answer).decode() == str(self.layout):
            return
        self._is_stale = True
        log.error("redis_layout_changed", address=str(self._link.address), advice="start this worker again")

    async def ready(self) -> None:
        await super().ready()
        if self._is_stale:
            raise LogUnavailable(
                "The log was flushed and begun anew by another release; start this worker again."
            )

    @property
    def available(self) -> bool:
        return super().available and not self._is_stale

    def cluster(self) -> Cluster:
        if self._cluster is None:
            self._cluster = RedisCluster(self)
        return self._cluster

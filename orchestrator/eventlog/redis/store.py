"""From a Redis' address to its store: one server's log, or one that is spread over a Redis Cluster."""

from __future__ import annotations

from .connection.address import parse_address
from .log import RedisLog
from .partitioned.log import PartitionedLog


def open_store(url: str) -> RedisLog | PartitionedLog:
    """Make the store of a Redis' address. Raises ConfigError."""
    return PartitionedLog(url) if parse_address(url).kind == "cluster" else RedisLog(url)

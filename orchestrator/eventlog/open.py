"""From a log's address to the log. Imports a store only where it is asked for."""

from __future__ import annotations

from ..errors import ConfigError, ConfigProblem
from .base import Store
from .cluster import Cluster
from .memory.log import MemoryLog


def open_log(url: str) -> Store:
    """Make the log that *url* names; nothing is opened before its `start`.

    Raises:
        ConfigError: No store has that address, or it has an option that the store does not know.
    """
    scheme = url.partition(":")[0]
    if scheme == "memory":
        return MemoryLog()
    if scheme == "sqlite":
        from .sqlite.log import SQLiteLog
        from .sqlite.schema import parse_address

        return SQLiteLog(parse_address(url))
    if scheme in ("redis", "rediss"):
        return _open_redis(url)
    # Not the whole address: it may hold a password.
    message = f"{scheme}: names no store; use memory:, sqlite:///path.db or redis://host:port/db"
    raise ConfigError([ConfigProblem("orchestrator serve", None, "--log", message)])


def cluster_of(store: Store) -> Cluster | None:
    """Return what the workers on *store* share; None where only one process can use it."""
    if isinstance(store, MemoryLog) or "redis" not in type(store).__module__:
        return None  # and redis-py need not be there
    from .redis.cluster import RedisCluster
    from .redis.log import RedisLog

    return RedisCluster(store) if isinstance(store, RedisLog) else None


def _open_redis(url: str) -> Store:
    try:
        from .redis.log import RedisLog
    except ModuleNotFoundError as exc:
        if exc.name != "redis":
            raise
        message = "the Redis log needs redis-py; install fanin-orchestrator[redis]"
        raise ConfigError([ConfigProblem("orchestrator serve", None, "--log", message)]) from exc
    return RedisLog(url)

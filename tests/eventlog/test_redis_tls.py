"""TLS to one server, to a primary that Sentinels name over TLS, and to the nodes of a Redis Cluster: all of it real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from orchestrator.errors import LogUnavailable
from orchestrator.eventlog.base import Cursor, Draft
from orchestrator.eventlog.redis.connection import endpoints
from orchestrator.eventlog.redis.log import RedisLog
from orchestrator.eventlog.redis.partitioned.log import PartitionedLog
from tests.support.patience import PATIENCE_SECONDS, soon

from ..support.redis_server import redis_server
from ..support.redis_topologies import Certificate, redis_nodes, redis_watched

DRAFT = Draft("r", "agent", "token", b"{}")
Topology = Callable[[Path, Certificate], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def server(folder: Path, certificate: Certificate) -> AsyncIterator[str]:
    async with redis_server(folder, **certificate.options()) as one:
        yield f"rediss://127.0.0.1:{one.tls_port}/0"


@asynccontextmanager
async def sentinel(folder: Path, certificate: Certificate) -> AsyncIterator[str]:
    async with redis_watched(folder, certificate=certificate) as watched:
        yield watched.tls_url


@asynccontextmanager
async def cluster(folder: Path, certificate: Certificate) -> AsyncIterator[str]:
    async with redis_nodes(folder, primaries=2, certificate=certificate) as nodes:
        yield nodes.tls_url


@pytest.mark.parametrize("topology", [server, sentinel, cluster])
async def test_log_over_tls_checks_the_servers_certificate(
    topology: Topology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody is given up because a slow machine takes its time to shake hands.
    monkeypatch.setattr(endpoints, "LOOK_UP_SECONDS", PATIENCE_SECONDS)
    certificate = Certificate.make(tmp_path)
    (tmp_path / "other").mkdir()
    stranger = Certificate.make(tmp_path / "other")
    async with topology(tmp_path / "redis", certificate) as url:
        kind = PartitionedLog if topology is cluster else RedisLog
        log, other = (
            kind(f"{url}?ssl_ca_certs={certificate.file}", patience_s=PATIENCE_SECONDS) for _ in range(2)
        )
        await log.start()
        (entry,) = await log.append("c", [DRAFT])
        after = Cursor(entry.epoch, entry.seq - 1)
        assert await soon(other.wait("c", after, 60))
        assert [each.id for each in await other.read("c", after, most=9)] == [entry.id]
        for one in (log, other):
            await one.aclose()
        for wrong in (f"{url}?ssl_ca_certs={stranger.file}", url.replace("rediss", "redis", 1)):
            refused = kind(wrong, patience_s=0.5)
            with pytest.raises(LogUnavailable):
                await soon(refused.start())
            await refused.aclose()

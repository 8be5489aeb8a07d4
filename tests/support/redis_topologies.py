"""A Redis Cluster of real nodes, and a primary with a replica that a real Sentinel watches.

Owns how they are made and brought to agree; the processes are `redis_server`'s.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from redis import exceptions

from tests.support.listening import free_port

from .parts import require
from .patience import PATIENCE_SECONDS
from .redis_server import RedisServer, redis_server

SLOTS = 16384
NODE_TIMEOUT_MS = "1000"
SERVICE = "main"


class Certificate(NamedTuple):
    """A certificate for 127.0.0.1 that is its own authority."""

    file: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        one = cls(folder / "own.pem", folder / "own.key")
        subprocess.run(
            [require("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", one.key, "-out", one.file, "-days", "2", "-subj", "/CN=redis",
             "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip
        return one

    def options(self, **more: str) -> dict[str, str]:
        """Return the lines of a server's configuration."""
        files = {
            "tls_cert_file": str(self.file),
            "tls_key_file": str(self.key),
            "tls_ca_cert_file": str(self.file),
        }
        return {"tls_port": str(free_port()), "tls_auth_clients": "no", **files, **more}


def _facts(answer: Any) -> dict[str, str]:
    """Read what redis-py has parsed already, text of lines, or a list of names and values."""
    if isinstance(answer, dict):
        return {str(name): str(value) for name, value in answer.items()}
    if isinstance(answer, list):
        words = [each.decode() if isinstance(each, bytes) else str(each) for each in answer]
        return dict(zip(words[::2], words[1::2], strict=True))
    return dict(row.split(":", 1) for row in bytes(answer).decode().splitlines() if ":" in row)


async def _until(node: RedisServer, *command: str, **facts: str) -> None:
    """Wait until the answer of *command* says all *facts*."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                told = _facts(await node.ask(*command))
            except exceptions.RedisError:
                told = {}
            if facts.items() <= told.items():
                return
            await asyncio.sleep(0.05)


class RedisNodes:
    """The nodes of one cluster: as many primaries as were asked for, then their replicas."""

    def __init__(self, nodes: list[RedisServer], primaries: int) -> None:
        self.nodes = nodes
        self.primaries = nodes[:primaries]

    @property
    def tls_url(self) -> str:
        return "rediss+cluster://" + ",".join(f"127.0.0.1:{node.tls_port}" for node in self.nodes)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    async def owner_of(self, slot: int) -> RedisServer:
        """Return the node that has the slot."""
        for node in self.nodes:
            try:
                rows = await node.ask("CLUSTER", "SLOTS")
            except exceptions.RedisError:
                continue
            for first, last, primary, *_ in rows:
                if first <= slot <= last:
                    return next(each for each in self.nodes if each.port == primary[1])
        raise LookupError(slot)

    async def move(self, slot: int, to: RedisServer, *, first: str = "") -> AsyncIterator[None]:
        """Move the slot to another primary, key by key, as `redis-cli --cluster reshard` does.

        Yields once: when nothing has moved but the key *first*.
        """
        source = await self.owner_of(slot)
        ids = {node: bytes(await node.ask("CLUSTER", "MYID")).decode() for node in (source, to)}
        await to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[to])
        await source.ask("MIGRATE", "127.0.0.1", to.port, first, 0, 5000)
        yield
        while keys := await source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1):
            for key in keys:
                await source.ask("MIGRATE", "127.0.0.1", to.port, key, 0, 5000)
        for node in (to, source):
            await node.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[to])

    async def form(self) -> None:
        """Share the slots out, make the nodes known to each other, and wait until they agree."""
        first, count = self.nodes[0], len(self.primaries)
        for n, node in enumerate(self.nodes):
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
            if node in self.primaries:
                await node.ask("CLUSTER", "ADDSLOTSRANGE", n * SLOTS // count, (n + 1) * SLOTS // count - 1)
            await node.ask("CLUSTER", "MEET", "127.0.0.1", first.port, await self._bus_port(first))
        for node in self.nodes:
            await _until(node, "CLUSTER", "INFO", cluster_known_nodes=str(len(self.nodes)))
        for n, node in enumerate(self.nodes[count:]):
            primary = self.primaries[n % count]
            await node.ask("CLUSTER", "REPLICATE", bytes(await primary.ask("CLUSTER", "MYID")))
            await _until(node, "INFO", "replication", master_link_status="up")
        for node in self.nodes:
            await _until(node, "CLUSTER", "INFO", cluster_state="ok")

    @staticmethod
    async def _bus_port(node: RedisServer) -> bytes:
        (_, port) = await node.ask("CONFIG", "GET", "cluster-port")
        return bytes(port)


@asynccontextmanager
async def redis_nodes(
    folder: Path, *, primaries: int, replicas: int = 0, certificate: Certificate | None = None
) -> AsyncIterator[RedisNodes]:
    """Run a cluster while inside; with a *certificate* its nodes speak TLS with each other and at a further port."""
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                redis_server(
                    folder / f"node{n}",
                    cluster_enabled="yes",
                    cluster_port=str(free_port()),
                    cluster_node_timeout=NODE_TIMEOUT_MS,
                    cluster_replica_validity_factor="0",
                    repl_diskless_sync_delay="0",
                    **({} if certificate is None else certificate.options(tls_cluster="yes")),
                )
            )
            for n in range(primaries + replicas)
        ]
        cluster = RedisNodes(nodes, primaries)
        await cluster.form()
        yield cluster


class Watched:
    """A primary, its replica, and the Sentinel that watches them."""

    def __init__(self, primary: RedisServer, replica: RedisServer, sentinel: RedisServer) -> None:
        self.primary, self.replica, self.sentinel = primary, replica, sentinel

    @property
    def url(self) -> str:
        # The first Sentinel that the address names is gone.
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/{SERVICE}/0"

    @property
    def tls_url(self) -> str:
        return f"rediss+sentinel://127.0.0.1:{self.sentinel.tls_port}/{SERVICE}/0"


@asynccontextmanager
async def redis_watched(folder: Path, *, certificate: Certificate | None = None) -> AsyncIterator[Watched]:
    """Run the three while inside; with a *certificate* they speak TLS with each other and at a further port."""

    def tls() -> dict[str, str]:
        return {} if certificate is None else certificate.options(tls_replication="yes")

    async with (
        redis_server(folder / "primary", **tls()) as primary,
        redis_server(
            folder / "replica",
            replicaof=f"127.0.0.1 {primary.tls_port or primary.port}",
            repl_diskless_sync_delay="0",
            **tls(),
        ) as replica,
    ):
        await _until(replica, "INFO", "replication", master_link_status="up")
        sentinel = RedisServer(folder / "sentinel", sentinel=True, **tls())
        await sentinel.start()
        try:
            watched = primary.tls_port or primary.port
            await sentinel.ask("SENTINEL", "MONITOR", SERVICE, "127.0.0.1", watched, 1)
            await sentinel.ask("SENTINEL", "SET", SERVICE, "down-after-milliseconds", 3000)
            await sentinel.ask("SENTINEL", "SET", SERVICE, "failover-timeout", 10000)
            await _until(sentinel, "SENTINEL", "MASTER", SERVICE, **{"num-slaves": "1", "flags": "master"})
            yield Watched(primary, replica, sentinel)
        finally:
            await sentinel.stop(kill=True)

"""A real Letta server with PostgreSQL and Redis for tests, and the local model server behind it.

`letta_server` is a session's fixture; import it where it is used. Parts that are missing skip the tests that
need it, but under ``CI=true`` they fail. Everything listens on 127.0.0.1 and is ended by process id.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.environments import MissingPart, lack
from tests.support.letta.install import Installed, install
from tests.support.listening import free_port
from tests.support.programs import START_SECONDS, answers, group_of, identity, running, without_proxies
from tests.support.upstream import Upstream

EMBEDDING_SIZE = 1536
LETTA = """
import sys, fastapi
fastapi.FastAPI.openapi = lambda app: {"paths": {}, "info": {}, "components": {"schemas": {}}}
from letta.main import app
sys.argv[0] = "letta"
app()
"""
"""The command `letta`; but it writes no description of its API, which takes five of the seconds that it starts in."""


@dataclass(frozen=True)
class LettaServer:
    """A running server. `start_seconds` is what bringing it up took, without installing."""

    url: str
    log: Path
    start_seconds: float


class LettaUpstream(Upstream):
    """The scripted model server with the two paths more that Letta asks for."""

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/v1/models":
            models = [{"id": name, "object": "model", "owned_by": "tests"} for name in self.scripts]
            return web.json_response({"object": "list", "data": models})
        if request.path == "/v1/embeddings":
            vector = [{"object": "embedding", "index": 0, "embedding": [0.1] * EMBEDDING_SIZE}]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            return web.json_response({"object": "list", "data": vector, "model": "tests", "usage": usage})
        return await super()._handle(request)


@pytest.fixture(scope="session")
def letta_server() -> Iterator[LettaServer]:
    """A Letta server with Redis: foreground and background runs."""
    with _server_or_skip(redis=True) as server:
        yield server


@contextmanager
def _server_or_skip(*, redis: bool) -> Iterator[LettaServer]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_letta(redis=redis))
        except MissingPart as exc:
            lack("real Letta server", exc)
        yield server


@contextmanager
def running_letta(*, redis: bool = True) -> Iterator[LettaServer]:
    """Bring a Letta server up and, at the end, everything down.

    Args:
        redis: Without it the server refuses background runs with 503.
    Raises:
        MissingPart: Something it needs is not on this machine.
        RuntimeError: It is, and did not come up in time; holds the log's end.
    """
    installed = install()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="letta-")))
        scratch.chmod(0o755)
        began = time.monotonic()
        environment = {
            **without_proxies(os.environ),
            "HOME": str(scratch),
            "LETTA_DIR": str(scratch),
            "LETTA_PG_URI": stack.enter_context(_postgres(installed, scratch)),
            "LETTA_DISABLE_TRACING": "true",
            # By default every query makes a connection of its own; one in thirty then hung for a minute.
            "LETTA_DISABLE_SQLALCHEMY_POOLING": "false",
            "OPENAI_API_KEY": "x",
            # Agents name their own model server; this one is asked for its models at the start.
            "OPENAI_API_BASE": "http://127.0.0.1:9/v1",
        }
        if redis:
            environment["LETTA_REDIS_HOST"] = "127.0.0.1"
            environment["LETTA_REDIS_PORT"] = str(stack.enter_context(_redis(scratch)))
        port, log = free_port(), scratch / "letta.log"
        python = str(installed.letta.with_name("python"))
        command = [python, "-c", LETTA, "server", "--host", "127.0.0.1", "--port", str(port)]
        url = f"http://127.0.0.1:{port}"
        with running(command, log, environment=environment, ready=lambda: answers(f"{url}/v1/health/")):
            yield LettaServer(url, log, time.monotonic() - began)


@contextmanager
def _postgres(installed: Installed, scratch: Path) -> Iterator[str]:
    """PostgreSQL with Letta's schema; yields its URI. It refuses to run as root, so it is given a user."""
    user = _unprivileged_user()
    home = scratch / "postgres"
    home.mkdir()
    packages = installed.packages
    if user is not None:
        # The cache may lie below a directory that only root can enter.
        packages = home
        for name in ("pgserver", "pgserver.libs"):
            shutil.copytree(installed.packages / name, packages / name, symlinks=True)
    binaries = packages / "pgserver" / "pginstall" / "bin"
    password = secrets.token_hex(16)
    password_file = home / "password"
    password_file.write_text(password)
    _give(home, user)
    data, port = home / "data", free_port()
    options = ["--username=letta", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    initdb = [str(binaries / "initdb"), "--pgdata", str(data), "--no-sync", "--encoding=UTF8", *options]
    _run(initdb, user=user)
    settings = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=127.0.0.1"]
    flags = [part for setting in settings for part in ("-c", setting)]
    command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", str(home), *flags]
    address = ["--host", "127.0.0.1", "--port", str(port), "--username", "letta"]
    access = {**os.environ, "PGPASSWORD": password}

    def sql(database: str, *arguments: str) -> list[str]:
        psql = [str(binaries / "psql"), *address, "--dbname", database, "--no-psqlrc", "--quiet"]
        return [*psql, "--set", "ON_ERROR_STOP=1", *arguments]

    def ready() -> bool:
        probe = [str(binaries / "pg_isready"), *address]
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0

    # SIGINT is PostgreSQL's fast shutdown: it does not wait for its clients to leave.
    with running(command, home / "postgres.log", user=user, ready=ready, stop=signal.SIGINT):
        _run(sql("postgres", "--command", "CREATE DATABASE letta"), environment=access)
        _run(sql("letta", "--file", str(installed.schema)), environment=access)
        yield f"postgresql://letta:{password}@127.0.0.1:{port}/letta?sslmode=disable"


@contextmanager
def _redis(scratch: Path) -> Iterator[int]:
    binary = shutil.which("redis-server")
    if binary is None:
        raise MissingPart("redis-server is not on the PATH")
    port = free_port()
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(scratch)]

    def ready() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith(b"+PONG")

    with running([binary, "--port", str(port), *options], scratch / "redis.log", ready=ready):
        yield port


def _run(command: list[str], *, user: str | None = None, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=START_SECONDS, check=False, cwd="/",
        env=environment, **identity(user),
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed:\n{done.stderr[-2000:]}")


def _unprivileged_user() -> str | None:
    """Whom PostgreSQL runs as: ourselves, or a system user where we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        if group_of(name) is not None:
            return name
    raise MissingPart("PostgreSQL will not run as root, and there is no user postgres or nobody")


def _give(folder: Path, user: str | None) -> None:
    if user is None:
        return
    for path in (folder, folder / "password"):
        shutil.chown(path, user)

"""Covers `orchestrator/server/embedding.py` and the operators' own port, on processes of their own."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.commands import ROOT, environment
from tests.support.patience import PATIENCE_SECONDS, soon

from ..support.agentfolder import OFFLINE
from ..support.service import serving_process

EXAMPLE = ROOT / "examples" / "embed" / "app.py"


async def ask(port: int, data: bytes) -> tuple[int, bytes]:
    """Send *data* as it is; return the status and all that comes until the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await reader.read(-1)
    finally:
        writer.close()
    return int(answer[9:12]), answer


def get(path: str, *headers: bytes) -> bytes:
    lines = [f"GET {path} HTTP/1.1".encode(), b"Host: localhost", b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


@asynccontextmanager
async def embedded() -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        "--port",
        "0",
        cwd=ROOT,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await soon(process.stdout.readline())
        yield process, int(line.decode().rsplit(":", 1)[1])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_an_application_of_ones_own_is_protected_as_the_service_is() -> None:
    """aiohttp's own runner takes headers of any age, and answers what is no HTTP in plain text."""
    async with embedded() as (process, port):
        for data, status in (
            (b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", 400),
            (get("/v1/agents", b"Cookie: " + b"x" * 20_000), 400),
            (get("/v1/agents", b"Idempotency-Key: \x80"), 400),
            (get("/v1/nothing"), 404),
        ):
            told, answer = await ask(port, data)
            assert (told, b"application/problem+json" in answer) == (status, True), answer
        assert (await ask(port, get("/hello")))[0] == 200
        process.send_signal(signal.SIGTERM)
        assert await soon(process.wait()) == 0


OPERATORS = ("/metrics", "/readyz", "/docs", "/docs/protocol", "/openapi.json")
CLIENTS = ("/", "/v1/agents")


@pytest.mark.parametrize("metrics_token", [None, "secret"])
async def test_operators_pages_are_on_their_own_port_alone(tmp_path: Path, metrics_token: str | None) -> None:
    (tmp_path / "a.yaml").write_text(OFFLINE)
    environ = {} if metrics_token is None else {"ORCHESTRATOR_METRICS_TOKEN": metrics_token}
    async with serving_process(tmp_path, "--admin-port", "0", environ=environ) as service:
        found = None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while found is None:
                found = re.search(r"Operators' pages on http://127.0.0.1:(\d+)", "".join(service.lines))
                await asyncio.sleep(0.01)
        admin, public = int(found[1]), int(service.url.rsplit(":", 1)[1])
        probe = get("/readyz", b"Authorization: Bearer secret")
        while (await ask(admin, probe))[0] == 503:
            await asyncio.sleep(0.01)  # its agents are being loaded
        for port, answered, unknown in ((public, CLIENTS, OPERATORS), (admin, OPERATORS, CLIENTS)):
            assert (await ask(port, get("/healthz")))[0] == 200
            for path in unknown:
                assert (await ask(port, get(path)))[0] == 404, (port, path)
            for path in answered:
                wanted = path in OPERATORS[:2] and metrics_token is not None
                assert (await ask(port, get(path)))[0] == (401 if wanted else 200), (port, path)
        if metrics_token is not None:
            assert (await ask(admin, get("/metrics", b"Authorization: Bearer secret")))[0] == 200

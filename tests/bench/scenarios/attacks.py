"""(l) what one caller can do to another: a canary of 10 tokens/s beside each attack, and the memory it leaves."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import ClientSession, ClientTimeout

from ...support.commands import ROOT, environment
from ..options import Options
from ..result import Column, Promise, Result, Rows, Sample

PAUSE_MS = 250.0
"""The longest pause that a canary may have: promise 2 of the protocol."""

ROUND_MS = 50.0
"""What one round of the loop may take in CPU time: this one holds on a busy machine, too."""

AGENTS = {"canary": "canary", "brief": "brief", "wordy": "wordy"}
COLUMNS = (
    Column("pause_ms", "longest pause of the canary, ms"),
    Column("round_ms", "longest round of the server's loop, ms of CPU", 1),
    Column("idle_ms", "the same of an idle server beside it, ms"),
    Column("seconds", "s that the attack took", 1),
    Column("mib", "MiB before"),
    Column("after_mib", "MiB after"),
)
SETTLE_SECONDS = 1.0


async def canary(request: object) -> AsyncGenerator[str, None]:
    """Ten tokens a second until somebody ends it."""
    while True:
        yield "tick "
        await asyncio.sleep(0.1)


async def brief(request: object) -> AsyncGenerator[str, None]:
    yield "yes"


async def wordy(request: object) -> AsyncGenerator[str, None]:
    """An answer of 190,000 characters."""
    for _ in range(19):
        yield "wordy word" * 1000


class Target:
    """The server under attack, and what a caller does to it. Sizes come from *options*."""

    def __init__(self, url: str, session: ClientSession, options: Options) -> None:
        self.url, self.session, self.options = url, session, options

    async def post(self, body: bytes, path: str = "/v1/runs") -> int:
        headers = {"Content-Type": "application/json"}
        async with self.session.post(self.url + path, data=body, headers=headers) as answer:
            await answer.read()
            return answer.status

    async def start(self, **keys: object) -> int:
        return await self.post(json.dumps({"message": "hi", "agents": ["brief"], **keys}).encode())

    async def many(self, count: int, at_once: int, start: Callable[[int], object]) -> None:
        """Await *start* for each number, some at once."""
        numbers = iter(range(count))

        async def worker() -> None:
            for n in numbers:
                await start(n)  # type: ignore[misc]  # a coroutine

        await asyncio.gather(*(worker() for _ in range(at_once)))


async def nothing(target: Target) -> None:
    await asyncio.sleep(3)


WIDE = "(?i)" + "".join(f"[\\U{0x10000 + 64 * n:08x}-\\U{0xE0000 + n:08x}]" for n in range(40))


async def patterns(target: Target) -> None:
    """Regular expressions that are slow to compile, each another one."""

    async def one(n: int) -> None:
        panel = {"method": "race", "members": ["brief", "wordy"], "valid": f"{WIDE}{n}"}
        await target.start(agents=["brief", "wordy"], panel=panel)

    await target.many(target.options.pick(12, 3), 6, one)


async def members(target: Target) -> None:
    """8 MiB of JSON with 600,000 keys."""
    body = (
        b'{"message":"x",'
        + b",".join(b'"k%d":1' % n for n in range(target.options.pick(600_000, 50_000)))
        + b"}"
    )
    await target.many(target.options.pick(8, 2), 4, lambda _: target.post(body))


async def quotes(target: Target) -> None:
    """8 MiB of quotation marks within one text."""
    body = b'{"message":"' + b'\\"' * target.options.pick(4_000_000, 100_000) + b'"}'
    await target.many(target.options.pick(8, 2), 4, lambda _: target.post(body))


async def deep(target: Target) -> None:
    """Deep JSON over WebSocket."""
    async with target.session.ws_connect(f"{target.url}/v1/ws") as ws:
        for _ in range(target.options.pick(50, 5)):
            await ws.send_str('{"op":' + "[" * 500_000)
            assert "error" in (await ws.receive()).data, "the socket was closed"


async def lists(target: Target) -> None:
    """Lists of runs with long answers."""
    await target.many(
        target.options.pick(200, 20), 8, lambda _: target.start(agents=["wordy"], message="m" * 90_000)
    )
    for _ in range(target.options.pick(10, 2)):
        async with target.session.get(f"{target.url}/v1/runs?limit=200") as answer:
            await answer.read()


async def gaps(target: Target) -> None:
    """A cursor that cannot be used, on a channel of many runs."""
    await target.many(target.options.pick(1200, 60), 8, lambda _: target.start(channel="busy"))
    headers = {"Last-Event-ID": "nowhere-1"}
    async with target.session.get(f"{target.url}/v1/channels/busy/events", headers=headers) as answer:
        async for line in answer.content:
            if b'"run.snapshot"' in line or b"event: run.snapshot" in line:
                return


async def deaf(target: Target) -> None:
    """Clients that ask for long JSON and never read it."""
    run = json.dumps({"message": "m" * 90_000, "agents": ["wordy"]}).encode()
    await target.many(10, 4, lambda _: target.post(run))
    async with target.session.get(f"{target.url}/v1/runs?limit=10") as answer:
        ids = [each["run_id"] for each in (await answer.json())["runs"]]
    address = urlsplit(target.url)
    socks = []
    for n in range(target.options.pick(100, 10)):
        sock = socket.create_connection((address.hostname or "", address.port or 80))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = f"GET /v1/runs/{ids[n % len(ids)]} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
        sock.sendall(request.encode() * 20)
        socks.append(sock)
    await asyncio.sleep(target.options.pick(5, 1))
    for sock in socks:
        sock.close()


async def images(target: Target) -> None:
    """Runs with images."""
    image = "data:image/png;base64," + base64.b64encode(b"\x89PNG" + bytes(750_000)).decode()
    body = json.dumps({"message": "look", "agents": ["brief"], "images": [image]}).encode()
    await target.many(target.options.pick(500, 10), 4, lambda _: target.post(body))


async def conversations(target: Target) -> None:
    """Conversations, each with a long message."""

    async def one(n: int) -> None:
        await target.start(conversation_id=f"c{n}", message="m" * 90_000)

    await target.many(target.options.pick(1000, 20), 8, one)


ATTACKS = (nothing, patterns, members, quotes, deep, lists, gaps, deaf, images, conversations)


def attacks(options: Options) -> Result:
    """Each attack meets a server of its own, with the options' defaults."""
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, function in AGENTS.items():
            text = f"backend: function\nstream: tests.bench.scenarios.attacks:{function}\n"
            (Path(folder) / f"{name}.yaml").write_text(text)
        for attack in ATTACKS:
            rows[_title(attack)] = [asyncio.run(_under(attack, Path(folder), options))]
            print(f"  {_title(attack)} {rows[_title(attack)][0]}", file=sys.stderr, flush=True)
    promises = [
        Promise(f"longest pause beside: {name}, ms", (sample["pause_ms"],), at_most=PAUSE_MS)
        for name, (sample, *_) in rows.items()
    ]
    promises += [
        Promise(f"longest round beside: {name}, ms of CPU", (sample["round_ms"],), at_most=ROUND_MS)
        for name, (sample, *_) in rows.items()
    ]
    return Result("(l) attacks", COLUMNS, rows, promises, first="attack")


def _title(attack: Callable[[Target], object]) -> str:
    return (attack.__doc__ or attack.__name__).rstrip(".").splitlines()[0]


async def _under(attack: Callable[[Target], object], folder: Path, options: Options) -> Sample:
    with (
        _server(folder) as (server, url),
        _server(folder) as (_, idle),
        _Canary(url) as sung,
        _Canary(idle) as apart,
    ):
        _longest_round(server)
        before, begin = _mib(server.pid), time.monotonic()
        async with ClientSession(timeout=ClientTimeout(total=120)) as session:
            await attack(Target(url, session, options))  # type: ignore[misc]  # a coroutine
        seconds = time.monotonic() - begin
        await asyncio.sleep(SETTLE_SECONDS)
        return {
            "pause_ms": sung.longest(),
            "round_ms": _longest_round(server),
            "idle_ms": apart.longest(),
            "seconds": seconds,
            "mib": before,
            "after_mib": _mib(server.pid),
        }


@contextmanager
def _server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    program = [sys.executable, "-m", "tests.bench.servers.measured"]
    server = subprocess.Popen(
        [*program, "serve", "--port", "0", "--config", str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
        env=environment(),
    )  # fmt: skip
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        time.sleep(SETTLE_SECONDS)
        yield server, url
    finally:
        server.kill()
        server.communicate()


def _longest_round(server: subprocess.Popen[str]) -> float:
    """Return what the longest round of its loop took since this was last asked, in milliseconds of CPU time."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write("\n")
    server.stdin.flush()
    return float(server.stdout.readline().split()[-1])


class _Canary:
    """One reader of a canary, as a process of its own."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.canary", url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def __enter__(self) -> _Canary:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def longest(self) -> float:
        """End it; return its longest pause in milliseconds."""
        told, _ = self._process.communicate(timeout=60)
        return float(told)


def _mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

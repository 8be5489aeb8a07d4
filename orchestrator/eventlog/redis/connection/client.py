"""All that goes to one Redis: pipelining, time limits, retries, and whether it is there at all.

Knows no key and no channel; every command that comes through `RedisClient.call` may be sent twice, so what must not
happen twice is recognised by the scripts themselves.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar, cast

import structlog

from ....errors import LogUnavailable
from ...open import wrong_log
from .address import Kind, RedisAddress
from .connection import Command, Exchange, RedisConnection
from .endpoints import locator_of
from .failures import Denied, Lost, Refusal, UnknownPrimary

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 2.0
"""How long a call waits for a Redis that does not answer."""

LARGE_BYTES = 64 * 1024
"""A command of more, and one whose answer may be as large, goes over a connection of its own kind: a worker's beat must
not wait until somebody's images, or a page of a long run, have come through."""

OLDEST_VERSION = (7, 0)
BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.02, 1.0

T = TypeVar("T")


class Script:
    """A Lua script and the name that Redis knows it by once it was loaded.

    Args:
        reads_much: Whether its answer may be large.
    """

    __slots__ = ("reads_much", "sha", "source")

    def __init__(self, source: str, *, reads_much: bool = False) -> None:
        self.source, self.reads_much = source, reads_much
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def command(self, keys: Sequence[str], args: Command = ()) -> list[str | bytes | int]:
        """Spell the call of this script."""
        return ["EVALSHA", self.sha, len(keys), *keys, *args]


class Wire:
    """A line for many callers: commands that wait while others are under way go together."""

    def __init__(self, line: RedisConnection) -> None:
        self._line = line
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        self._kick = asyncio.Event()

    def ask(self, command: Command) -> asyncio.Future[Any]:
        """Send *command* soon; the future gives the answer or raises as `RedisConnection.exchange` does."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        self._kick.set()
        return answer

    async def run(self) -> None:
        """Carry commands until cancelled; what waits then is `Lost`."""
        batch: list[tuple[Command, asyncio.Future[Any]]] = []
        try:
            while True:
                await self._kick.wait()
                self._kick.clear()
                # A caller who left wants its command no more.
                batch, self._waiting = [item for item in self._waiting if not item[1].done()], []
                if batch:
                    await self._carry(batch)
        finally:
            for _, answer in batch + self._waiting:
                _settle(answer, Lost("the log is closed"))
            await self._line.aclose()

    async def _carry(self, batch: list[tuple[Command, asyncio.Future[Any]]]) -> None:
        try:
            answers: Sequence[Any] = await self._line.exchange([command for command, _ in batch])
        except (Lost, Denied) as exc:
            answers = [exc] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            _settle(future, answer)


def _settle(future: asyncio.Future[Any], answer: Any) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
        future.exception()  # seen: a caller who left must not leave a warning behind
    else:
        future.set_result(answer)


class RedisClient:
    """All that goes to one Redis, and the one place that knows whether it is there.

    Args:
        patience_s: How long a call waits for a Redis that does not answer.
    """

    def __init__(self, address: RedisAddress, *, patience_s: float = PATIENCE_SECONDS) -> None:
        self.address = address
        self.patience_s = patience_s
        self.guards: Sequence[str] = ()
        """Keys that every script declares beside its own."""
        self.on_back: list[Callable[[], None]] = []
        """Called when Redis answers again after it was unavailable."""
        self.on_lost: list[Callable[[], None]] = []
        """Called when Redis becomes unavailable."""
        self.recognize: Callable[[Exchange], Awaitable[None]] | None = None
        """Called before a script is loaded: a server process that does not know it may be another than before."""
        self.greet: Callable[[Exchange], Awaitable[None]] | None = None
        """Called with each new connection: in a Redis Cluster the server may be another for this slot alone, and know
        all scripts."""
        self._wire, self._bulk = Wire(self.line()), Wire(self.line())
        self._away_since: float | None = None
        self._back = asyncio.Event()
        self._refusal: str | None = None
        self._closed = False

    def line(self, *, slack_s: float = 0.0) -> RedisConnection:
        """Make a further connection, whose answers may take *slack_s* longer than usual."""
        return RedisConnection(
            locator_of(self.address, self.patience_s), self.patience_s + slack_s, self._greet
        )

    async def _greet(self, exchange: Exchange) -> None:
        if self.greet is not None:
            try:
                await self.greet(exchange)
            except LogUnavailable as exc:
                raise Lost(str(exc)) from exc

    async def run(self) -> None:
        """Carry the calls until cancelled."""
        try:
            async with asyncio.TaskGroup() as carrying:
                carrying.create_task(self._wire.run())
                carrying.create_task(self._bulk.run())
        finally:
            self._closed = True
            self._back.set()

    # ── is it there? ─────────────────────────────────────────────────────────────────────────

    @property
    def unavailable(self) -> bool:
        """Whether Redis cannot be reached."""
        return self._away_since is not None

    @property
    def available(self) -> bool:
        """Whether Redis answers and takes writes."""
        return self._away_since is None and self._refusal is None

    def lost(self, exc: BaseException) -> None:
        """Note that Redis cannot be reached."""
        if self._away_since is None and not self._closed:
            self._away_since = asyncio.get_running_loop().time()
            self._back.clear()
            log.warning("redis_lost", **self.address.log_fields, error=str(exc) or type(exc).__name__)
            for call in self.on_lost:
                call()

    def found(self) -> None:
        """Note that Redis answers."""
        if self._away_since is None:
            return
        seconds = asyncio.get_running_loop().time() - self._away_since
        self._away_since = None
        self._back.set()
        log.info("redis_back", **self.address.log_fields, away_s=round(seconds, 1))
        for call in self.on_back:
            call()

    def refused(self, refusal: Refusal) -> LogUnavailable:
        """Note that Redis answers, but with an error; returns what to raise."""
        if self._refusal != str(refusal):
            self._refusal = str(refusal)
            log.error("redis_refuses", **self.address.log_fields, error=self._refusal)
        return LogUnavailable(f"Redis at {self.address} refuses: {refusal}")

    def accepted(self) -> None:
        """Note that Redis took a write."""
        if self._refusal is not None:
            self._refusal = None
            log.info("redis_accepts", **self.address.log_fields)

    # ── calls ────────────────────────────────────────────────────────────────────────────────

    async def call(self, *command: str | bytes | int) -> Any:
        """Send one command; it may be sent again if its answer was lost.

        Raises:
            LogUnavailable: No answer within `patience_s`, or an error.
        """
        answer = await self.insist(lambda: self._ask(command, reads_much=command[0] == "LRANGE"))
        if isinstance(answer, Refusal):
            raise self.refused(answer)
        return answer

    async def script(self, script: Script, keys: Sequence[str], *args: str | bytes | int) -> Any:
        """Run *script*, loading it if Redis has forgotten it. Raises as `call` does."""
        command = script.command((*keys, *self.guards), args)
        answer = await self.insist(lambda: self._ask(command, reads_much=script.reads_much))
        if isinstance(answer, Refusal) and str(answer) == "NOSCRIPT":
            await self.load(script)
            answer = await self.insist(lambda: self._ask(command, reads_much=script.reads_much))
        if isinstance(answer, Refusal):
            raise self.refused(answer)
        return answer

    async def load(self, script: Script) -> None:
        """Hand *script* to Redis."""
        if self.recognize is not None:
            await self.recognize(self._exchange)
        await self.call("SCRIPT", "LOAD", script.source)

    def hint(self, *command: str | bytes | int) -> None:
        """Send a command whose fate matters to nobody."""
        if not self.unavailable and not self._closed:
            self._wire.ask(command)

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        return [await self.insist(partial(self._ask, command)) for command in commands]

    async def _ask(self, command: Command, *, reads_much: bool = False) -> Any:
        is_large = reads_much or sum(len(word) for word in command if not isinstance(word, int)) > LARGE_BYTES
        wire = self._bulk if is_large else self._wire
        try:
            return await wire.ask(command)
        except Refusal as refusal:
            return refusal

    async def insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Await *attempt*, again and again while its connection breaks, for up to `patience_s`.

        Raises:
            LogUnavailable: It did not succeed; whether Redis carried it out is unknown.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience_s
        pause = 0.0
        while True:
            await self._reachable(deadline)
            try:
                async with asyncio.timeout_at(deadline):
                    result = await attempt()
            except TimeoutError as exc:
                self.lost(exc)
                raise self._unavailable() from exc
            except (Lost, Denied) as exc:
                # A connection may die alone; that Redis is unavailable is known when a new one fails too.
                if pause:
                    self.lost(exc)
                if self._closed or loop.time() + pause >= deadline:
                    raise self._unavailable() from exc
            else:
                self.found()
                return result
            await asyncio.sleep(pause)
            pause = min(2 * pause or BACKOFF_SECONDS, MAX_BACKOFF_SECONDS)

    async def _reachable(self, deadline: float) -> None:
        if self._closed:
            raise LogUnavailable("The log is closed.")
        if self._away_since is None:
            return
        if asyncio.get_running_loop().time() - self._away_since > self.patience_s:
            raise self._unavailable()
        try:
            async with asyncio.timeout_at(deadline):
                await self._back.wait()
        except TimeoutError as exc:
            raise self._unavailable() from exc

    def _unavailable(self) -> LogUnavailable:
        return LogUnavailable(f"Redis at {self.address} does not answer.")

    # ── at the start ─────────────────────────────────────────────────────────────────────────

    async def check(self) -> None:
        """Look whether this Redis can hold a log.

        Raises:
            ConfigError: It is too old, is of another kind than the address says, or wants other credentials; or a
                file is not there.
            LogUnavailable: It does not answer.
        """
        authorities = self.address.ssl_ca_certs
        if authorities is not None and not await asyncio.to_thread(os.path.isfile, authorities):
            raise wrong_log(f"there is no file {authorities!r} for ssl_ca_certs")
        async with self._first() as line:
            await self._check_server(line)
            await self._check_eviction(line)

    async def ask_first(self, command: Command) -> Any:
        """Send one command over a connection of its own, before there are calls. Raises as `check` does."""
        async with self._first() as line:
            (answer,) = await line.exchange([command])
            if isinstance(answer, Refusal):
                raise self.refused(answer)
            return answer

    @asynccontextmanager
    async def _first(self) -> AsyncIterator[RedisConnection]:
        line = self.line()
        try:
            yield line
        except Denied as exc:
            raise wrong_log(f"Redis at {self.address} wants other credentials: {exc}") from exc
        except UnknownPrimary as exc:
            raise wrong_log(f"{self.address}: {exc}") from exc
        except Lost as exc:
            raise LogUnavailable(f"Redis at {self.address} does not answer: {exc}") from exc
        finally:
            await line.aclose()

    async def _check_server(self, line: RedisConnection) -> None:
        (answer,) = await line.exchange([("INFO", "server")])
        if isinstance(answer, Refusal):
            raise wrong_log(f"Redis at {self.address} does not say what it is: {answer}")
        if error := unfit(facts_of(cast(bytes, answer)), self.address.kind):
            raise wrong_log(f"Redis at {self.address} {error}")

    async def _check_eviction(self, line: RedisConnection) -> None:
        # If CONFIG is not allowed we cannot know; a warning is all that this is for.
        (answer,) = await line.exchange([("CONFIG", "GET", "maxmemory-policy")])
        if isinstance(answer, list) and len(answer) == 2 and bytes(answer[1]).startswith(b"allkeys"):
            log.warning(
                "redis_may_evict",
                address=str(self.address),
                policy=bytes(answer[1]).decode(),
                advice="runs may vanish when memory is short; set maxmemory-policy noeviction",
            )


def facts_of(info: bytes) -> dict[str, str]:
    """Read the answer of `INFO`."""
    return dict(row.split(":", 1) for row in bytes(info).decode().splitlines() if ":" in row)


def unfit(facts: dict[str, str], kind: Kind) -> str | None:
    """Return why a server with these `INFO` facts cannot hold a log at such an address; None if it can."""
    # Valkey reports the Redis that it is compatible with.
    version = facts.get("redis_version", "0")
    try:
        number = tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        number = OLDEST_VERSION  # a development build
    mode = facts.get("redis_mode")
    if number < OLDEST_VERSION:
        return f"is version {version}; 7.0 or later is needed (Redis or Valkey)"
    if mode == "sentinel":
        return "is a Sentinel; write redis+sentinel://host:port/name"
    if mode == "cluster" and kind != "cluster":
        return "is a Redis Cluster; write redis+cluster://host:port"
    if mode == "standalone" and kind == "cluster":
        return "is no Redis Cluster; write redis://host:port"
    return None

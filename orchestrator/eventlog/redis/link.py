"""The connections to a Redis: pipelining, time limits, retries, and whether it is there at all.

The only module that imports redis-py. Knows no key and no channel; every command that comes through
`Link.call` may be sent twice, so what must not happen twice is told apart by the scripts themselves.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

import structlog
from redis import exceptions as redis_errors
from redis.asyncio.connection import Connection, SSLConnection

from ...errors import LogUnavailable
from ..open import wrong_log
from .address import RedisAddress

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 2.0
"""How long a call waits for a Redis that does not answer."""

OLDEST_VERSION = (7, 0)
CLOSE_SECONDS = 1.0
BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.02, 1.0

Command = Sequence[str | bytes | int]
T = TypeVar("T")
Exchange = Callable[[Sequence[Command]], Awaitable[list[Any]]]
"""Sends commands, and returns the answers, of which some may be `Refusal`s."""


class Lost(Exception):
    """The connection broke or fell silent; whether its last commands were carried out is unknown."""


class Denied(Exception):
    """Redis wants other credentials."""


class Refusal(Exception):
    """Redis answered with an error; nothing was carried out."""


class Script:
    """A Lua script and the name that Redis knows it by once it was loaded."""

    __slots__ = ("sha", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def command(self, keys: Sequence[str], args: Command = ()) -> list[str | bytes | int]:
        """Spell the call of this script."""
        return ["EVALSHA", self.sha, len(keys), *keys, *args]


class Line:
    """One connection, for one task at a time. It connects when it is used, and again after it broke.

    Args:
        timeout: Seconds that the answers may take. Our own, for all of them: redis-py's limit of 5 s would
            end a longer blocking command and send it again, and where it is set each command is sent
            inside `wait_for`, which in Python 3.11 may swallow a cancel.
    """

    def __init__(self, address: RedisAddress, timeout: float) -> None:
        # RESP2 keeps the shape of answers the same on all servers; no CLIENT SETINFO saves a round trip.
        options: dict[str, Any] = {
            "host": address.host, "port": address.port, "db": address.db, "username": address.username,
            "password": address.password, "socket_timeout": None, "socket_connect_timeout": timeout,
            "socket_keepalive": True, "protocol": 2, "driver_info": None,
        }  # fmt: skip
        if address.tls:
            # The certificate and its host name are checked: the defaults of SSLConnection.
            options["ssl_ca_certs"] = address.ssl_ca_certs
        self._timeout = timeout
        self._connection: Any = (SSLConnection if address.tls else Connection)(**options)

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send *commands* together; return the answers, of which some may be `Refusal`s.

        Cancelling drops the connection: an answer would be taken for the next command's.

        Raises:
            Lost, Denied: See there.
        """
        connection = self._connection
        try:
            async with asyncio.timeout(self._timeout):
                await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
                return [await self._answer() for _ in commands]
        except (redis_errors.AuthenticationError, redis_errors.AuthorizationError) as exc:
            raise Denied(str(exc)) from exc
        except (redis_errors.RedisError, TimeoutError, OSError, EOFError) as exc:
            await connection.disconnect(nowait=True)
            raise Lost(str(exc) or type(exc).__name__) from exc

    async def _answer(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True)
        except redis_errors.NoScriptError:
            return Refusal("NOSCRIPT")
        except redis_errors.OutOfMemoryError as exc:
            return Refusal(f"its memory is full: {exc}")
        except redis_errors.ReadOnlyError as exc:
            # The former primary of a failover: the name may lead to the new one by now.
            await self._connection.disconnect(nowait=True)
            raise Lost(f"it only reads: {exc}") from exc
        except redis_errors.ResponseError as exc:
            return Refusal(str(exc))

    async def aclose(self) -> None:
        with suppress(TimeoutError, OSError, redis_errors.RedisError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._connection.disconnect()


class Wire:
    """A line for many callers: commands that wait while others are under way go together."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        self._kick = asyncio.Event()

    def ask(self, command: Command) -> asyncio.Future[Any]:
        """Send *command* soon; the future gives the answer or raises as `Line.exchange` does."""
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


class Link:
    """All that goes to one Redis, and the one place that knows whether it is there.

    Args:
        patience_s: How long a call waits for a Redis that does not answer.
    """

    def __init__(self, address: RedisAddress, *, patience_s: float = PATIENCE_SECONDS) -> None:
        self.address = address
        self.patience_s = patience_s
        self.on_back: list[Callable[[], None]] = []
        """Called when Redis is back after it was away."""
        self.recognize: Callable[[Exchange], Awaitable[None]] | None = None
        """Called before a script is loaded: a server process that does not know it may be another than before."""
        self._wire = Wire(self.line())
        self._away_since: float | None = None
        self._back = asyncio.Event()
        self._refusal: str | None = None
        self._closed = False

    def line(self, *, slack_s: float = 0.0) -> Line:
        """Make a further connection, whose answers may take *slack_s* longer than usual."""
        return Line(self.address, self.patience_s + slack_s)

    async def run(self) -> None:
        """Carry the calls until cancelled."""
        try:
            await self._wire.run()
        finally:
            self._closed = True
            self._back.set()

    # ── is it there? ─────────────────────────────────────────────────────────────────────────

    @property
    def away(self) -> bool:
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
            log.warning("redis_lost", address=str(self.address), error=str(exc) or type(exc).__name__)

    def found(self) -> None:
        """Note that Redis answers."""
        if self._away_since is None:
            return
        seconds = asyncio.get_running_loop().time() - self._away_since
        self._away_since = None
        self._back.set()
        log.info("redis_back", address=str(self.address), away_s=round(seconds, 1))
        for told in self.on_back:
            told()

    def refused(self, refusal: Refusal) -> LogUnavailable:
        """Note that Redis answers, but with an error; returns what to raise."""
        if self._refusal != str(refusal):
            self._refusal = str(refusal)
            log.error("redis_refuses", address=str(self.address), error=self._refusal)
        return LogUnavailable(f"Redis at {self.address} refuses: {refusal}")

    def accepted(self) -> None:
        """Note that Redis took a write."""
        if self._refusal is not None:
            self._refusal = None
            log.info("redis_accepts", address=str(self.address))

    # ── calls ────────────────────────────────────────────────────────────────────────────────

    async def call(self, *command: str | bytes | int) -> Any:
        """Send one command; it may be sent again where its answer was lost.

        Raises:
            LogUnavailable: No answer within `patience_s`, or an error.
        """
        answer = await self.insist(lambda: self._ask(command))
        if isinstance(answer, Refusal):
            raise self.refused(answer)
        return answer

    async def script(self, script: Script, keys: Sequence[str], *args: str | bytes | int) -> Any:
        """Run *script*, loading it where Redis has forgotten it. Raises as `call` does."""
        command = script.command(keys, args)
        answer = await self.insist(lambda: self._ask(command))
        if isinstance(answer, Refusal) and str(answer) == "NOSCRIPT":
            await self.load(script)
            answer = await self.insist(lambda: self._ask(command))
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
        if not self.away and not self._closed:
            self._wire.ask(command)

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        return [await self.insist(partial(self._ask, command)) for command in commands]

    async def _ask(self, command: Command) -> Any:
        try:
            return await self._wire.ask(command)
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
                # A connection may die alone; that Redis is away is known when a new one fails too.
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
            ConfigError: It is too old, is a Redis Cluster, or wants other credentials; or a file is not there.
            LogUnavailable: It does not answer.
        """
        authorities = self.address.ssl_ca_certs
        if authorities is not None and not await asyncio.to_thread(os.path.isfile, authorities):
            raise wrong_log(f"there is no file {authorities!r} for ssl_ca_certs")
        line = self.line()
        try:
            await self._check_server(line)
            await self._check_eviction(line)
        except Denied as exc:
            raise wrong_log(f"Redis at {self.address} wants other credentials: {exc}") from exc
        except Lost as exc:
            raise LogUnavailable(f"Redis at {self.address} does not answer: {exc}") from exc
        finally:
            await line.aclose()

    async def _check_server(self, line: Line) -> None:
        (answer,) = await line.exchange([("INFO", "server")])
        if isinstance(answer, Refusal):
            raise wrong_log(f"Redis at {self.address} does not say what it is: {answer}")
        if error := _unfit(facts_of(cast(bytes, answer))):
            raise wrong_log(f"Redis at {self.address} {error}")

    async def _check_eviction(self, line: Line) -> None:
        # Where CONFIG is not allowed we cannot know; a warning is all that this is for.
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


def _unfit(facts: dict[str, str]) -> str | None:
    """Return why a server with these `INFO` facts cannot hold a log; None where it can."""
    # Valkey reports the Redis that it is compatible with.
    version = facts.get("redis_version", "0")
    try:
        number = tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        number = OLDEST_VERSION  # a development build
    if number < OLDEST_VERSION:
        return f"is version {version}; 7.0 or later is needed (Redis or Valkey)"
    if facts.get("redis_mode") == "cluster":
        return "is a Redis Cluster; a log needs a single primary (several logs may share the load by channel)"
    return None

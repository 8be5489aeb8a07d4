"""One connection to a Redis, for one task at a time, and what can go wrong on it. Knows no key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from redis import exceptions as redis_errors

from .endpoints import Locator
from .failures import Denied, Lost, Refusal

CLOSE_SECONDS = 1.0

Command = Sequence[str | bytes | int]
Exchange = Callable[[Sequence[Command]], Awaitable[list[Any]]]
"""Sends commands, and returns the answers, of which some may be `Refusal`s."""

Greet = Callable[[Exchange], Awaitable[None]]

_MOVED = (redis_errors.AskError, redis_errors.TryAgainError, redis_errors.ClusterDownError)
"""A Redis Cluster that changes: the slot is elsewhere, is on its way, or nobody has it. Nothing was carried out."""


def packed(commands: Sequence[Command]) -> list[bytes]:
    """Spell *commands* as Redis reads them. redis-py's own packing took a quarter of a takeover's time."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for word in command:
            if isinstance(word, str):
                word = word.encode()
            elif isinstance(word, int):
                word = b"%d" % word
            parts.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return [b"".join(parts)]


class RedisConnection:
    """One connection, for one task at a time. It connects when it is used, and again after it broke.

    Args:
        locator: Finds the server each time the line connects: after a failover it is another one.
        greet: Called with each new connection before it carries anything.
        timeout: Seconds that the answers may take. Our own, for all of them: redis-py's limit of 5 s would
            end a longer blocking command and send it again, and if it is set each command is sent
            inside `wait_for`, which in Python 3.11 may swallow a cancel.
    """

    def __init__(self, locator: Locator, timeout: float, greet: Greet | None = None) -> None:
        self._locator = locator
        self._greet = greet
        self._is_greeted = False
        self._timeout = timeout
        self._connection: Any = None

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send *commands* together; return the answers, of which some may be `Refusal`s.

        Cancelling drops the connection: an answer would be taken for the next command's.

        Raises:
            Lost, Denied: See there.
        """
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._connected()
                return await self._carry(connection, commands)
        except (redis_errors.AuthenticationError, redis_errors.AuthorizationError) as exc:
            raise Denied(str(exc)) from exc
        except (redis_errors.RedisError, TimeoutError, OSError, EOFError) as exc:
            await self._drop()
            raise Lost(str(exc) or type(exc).__name__) from exc

    async def _connected(self) -> Any:
        if self._connection is not None and not self._is_greeted:
            await self._drop()  # whoever greeted it was cancelled
        if self._connection is None or not self._connection.is_connected:
            self._is_greeted = False
            self._connection = await self._locator.connection(self._connection)
            if self._greet is not None:
                await self._greet(partial(self._carry, self._connection))
            self._is_greeted = True
        return self._connection

    async def _carry(self, connection: Any, commands: Sequence[Command]) -> list[Any]:
        await connection.send_packed_command(packed(commands), check_health=False)
        return [await self._answer(connection) for _ in commands]

    async def _answer(self, connection: Any) -> Any:
        try:
            return await connection.read_response(disable_decoding=True)
        except redis_errors.NoScriptError:
            return Refusal("NOSCRIPT")
        except redis_errors.OutOfMemoryError as exc:
            return Refusal(f"its memory is full: {exc}")
        except redis_errors.ReadOnlyError as exc:
            # The former primary of a failover: the name may lead to the new one by now.
            await self._drop()
            raise Lost(f"it only reads: {exc}") from exc
        except _MOVED as exc:
            await self._drop()
            raise Lost(f"the slot is on its way: {exc}") from exc
        except redis_errors.ResponseError as exc:
            return Refusal(str(exc))

    async def _drop(self) -> None:
        if self._connection is not None:
            await self._connection.disconnect(nowait=True)

    async def aclose(self) -> None:
        with suppress(TimeoutError, OSError, redis_errors.RedisError):
            async with asyncio.timeout(CLOSE_SECONDS):
                if self._connection is not None:
                    await self._connection.disconnect()

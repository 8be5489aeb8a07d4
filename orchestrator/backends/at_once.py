"""A coroutine whose first step is taken by whoever would make a task of it, as newer Pythons' eager tasks do.

Most of them end with that step: what they write fits into a socket's buffer. Owns no task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


class AtOnce(Coroutine[Any, Any, Any]):
    """*coro*, which awaits nothing that asks for its own task, such as a timeout."""

    __slots__ = ("_coro", "_first", "_has_first")

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self._coro = coro
        self._has_first = False
        self._first: Any = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Any] | None:
        """Take the first step and return its end; None if there is more to do, for which a task is to be made."""
        try:
            self._first = self._coro.send(None)
        except StopIteration as end:
            ended = loop.create_future()
            ended.set_result(end.value)
            return ended
        except Exception as exc:  # noqa: BLE001 - it is for whoever awaits the end
            ended = loop.create_future()
            ended.set_exception(exc)
            return ended
        self._has_first = True
        return None

    def send(self, value: Any) -> Any:
        if self._has_first:
            first, self._first, self._has_first = self._first, None, False
            return first
        return self._coro.send(value)

    def throw(self, *error: Any) -> Any:
        self._first, self._has_first = None, False
        return self._coro.throw(*error)

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._coro.__await__())

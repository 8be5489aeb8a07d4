"""Keeps tasks that an agent starts from ending the process, as a parser of arguments in one of them would.

asyncio hands SystemExit and KeyboardInterrupt past every task to whoever runs the loop: what awaits the task cannot
hold them back, and all other agents would go along. Frameworks start a task for each node or tool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from typing import Any

ENDING = (SystemExit, KeyboardInterrupt)
"""What asyncio lets end the loop. A Ctrl-C is a signal of the loop's own here, so they come from the agent."""

_inside: ContextVar[bool] = ContextVar("inside_an_agent", default=False)


def contain_tasks() -> None:
    """Let no task that is started from here on in this context end the process: it fails with a RuntimeError.

    The loop's own task factory, if it has one, still makes every task.
    """
    _inside.set(True)
    loop = asyncio.get_running_loop()
    former = loop.get_task_factory()
    if not isinstance(former, _Factory):
        loop.set_task_factory(_Factory(former))


def asked_to_end() -> RuntimeError:
    """Return what is raised in the place of the request."""
    return RuntimeError("the agent asked the process to end")


class _Factory:
    def __init__(self, former: Callable[..., asyncio.Future[Any]] | None) -> None:
        self._former = former

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coro: Any, **named: Any
    ) -> asyncio.Future[Any]:  # as typeshed has it
        if _inside.get():
            coro = _Contained(coro)
        if self._former is not None:
            return self._former(loop, coro, **named)
        return asyncio.Task(coro, loop=loop, **named)


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine that is another one, but for what it lets out.

    A function that awaits the other would leave it unawaited, with a warning, if its task is cancelled before it
    begins. Whoever looks at the coroutine of a task, as anyio does, sees the other's state.
    """

    __slots__ = ("_coro",)

    def __init__(self, coro: Any) -> None:
        self._coro = coro

    def send(self, value: Any) -> Any:
        try:
            return self._coro.send(value)
        except ENDING as exc:
            raise asked_to_end() from exc

    def throw(self, *error: Any) -> Any:
        try:
            return self._coro.throw(*error)
        except ENDING as exc:
            raise asked_to_end() from exc

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._coro.__await__())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coro, name)

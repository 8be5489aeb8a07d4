"""Keeps what an agent starts from reaching others: tasks that would end the process, threads that never come back.

asyncio hands SystemExit and KeyboardInterrupt past every task to whoever runs the loop: what awaits the task cannot
hold them back, and all other agents would go along. Its default threads, six on two cores, are everybody's: six tools
that wait for ever would hold back names to be looked up, the page's files, large questions. Frameworks start a task
for each node or tool, and a thread for each that is synchronous.

What nobody awaits, asyncio logs as an exception, and an application's logging may print local variables with it:
keys, and what was asked. Of an agent's tasks and callbacks it is logged here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import structlog

from ..backends.base import AgentInput, AtOnce
from ..telemetry.logs import failure

log = structlog.get_logger(__name__)
Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]

ENDING = (SystemExit, KeyboardInterrupt)
"""What asyncio lets end the loop. A Ctrl-C is a signal of the loop's own here, so they come from the agent."""
AGENT_THREADS = 32
"""How many of an agent's calls wait in threads at once, over all its runs; asyncio's own bound on a large machine."""


class AgentThreads:
    """The threads of one agent, made when it needs them; they end with it."""

    __slots__ = ("__weakref__", "_pool")

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, *call: Any, **named: Any) -> Future[Any]:
        """Run a call in one of them."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(AGENT_THREADS, thread_name_prefix="agent")
        return self._pool.submit(*call, **named)

    def shutdown(self, wait: bool, cancel_futures: bool) -> None:
        """End them as `concurrent.futures` does."""
        if self._pool is not None:
            self._pool.shutdown(wait, cancel_futures=cancel_futures)


_inside: ContextVar[AgentThreads | None] = ContextVar("inside_an_agent", default=None)


_asked: ContextVar[AgentInput | None] = ContextVar("asked_of_an_agent", default=None)


def contain(agent: object, request: AgentInput | None = None) -> None:
    """From here on in this context, let no task end the process, and give work for threads to *agent*'s own.

    A task fails with a RuntimeError in place of SystemExit. The loop's own task factory still makes every task, and its
    default executor still does what no agent asks for.
    """
    loop = asyncio.get_running_loop()
    factory = loop.get_task_factory()
    if not isinstance(factory, _Factory):
        factory = _Factory(loop)
        loop.set_task_factory(factory)
        loop.set_exception_handler(_Unawaited(loop.get_exception_handler()))
    _asked.set(request)
    _inside.set(factory.threads_of(agent))


def asked_to_end() -> RuntimeError:
    """Return what is raised in the place of the request."""
    return RuntimeError("the agent asked the process to end")


class _Factory:
    """Makes the tasks of a loop, whose default executor it exchanges, too."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._former: Callable[..., asyncio.Future[Any]] | None = loop.get_task_factory()
        self._executor = _Executor(getattr(loop, "_default_executor", None))
        self._threads: WeakKeyDictionary[object, AgentThreads] = WeakKeyDictionary()
        loop.set_default_executor(self._executor)

    def __call__(self, loop: asyncio.AbstractEventLoop, coro: Any, **named: Any) -> asyncio.Future[Any]:
        if type(coro) is AtOnce:
            if (ended := coro.begin(loop)) is not None:
                return ended
        elif _inside.get() is not None:
            coro = _Contained(coro)
        if self._former is not None:
            return self._former(loop, coro, **named)
        return asyncio.Task(coro, loop=loop, **named)

    def threads_of(self, agent: object) -> AgentThreads:
        try:
            threads = self._threads.get(agent)
            if threads is not None:
                return threads
            threads = self._threads[agent] = AgentThreads()
        except (
            TypeError
        ):  # somebody's own backend that cannot be a key, or be forgotten: each attempt has its own
            threads = AgentThreads()
        self._executor.agents.add(threads)
        return threads


class _Executor(ThreadPoolExecutor):
    """A default executor that gives an agent's work to the agent's threads, all else to the one before it.

    asyncio takes none that is no `ThreadPoolExecutor`.
    """

    def __init__(self, former: ThreadPoolExecutor | None) -> None:
        super().__init__(thread_name_prefix="asyncio")
        self._former = former
        self.agents: WeakSet[AgentThreads] = WeakSet()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        threads = _inside.get()
        if threads is not None:
            return threads.submit(fn, *args, **kwargs)
        if self._former is not None:
            return self._former.submit(fn, *args, **kwargs)
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait, cancel_futures=cancel_futures)
        for each in [*self.agents]:
            each.shutdown(wait, cancel_futures)
        if self._former is not None:
            self._former.shutdown(wait, cancel_futures=cancel_futures)


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine that is another one, but for what it lets out.

    A function that awaits the other would leave it unawaited, with a warning, if its task is cancelled before it
    begins. Whoever looks at the coroutine of a task, as anyio does, sees the other's state.
    """

    __slots__ = ("_coro", "asked")

    def __init__(self, coro: Any) -> None:
        self._coro = coro
        self.asked = _asked.get()

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


class _Unawaited:
    """A loop's exception handler that logs what agents' tasks and callbacks raise; all else is the one's before it."""

    def __init__(self, former: Handler | None) -> None:
        self._former = former

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        exc = context.get("exception")
        if isinstance(exc, Exception) and (asked := _whose(context)) is not None:
            log.warning(
                "agent_task_failed",
                run_id=asked.run_id,
                agent_id=asked.agent_id,
                what=str(context.get("message"))[:200].partition(" at ")[0],
                **failure(exc, asked.words()),
            )
        elif self._former is not None:
            self._former(loop, context)
        else:
            loop.default_exception_handler(context)


def _whose(context: dict[str, Any]) -> AgentInput | None:
    """Return what the agent was asked whose task or callback an error is about; None if it is no agent's."""
    task = context.get("task") or context.get("future")
    if isinstance(task, asyncio.Task):
        coro: object = task.get_coro()
        return coro.asked if isinstance(coro, _Contained) else None
    inside = getattr(context.get("handle"), "_context", None)  # asyncio has no other way to ask a callback
    return None if inside is None else inside.get(_asked)

"""Keeps what an agent starts from reaching others: tasks that would end the process, threads that never come back.

asyncio hands SystemExit and KeyboardInterrupt past every task to whoever runs the loop: what awaits the task cannot
hold them back, and all other agents would go along. Its default threads, six on two cores, are everybody's: six tools
that wait for ever would hold back names to be looked up, the page's files, large questions. Frameworks start a task
for each node or tool, and a thread for each that is synchronous.

What nobody awaits, asyncio logs as an exception, and an application's logging may print local variables with it:
keys, and what was asked. Of what an agent starts it is logged here.
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
from ..telemetry.logs import places

log = structlog.get_logger(__name__)
Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]

ENDING = (SystemExit, KeyboardInterrupt)
"""What asyncio lets end the loop. A Ctrl-C is a signal of the loop's own here, so they come from the agent."""
AGENT_THREADS = 32
"""How many of an agent's calls wait in threads at once, over all its runs; asyncio's own bound on a large machine."""

MOST_LINES = 8
"""So many failures of what one attempt left unawaited are logged."""
LOOKED_AT_FRAMES = 16


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


class _Attempt:
    """Whom what is started in an attempt belongs to. It may outlive the attempt, so it holds nothing that was said."""

    __slots__ = ("agent_id", "lines_left", "run_id")

    def __init__(self, request: AgentInput) -> None:
        self.run_id, self.agent_id = request.run_id, request.agent_id
        self.lines_left = MOST_LINES


_attempt: ContextVar[_Attempt | None] = ContextVar("attempt_of_an_agent", default=None)


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
    _attempt.set(None if request is None else _Attempt(request))
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
            return threads.submit(_InThread(fn), *args, **kwargs)
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

    __slots__ = ("_coro", "attempt")

    def __init__(self, coro: Any) -> None:
        self._coro = coro
        self.attempt = _attempt.get()

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


class _InThread:
    """A call of an agent in a thread; what it raises is known by this one's frame."""

    __slots__ = ("_call", "attempt")

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self.attempt = _attempt.get()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)


class _Unawaited:
    """A loop's exception handler that logs what agents' tasks and callbacks raise; all else is the one's before it.

    A line has the place and the class of the exception, not what it says: nothing has to be looked for in it, though
    an agent may leave thousands.
    """

    def __init__(self, former: Handler | None) -> None:
        self._former = former

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        exc = context.get("exception")
        if isinstance(exc, Exception) and (attempt := _whose(context, exc)) is not None:
            self._log(attempt, str(context.get("message"))[:200].partition(" at ")[0], exc)
        elif self._former is not None:
            self._former(loop, context)
        else:
            loop.default_exception_handler(context)

    def _log(self, attempt: _Attempt, what: str, exc: Exception) -> None:
        if not attempt.lines_left:
            return
        attempt.lines_left -= 1
        fields = {"run_id": attempt.run_id, "agent_id": attempt.agent_id, "what": what}
        log.warning("agent_task_failed", **fields, **places(exc), is_last_line=not attempt.lines_left)


def _whose(context: dict[str, Any], exc: Exception) -> _Attempt | None:
    """Return in which attempt of an agent the task, call or callback was begun that raised; None if in none."""
    task = context.get("task") or context.get("future")
    if isinstance(task, asyncio.Task):
        coro: object = task.get_coro()
        return coro.attempt if isinstance(coro, _Contained) else None
    if isinstance(task, asyncio.Future):
        return _raised_in(exc)  # a future does not say who made it, and may be collected in anybody's context
    inside = getattr(context.get("handle"), "_context", None)  # asyncio has no other way to ask a callback
    return None if inside is None else inside.get(_attempt)


def _raised_in(exc: Exception) -> _Attempt | None:
    """Return the attempt by the outermost frames through which *exc* came."""
    at = exc.__traceback__
    for _ in range(LOOKED_AT_FRAMES):
        if at is None:
            return None
        if at.tb_frame.f_code in _OWN_FRAMES:
            attempt: _Attempt | None = at.tb_frame.f_locals["self"].attempt
            return attempt
        at = at.tb_next
    return None


_OWN_FRAMES = (_Contained.send.__code__, _Contained.throw.__code__, _InThread.__call__.__code__)

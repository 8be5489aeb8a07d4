"""One agent of one run: attempts, retries, cancel; every ending becomes an event in the mailbox.

Owns the order of an agent's life (`started` … one terminal event, `retry`, `started` …) and the
metrics of each attempt. `attempt` runs the generator; the log and the run are not known here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import structlog

from ..backends.base import AgentInput, Backend, Emission, LazyEvent, Part, Turn
from ..errors import AgentError, LogUnavailable, OrchestratorError, is_agent_error, new_error_id
from ..events.agent import AgentMetrics, Approval, Cancelled, Done, Error, InputRef, Retry, Started, Status
from ..events.base import Payload
from ..settings.agent import AgentSettings
from ..telemetry.logs import exception_words, failure, secrets_in
from ..telemetry.observer import Observer
from .attempt import Attempt, Ending, Stop
from .budget import Budget
from .mailbox import Mailbox

log = structlog.get_logger(__name__)

STORE_RETRY_SECONDS = 0.5
"""Pause before a turn that the store could not take is offered again."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Those that are notified of an agent's life beside its mailbox.

    Args:
        on_done: Called with an answer that ended well, before `done` goes out.
        traceparent: Says, as an attempt begins, to which trace what it asks elsewhere belongs.
    """

    observer: Observer
    on_done: Callable[[Turn], Awaitable[None]] | None = None
    traceparent: Callable[[], str | None] = lambda: None


class Pump:
    """Carries one agent from `queued` to its last terminal event.

    Args:
        settings: The agent's `AgentSettings`.
        backend: Waits for the ready backend; it may still be loading.
        request: What is asked; `attempt` is the first attempt's number.
        budget: What the agent may spend in this run, all attempts together.
    """

    def __init__(
        self,
        settings: AgentSettings,
        backend: Callable[[], Awaitable[Backend]],
        request: AgentInput,
        mailbox: Mailbox,
        *,
        budget: Budget,
        listeners: Listeners,
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._settings = settings
        self._backend = backend
        self._request = request
        self._mailbox = mailbox
        self._budget = budget
        self._observer = listeners.observer
        self._on_done = listeners.on_done
        self._traceparent = listeners.traceparent
        self._queued_at = loop.time()
        self._stopped: asyncio.Future[Stop] = loop.create_future()
        self._current: Attempt | None = None
        self._again: tuple[Emission, ...] = ()

    @property
    def stopping(self) -> bool:
        """Whether somebody asked this agent to end."""
        return self._stopped.done()

    def stop(self, stop: Stop) -> bool:
        """End the agent at its next step; False if it was asked before. Returns at once."""
        if self._stopped.done():
            return False
        self._stopped.set_result(stop)
        return True

    def mark_taken_over(self) -> None:
        """Note that another worker goes on with what this agent began upstream, before the agent is ended here."""
        self._request.taken.set()

    @property
    def awaits_approval(self) -> bool:
        """Whether the attempt that runs waits until somebody answers it."""
        return self._current is not None and self._current.approvals.is_waiting

    def answer(self, answer: Approval) -> bool:
        """Answer an approval; False if none waits."""
        return self._current is not None and self._current.approvals.answer(answer)

    async def run(self) -> None:
        """Run all attempts; close the mailbox. Raises nothing but CancelledError."""
        number = first = self._request.attempt
        try:
            while retry := await self._one(number, last=number - first + 1 >= self._settings.retry.attempts):
                number += 1
                self._observer.retried(self._settings.agent_id)
                self._mailbox.post(retry)
                self._queued_at = self._loop.time()
                if retry.delay_s > 0 and not self._stopped.done():
                    await asyncio.wait((self._stopped,), timeout=retry.delay_s)
        finally:
            self._mailbox.close()

    async def _one(self, number: int, *, last: bool) -> Retry | None:
        """Make one attempt and say how it ended; return the announcement of the next, if any."""
        part = self._request.part
        if part is not None:
            # Before anything can end it: only `started` distinguishes this turn from the one before.
            self._mailbox.post(opening_of(part, number))
        again, self._again = self._again, ()
        backend = CorrectedAnswer(again) if again else await self._ready()
        attempt: Attempt | None = None
        if isinstance(backend, Ending):
            ending = backend
        else:
            if part is None:
                self._mailbox.post(Started(number))
            # What is said again was paid for when it was said first.
            budget = Budget("agent") if again else self._budget
            attempt = self._current = Attempt(backend, self._mailbox, self._settings, budget)
            request = replace(
                self._request,
                attempt=number,
                # Only the first: a retry begins anew, and the attempt before it has ended its upstream work.
                anchor=self._request.anchor if number == self._request.attempt else None,
                traceparent=self._traceparent(),
                approve=attempt.approvals.wait,
                reasons=attempt.approvals.reasons,
                answered_by=attempt.approvals.names,
                say=attempt.say if getattr(backend, "emits_at_once", False) else None,
                cancelled=LazyEvent() if number > self._request.attempt else self._request.cancelled,
            )
            ending = await attempt.run(request, self._stopped)
            self._current = None
        if ending.abandoned:
            self._observer.abandoned(self._settings.agent_id)
        if self._on_done is not None and ending.finish is not None and attempt is not None:
            await self._remember(
                self._on_done,
                Turn(
                    self._request.message,
                    "".join(attempt.pieces),
                    ending.finish.memory,
                    self._request.run_id,
                ),
            )
        terminal = self._terminal(ending, attempt, number)
        self._mailbox.post(terminal)
        if ending.again and isinstance(terminal, Error) and not self._stopped.done():
            self._again = ending.again
            return Retry(number + 1, 0.0, terminal.code)
        if not isinstance(terminal, Error) or last or not self._may_retry(terminal, attempt):
            return None
        delay = self._delay(number - self._request.attempt, ending)
        return None if delay is None else Retry(number + 1, round(delay, 3), terminal.code)

    async def _remember(self, on_done: Callable[[Turn], Awaitable[None]], turn: Turn) -> None:
        """Report a good answer; again and again while the store is unavailable, unless the agent is to end."""
        while True:
            try:
                return await on_done(turn)
            except LogUnavailable as exc:
                log.warning("turn_not_kept_yet", run_id=self._request.run_id, reason=exception_words(exc))
            await asyncio.wait((self._stopped,), timeout=STORE_RETRY_SECONDS)
            if self._stopped.done():
                return None

    async def _ready(self) -> Backend | Ending:
        if self._stopped.done():
            return Ending(stop=self._stopped.result())
        loading = asyncio.ensure_future(self._backend())
        if not loading.done():
            await asyncio.sleep(0)
        if not loading.done():
            self._mailbox.post(Status("queued", "loading"))
        try:
            if not loading.done():
                await asyncio.wait((loading, self._stopped), return_when=asyncio.FIRST_COMPLETED)
            if not loading.done():
                return Ending(stop=self._stopped.result())
            return loading.result()
        except OrchestratorError as exc:
            return Ending(error=AgentError("internal", "The agent could not be loaded."), cause=exc)
        finally:
            loading.cancel()

    def _terminal(self, ending: Ending, attempt: Attempt | None, number: int) -> Payload:
        metrics = self._metrics(ending, attempt, number)
        if ending.finish is not None and attempt is not None:
            finish = ending.finish
            return Done("".join(attempt.pieces), finish.usage, finish.reason, metrics, number, finish.output)
        if ending.stop is not None and ending.stop.code is None:
            reason = "abandoned" if ending.abandoned else ending.stop.reason
            return Cancelled(reason, metrics, number)
        error = ending.error
        if error is None:
            stop = ending.stop or Stop("The agent ended in no known way.", "internal")
            error = AgentError(stop.code or "internal", stop.reason, retryable=False)
        return self._error(error, ending.cause, metrics, attempt, number)

    def _error(
        self,
        error: AgentError,
        cause: BaseException | None,
        metrics: AgentMetrics,
        attempt: Attempt | None,
        number: int,
    ) -> Error:
        error_id = new_error_id()
        # What a backend could only call `internal`, or a tool's fault, is sent to nobody else.
        unexpected = cause is None or not is_agent_error(cause) or error.code in ("internal", "tool_failed")
        log.warning(
            "agent_failed",
            run_id=self._request.run_id,
            agent_id=self._settings.agent_id,
            attempt=number,
            code=error.code,
            error_id=error_id,
            **(failure(cause, self._unquotable(attempt)) if unexpected else {}),
        )
        return Error(error.code, error.message, error_id, error.retryable, metrics, number)

    def _unquotable(self, attempt: Attempt | None) -> Iterator[str]:
        """Yield what no line of the log may quote: what was asked and answered, and the agent's own keys."""
        yield from self._request.words()
        if attempt is not None:
            yield "".join(attempt.pieces)
        yield from secrets_in(self._settings)

    def _metrics(self, ending: Ending, attempt: Attempt | None, number: int) -> AgentMetrics:
        now = self._loop.time()
        if attempt is None:
            return AgentMetrics(_ms(now - self._queued_at), None, 0, 0, None, number - 1)
        first = attempt.first_token_at
        usage = ending.finish.usage if ending.finish else None
        return AgentMetrics(
            queue_ms=_ms(attempt.started_at - self._queued_at),
            ttft_ms=None if first is None else _ms(first - attempt.started_at),
            duration_ms=_ms(now - attempt.started_at),
            output_chars=attempt.chars,
            tokens_per_s=_rate(usage.output_tokens, attempt, now) if usage else None,
            retries=number - 1,
            cost=attempt.cost,
        )

    def _may_retry(self, error: Error, attempt: Attempt | None) -> bool:
        if not error.retryable or self._stopped.done():
            return False
        said = attempt is not None and attempt.first_token_at is not None
        return not said or self._settings.retry.after_first_token

    def _delay(self, failed: int, ending: Ending) -> float | None:
        """Seconds to the next attempt; None if the upstream asks for longer than an attempt may take."""
        wanted = ending.error.retry_after if ending.error else None
        if wanted is not None:
            return wanted if wanted <= self._settings.limits.timeout_s else None
        policy = self._settings.retry
        ceiling: float = min(policy.max_backoff_s, policy.backoff_s * 2.0**failed)
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


class CorrectedAnswer:
    """Says what a corrected answer is, without asking upstream again."""

    model: str | None = None

    def __init__(self, emissions: Iterable[Emission]) -> None:
        self._emissions = emissions

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        for emission in self._emissions:
            yield emission

    async def aclose(self) -> None:
        """Hold nothing."""


def opening_of(part: Part, attempt: int) -> Started:
    """Return the `started` of an attempt in a panel, which says what it is part of."""
    return Started(
        attempt,
        stage=part.stage,
        round=part.number if part.stage == "round" else None,
        layer=part.number if part.stage == "layer" else None,
        turn=part.turn,
        inputs=[
            InputRef(h.agent_id, h.attempt, h.chars, None if h.chars == len(h.text) else len(h.text))
            for h in part.heard
        ],
        missing=list(part.missing),
    )


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _rate(tokens: int, attempt: Attempt, now: float) -> float | None:
    """Output tokens per second since the first one came; over the whole attempt if all came at once."""
    since = attempt.first_token_at if attempt.first_token_at is not None else attempt.started_at
    seconds = now - since if now - since > 0.001 else now - attempt.started_at
    return round(tokens / seconds, 1) if seconds > 0 else None

"""One try of one agent: owns its generator from the first item to its closing.

Everything the agent says goes into its mailbox; how the attempt ended is returned, never raised.
Knows nothing of retries and of runs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from ..backends.base import (
    AgentInput,
    Backend,
    Correction,
    Emission,
    Finish,
    Spent,
    Unchecked,
    close_iterator,
)
from ..errors import AgentError, ErrorCode, is_agent_error
from ..events.agent import ApprovalRequest, Reasoning, Status, Token, Usage
from ..events.base import Payload
from ..events.content import CONTENT
from ..events.encoding import clean_text
from ..events.hops import note_depth
from ..settings.agent import AgentSettings, Limits
from ..telemetry.logs import class_name
from .approvals import Approvals
from .budget import Budget, cost_of
from .containment import ENDING, asked_to_end, contain
from .content_bounds import ContentBounds
from .deadlines import Deadlines
from .emissions import HeldHalves, checked, plain_text, sound_error, sound_finish
from .event_bounds import bound_event, check_names, countable
from .mailbox import BURST_CHARS, BURST_PIECE_CHARS, BURST_PIECES, MAX_EVENT_CHARS, Mailbox, cut
from .pace import Pace
from .watch import Watch

log = structlog.get_logger(__name__)

STOP_SECONDS = 5.0
"""How long a cancelled agent may take to close its stream before it is cancelled again."""

ABANDON_SECONDS = 3.0
"""How long after that it is left behind."""

_NOTHING_USED = Usage(0, 0)

ITEMS_PER_TURN = 64
"""Items taken from an agent that never waits before the event loop gets its turn."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody ended the attempt from outside. With a `code` it is an error, else a cancel."""

    reason: str
    code: ErrorCode | None = None


@dataclass(slots=True)
class Ending:
    """The end of an attempt: exactly one of `finish`, `error` and `stop` is set.

    `again` is what the next attempt says, if this one said other words than its answer has.
    """

    finish: Finish | None = None
    error: AgentError | None = None
    stop: Stop | None = None
    abandoned: bool = False
    cause: BaseException | None = None
    again: tuple[Emission, ...] = ()


class Attempt:
    """Runs one agent once and fills its mailbox.

    Args:
        settings: The agent's `AgentSettings`; its `limits` and `prices` matter here.
        budget: What the agent may spend in this run.
    """

    def __init__(self, backend: Backend, mailbox: Mailbox, settings: AgentSettings, budget: Budget) -> None:
        limits = settings.limits
        self._backend = backend
        self._mailbox = mailbox
        self._limits = limits
        self._prices = settings.prices
        self._budget = budget
        self._pace = Pace(limits.max_chars_per_s) if limits.max_chars_per_s else None
        self._deadlines = Deadlines(
            first_s=limits.first_token_timeout_s, idle_s=limits.idle_timeout_s, total_s=limits.timeout_s
        )
        self._finish: Finish | None = None
        self._restated: Correction | None = None
        self._used = _NOTHING_USED
        self.cost: float | None = None
        self._live = True
        self.approvals = Approvals(mailbox, self._deadlines, limits.approval_timeout_s)
        self._bounds: ContentBounds | None = None
        self._left: int = limits.max_output_chars
        # Whether text can go as it is: with nothing to pace, and the first token's time already taken.
        self._plain = False
        # Takes text that follows upon text, before anybody has looked at it; None if the next piece is to be looked at.
        self._burst: list[str] | None = None
        self._deadlines.hearing = mailbox.end_burst
        self._halves = HeldHalves()
        self.pieces: list[str] = []
        self.first_token_at: float | None = None
        self.started_at = self._deadlines.started

    @property
    def chars(self) -> int:
        """Characters that the agent said itself."""
        said: int = self._limits.max_output_chars - self._left
        return said

    async def run(self, request: AgentInput, stopped: asyncio.Future[Stop]) -> Ending:
        """Run to the end, a limit, or until *stopped* has a result; cancelling stops the agent too.

        Returns only when the agent's stream is closed, or was abandoned.
        """
        task = asyncio.create_task(self._consume(request), name=f"{request.run_id}/{request.agent_id}")
        watch = Watch(self._deadlines, task, stopped)
        try:
            await watch.over
            if task.done():
                return self._ending(task)
            verdict = self._verdict(watch, stopped)
            request.cancelled.set()
            verdict.abandoned = not await self._close(task)
        except asyncio.CancelledError:
            request.cancelled.set()
            await self._close(task)
            raise
        finally:
            watch.end()
        if verdict.abandoned:
            log.error("agent_abandoned", run_id=request.run_id, agent_id=request.agent_id)
        return verdict

    def _verdict(self, watch: Watch, stopped: asyncio.Future[Stop]) -> Ending:
        """Say why the agent must end that has not ended by itself."""
        if stopped.done():
            return Ending(stop=stopped.result())
        return Ending(error=AgentError(watch.code, _limit_text(watch.code, self._limits)))

    async def _close(self, task: asyncio.Task[None]) -> bool:
        """Cancel the task until it ends; False if it does not."""
        for seconds in (STOP_SECONDS, ABANDON_SECONDS):
            task.cancel()
            # The agent may wait for room that nobody makes any more.
            await asyncio.wait((task,), timeout=seconds)
            if task.done():
                _swallow(task)
                return True
        self._mailbox.end_burst()
        self._live = self._plain = False
        task.add_done_callback(_swallow)
        return False

    def _ending(self, task: asyncio.Task[None]) -> Ending:
        if task.cancelled():
            return Ending(error=AgentError("internal", "The agent cancelled itself."))
        exc = task.exception()
        finish = self._finish or Finish()
        if exc is None and self._restated is not None:
            said = AgentError(
                "upstream_invalid", "What was said is not the answer, which its provider corrected."
            )
            return Ending(error=said, cause=said, again=(*self._restated.payloads, finish))
        if exc is None:
            return Ending(finish=finish)
        if is_agent_error(exc):
            return Ending(error=sound_error(exc), cause=exc)
        return Ending(
            error=AgentError("internal", "The agent failed; the server's log has the details."), cause=exc
        )

    def _opened(self, request: AgentInput) -> Unchecked:
        """Return the agent's stream, past a generator that only checks what goes through it."""
        backend: Any = self._backend
        # One whose `stream` is another's, of a class below or of somebody who traces it, is to be asked by that.
        if "unchecked" in vars(type(backend)) and "stream" not in getattr(backend, "__dict__", ()):
            unchecked: Unchecked = backend.unchecked(request)
            return unchecked
        return Unchecked(backend.stream(request))

    async def _consume(self, request: AgentInput) -> None:
        """Take every item of the agent's stream; what would end the process ends the attempt instead.

        Plain text goes into the mailbox without `_accept`. What comes in a row is only put into a list until
        somebody fetches it, for whatever is done with each item is a token's cost.
        """
        contain(self._backend, request)
        note_depth(request.depth)
        deadlines, clock, mailbox = self._deadlines, self._deadlines.clock, self._mailbox
        left = ITEMS_PER_TURN
        try:
            opened = self._opened(request)
            items, check = opened.items, opened.check
            try:
                async for item in items:
                    burst = self._burst
                    if burst is not None and type(item) is str and len(item) <= BURST_PIECE_CHARS:
                        burst.append(item)
                    else:
                        if burst is not None:
                            mailbox.end_burst()
                        deadlines.last = clock()
                        if type(item) is not str:
                            item = plain_text(item if check is None else check(item))
                        if type(item) is str and self._is_plain(item):
                            if not self._say(item):
                                await self._wait_for_room()
                        elif self._live:
                            await self._accept(item)
                            if check is not None and isinstance(item, Finish):
                                return
                        else:
                            return
                    left -= 1
                    if not left:
                        left = ITEMS_PER_TURN
                        mailbox.end_burst()
                        await asyncio.sleep(0)
                await self._end_halves()
            finally:
                mailbox.end_burst()
                await close_iterator(items)
        except ENDING as exc:
            raise asked_to_end() from exc

    def say(self, text: str) -> bool:
        """Take plain text now, between two items of the agent's stream; False, and nothing is taken, if it may not.

        As `_consume` does, without a task that wakes.
        """
        burst = self._burst
        if (
            burst is not None
            and type(text) is str
            and len(text) <= BURST_PIECE_CHARS
            and len(burst) < BURST_PIECES
        ):
            burst.append(text)
            return True
        mailbox = self._mailbox
        if burst is not None:
            mailbox.end_burst()
        if type(text) is str and self._is_plain(text) and not mailbox.full:
            self._deadlines.last = self._deadlines.clock()
            self._say(text)
            return True
        return False

    def _is_plain(self, text: str) -> bool:
        """Return whether *text* may go into the mailbox as it is."""
        return (
            self._plain
            and 0 < (size := len(text)) <= MAX_EVENT_CHARS
            and size <= self._left
            and (text.isascii() or clean_text(text) is text)
        )

    def _say(self, text: str) -> bool:
        """Put plain text into the mailbox; return whether there is room for more."""
        self.pieces.append(text)
        self._left -= len(text)
        mailbox = self._mailbox
        has_room = mailbox.more(text)
        if has_room and mailbox.has_joined and self._left > BURST_CHARS * 2:
            self._burst = mailbox.begin_burst(self._end_burst)
        return has_room

    def _end_burst(self, pieces: list[str]) -> None:
        """Take what came in a row: all at once if nothing is odd about it."""
        self._burst = None
        if not pieces:
            return
        self._deadlines.last = self._deadlines.clock()
        text = "".join(pieces)
        if self._is_plain(text):
            self.pieces.append(text)
            self._left -= len(text)
            self._mailbox.more(text, len(pieces))
            return
        for piece in pieces:
            if piece and (piece := self._halves.take(piece, (Token, None, None))):
                self.pieces.append(piece)
                self._left -= len(piece)
                self._mailbox.say(piece)
        self._plain = self._plain and not self._halves.held

    async def _accept(self, item: Any) -> None:
        """Take one item of any type that an agent may yield, and note that the agent has begun."""
        if not self._deadlines.heard:
            # What is for other workers only is no first word.
            self._deadlines.heard = not (isinstance(item, Status) and item.anchor is not None)
        if type(item) is str:
            await self._accept_text(item)
        else:
            await self._accept_event(item)

    async def _accept_event(self, item: Any) -> None:
        """Take an item that is no `str`: text with a speaker, an event, what was spent, or how the answer ended."""
        if isinstance(item, Token | Reasoning) and (item.speaker is not None or item.parent is not None):
            check_names(checked(item).speaker, item.parent)
        if type(item) is Token:
            await self._accept_text(item.text, item.speaker, item.parent)
        elif type(item) is Reasoning:
            for text in cut(self._halves.take(item.text, (Reasoning, item.speaker, item.parent))):
                if not self._mailbox.say(text, Reasoning, item.speaker, item.parent):
                    await self._wait_for_room()
        elif isinstance(item, Spent):
            self._charge(countable(checked(item.usage)))
        elif isinstance(item, Correction):
            self._restated = item
        elif isinstance(item, Finish):
            await self._end_halves()
            self._finish = finish = sound_finish(item)
            if finish.usage is not None:
                self._charge(finish.usage.minus(self._used), cut=finish.reason == "length")
        elif isinstance(item, CONTENT):
            self._bounds = self._bounds or ContentBounds()
            content, weight = self._bounds.take(checked(item))
            if not self._mailbox.post(content, weight=weight):
                await self._wait_for_room()
        elif isinstance(item, Payload):
            if isinstance(item, ApprovalRequest):
                self.approvals.open(item.call_id)
            event, weight = bound_event(checked(item))
            if not self._mailbox.post(event, weight=weight):
                await self._wait_for_room()
        else:
            raise AgentError(
                "upstream_invalid",
                f"The agent yielded {type(item).__name__}; it may yield str, an event payload or Finish.",
            )

    def _charge(self, usage: Usage, *, cut: bool = False) -> None:
        self._used = self._used.plus(usage)
        self.cost = cost_of(self._used, self._prices)
        self._budget.charge(usage, cost_of(usage, self._prices), cut=cut)

    async def _end_halves(self) -> None:
        self._mailbox.end_burst()
        for each in self._halves.end() if self._live else ():
            await self._accept_event(each)

    async def _accept_text(self, text: str, speaker: str | None = None, parent: str | None = None) -> None:
        """Put text into the mailbox, cut into events, at the agent's pace and within its output limit."""
        if not text or not (text := self._halves.take(text, (Token, speaker, parent))):
            self._plain = self._plain and not self._halves.held
            return
        room = self._left if parent is None else len(text)
        if self.first_token_at is None:
            self.first_token_at = self._deadlines.last
        self._plain = self._live and self._pace is None and not self._halves.held
        for piece in cut(text[:room]):
            for part in self._pace.split(piece) if self._pace else (piece,):
                if self._pace:
                    with self._deadlines.paused():
                        await self._pace.wait(len(part))
                if parent is None:
                    self.pieces.append(part)
                    self._left -= len(part)
                if not self._mailbox.say(part, Token, speaker, parent):
                    await self._wait_for_room()
        if len(text) > room:
            limit = self._limits.max_output_chars
            raise AgentError("output_limit", f"The answer reached {limit} characters, the agent's limit.")

    async def _wait_for_room(self) -> None:
        """Wait until the mailbox has room; this time is not the agent's."""
        with self._deadlines.paused():
            await self._mailbox.room()


def _swallow(task: asyncio.Task[None]) -> None:
    """Fetch an ended task's exception, so that asyncio does not report it as forgotten."""
    if not task.cancelled() and (exc := task.exception()) is not None:
        log.debug("agent_closing_failed", error=class_name(exc))


def _limit_text(code: ErrorCode, limits: Limits) -> str:
    if code == "timeout_first_token":
        return f"Nothing came within {limits.first_token_timeout_s:g} s."
    if code == "timeout_idle":
        return f"Nothing more came for {limits.idle_timeout_s:g} s."
    return f"The answer was not complete within {limits.timeout_s:g} s."

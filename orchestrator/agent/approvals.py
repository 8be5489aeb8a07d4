"""The calls of one attempt that wait for a person, and the answers to them."""

from __future__ import annotations

import asyncio

from ..errors import AgentError
from ..events.agent import Approval
from ..events.encoding import clean_text
from .deadlines import Deadlines
from .mailbox import Mailbox

SHOWN_CHARS = 80
"""So much of a call's id is named."""
MOST_WAITING = 1_000
"""Approvals of one attempt that wait at once: a snapshot has each, with all that it asks. A memory guard."""
UNASKED_SECONDS = 30.0
"""So long may an agent wait before its request comes: both may be sent in one turn, and the mailbox may be full."""


class _Call:
    """One question: its answer, and how many wait for it."""

    __slots__ = ("answer", "asked", "waiters")

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[bool] = loop.create_future()
        self.asked: asyncio.Future[None] = loop.create_future()
        self.waiters = 0


class Approvals:
    """Calls of one attempt that wait for a person.

    Attributes:
        reasons, names: What people said with their answers, and who they said they are, by `call_id`.
    """

    __slots__ = ("_calls", "_deadlines", "_mailbox", "_timeout_s", "names", "reasons")

    def __init__(self, mailbox: Mailbox, deadlines: Deadlines, timeout_s: float) -> None:
        self._mailbox = mailbox
        self._deadlines = deadlines
        self._timeout_s = timeout_s
        self._calls: dict[str, _Call] = {}
        self.reasons: dict[str, str] = {}
        self.names: dict[str, str] = {}

    def open(self, call_id: str) -> None:
        """Accept answers for *call_id* from now on; one that is asked twice meanwhile is one question.

        Raises:
            AgentError: `upstream_invalid`, for more wait than a person could answer.
        """
        call = self._calls.get(call_id)
        if call is None or call.answer.done():
            self._make_room()
            call = self._calls[call_id] = _Call()
        if not call.asked.done():
            call.asked.set_result(None)

    def _make_room(self) -> None:
        if len(self._calls) < MOST_WAITING:
            return
        answered = [call_id for call_id, call in self._calls.items() if call.answer.done()]
        if not answered:
            many = f"The agent asks for more than {MOST_WAITING:,} approvals at once."
            raise AgentError("upstream_invalid", many, retryable=False)
        for call_id in answered:  # and nobody has fetched their answers
            del self._calls[call_id]

    @property
    def is_waiting(self) -> bool:
        """Whether a call waits for its answer."""
        return any(call.asked.done() and not call.answer.done() for call in self._calls.values())

    def answer(self, answer: Approval) -> bool:
        """Report an answer, then pass it on to the agent; False if nothing waits for one."""
        call = self._calls.get(answer.call_id)
        if call is None or not call.asked.done() or call.answer.done():
            return False
        if answer.reason is not None:
            self.reasons[answer.call_id] = clean_text(answer.reason)
        if answer.by is not None:
            self.names[answer.call_id] = clean_text(answer.by)
        self._mailbox.post(answer)  # before the agent goes on, so before whatever it says then
        call.answer.set_result(answer.approve)
        return True

    async def wait(self, call_id: str) -> bool:
        """Wait for the answer to *call_id*; the attempt's own time limits stand still.

        Raises:
            AgentError: Nobody answered in time (`approval_timeout`), or nobody was asked, so nobody can (`internal`).
        """
        call = self._calls.get(call_id)
        if call is None:
            self._make_room()
            call = self._calls[call_id] = _Call()
        call.waiters += 1
        try:
            with self._deadlines.paused():
                if not call.asked.done():
                    await self._until_asked(call_id, call)
                async with asyncio.timeout(self._timeout_s):
                    return await asyncio.shield(call.answer)
        except TimeoutError as exc:
            raise AgentError("approval_timeout", f"Nobody answered within {self._timeout_s:g} s.") from exc
        finally:
            call.waiters -= 1
            if (call.answer.done() or not call.waiters) and self._calls.get(call_id) is call:
                del self._calls[call_id]

    async def _until_asked(self, call_id: str, call: _Call) -> None:
        try:
            async with asyncio.timeout(UNASKED_SECONDS):
                await asyncio.shield(call.asked)
        except TimeoutError as exc:
            wrong = f"It waits for the answer to {call_id[:SHOWN_CHARS]!r}, for which it sent no approval_request."
            raise AgentError("internal", wrong, retryable=False) from exc

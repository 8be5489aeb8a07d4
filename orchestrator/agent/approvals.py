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


class Approvals:
    """Calls of one attempt that wait for a person.

    Attributes:
        reasons, names: What people said with their answers, and who they said they are, by `call_id`.
    """

    __slots__ = ("_deadlines", "_mailbox", "_timeout_s", "_waiting", "names", "reasons")

    def __init__(self, mailbox: Mailbox, deadlines: Deadlines, timeout_s: float) -> None:
        self._mailbox = mailbox
        self._deadlines = deadlines
        self._timeout_s = timeout_s
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        self.reasons: dict[str, str] = {}
        self.names: dict[str, str] = {}

    def open(self, call_id: str) -> None:
        """Accept answers for *call_id* from now on; one that is asked twice meanwhile is one question.

        Raises:
            AgentError: `upstream_invalid`, for more wait than a person could answer.
        """
        waiting = self._waiting.get(call_id)
        if waiting is None or waiting.done():
            if len(self._waiting) >= MOST_WAITING:
                many = f"The agent asks for more than {MOST_WAITING:,} approvals at once."
                raise AgentError("upstream_invalid", many, retryable=False)
            self._waiting[call_id] = asyncio.get_running_loop().create_future()

    @property
    def is_waiting(self) -> bool:
        """Whether a call waits for its answer."""
        return any(not waiting.done() for waiting in self._waiting.values())

    def answer(self, answer: Approval) -> bool:
        """Report an answer, then pass it on to the agent; False if nothing waits for one."""
        waiting = self._waiting.get(answer.call_id)
        if waiting is None or waiting.done():
            return False
        if answer.reason is not None:
            self.reasons[answer.call_id] = clean_text(answer.reason)
        if answer.by is not None:
            self.names[answer.call_id] = clean_text(answer.by)
        self._mailbox.post(answer)  # before the agent goes on, so before whatever it says then
        waiting.set_result(answer.approve)
        return True

    async def wait(self, call_id: str) -> bool:
        """Wait for the answer to *call_id*; the attempt's own time limits stand still.

        Raises:
            AgentError: Nobody answered in time (`approval_timeout`), or nobody was asked, so nobody can (`internal`).
        """
        if call_id not in self._waiting:
            wrong = f"It waits for the answer to {call_id[:SHOWN_CHARS]!r}, for which it sent no approval_request."
            raise AgentError("internal", wrong, retryable=False)
        try:
            with self._deadlines.paused():
                async with asyncio.timeout(self._timeout_s):
                    return await self._waiting[call_id]
        except TimeoutError as exc:
            raise AgentError("approval_timeout", f"Nobody answered within {self._timeout_s:g} s.") from exc
        finally:
            self._waiting.pop(call_id, None)

"""The bounded way from one SDK run to its one consumer, and what was learnt on it. Owns no run and reads no event.

Who is inside of a run finds its outbox by the context that the run was started in.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from agents import Tool

from ...errors import AgentError
from ...events.agent import ToolCall, ToolResult
from ...events.base import Payload
from ..base import Spent
from .calls import LocalCalls
from .emission_record import EmissionRecord
from .model.events import FileEvent

PENDING_LIMIT = 64
"""Payloads of one run that may wait for its consumer; then the model is held back."""

NESTED: ContextVar[str | None] = ContextVar("orchestrator_nested_call", default=None)
"""The call inside which the current task runs a nested agent; set by whoever builds an agent as a tool."""

OUTBOX: ContextVar[Outbox | None] = ContextVar("orchestrator_outbox", default=None)

DETAILS: ContextVar[list[dict[str, Any]] | None] = ContextVar("orchestrator_reasoning_details", default=None)
"""The `reasoning_details` of the response that is being read; the SDK's own decoding drops them."""

FILES: ContextVar[list[FileEvent] | None] = ContextVar("orchestrator_files", default=None)
"""What the response that is being read has of images and files; the SDK's own decoding drops them."""


@dataclass(slots=True)
class OpenCall:
    tool: Tool
    started: float
    parent: str | None


@dataclass(eq=False, slots=True)
class Outbox:
    """The bounded way from one run to its one consumer, and what was learnt on it.

    Attributes:
        lead: Name of the agent that speaks first; its tokens carry no `speaker`.
        finish_reason: Of the newest model response that had one.
        failure: Why the run is to end before the SDK ends it.
        speaking: Who answers now, by the call it is nested in (None: the run itself). Empty between
            model calls, so that a nested run we did not build is not taken for the run itself.
        asked: Calls that a model has made and nobody has begun yet, by id.
        call_ids: Of all calls of the run, nested ones and the provider's own too.
        cited: What the run has cited; None before anything was looked for.
        files: How many files its models have made.
    """

    lead: str
    limit: int = PENDING_LIMIT
    finish_reason: str | None = None
    speaking: dict[str | None, str] = field(default_factory=dict)
    open_calls: dict[str, OpenCall] = field(default_factory=dict)
    failed_calls: frozenset[str] = frozenset()
    asked: dict[str, ToolCall] = field(default_factory=dict)
    failure: AgentError | None = None
    call_ids: set[str] = field(default_factory=set)
    cited: set[str] | None = None
    files: int = 0
    local_calls: LocalCalls = field(default_factory=LocalCalls)
    record: EmissionRecord = field(default_factory=EmissionRecord)
    _items: list[Payload | Spent] = field(default_factory=list)
    _ready: asyncio.Event | None = None
    _room: asyncio.Event | None = None
    _closed: bool = False

    def enter(self) -> None:
        """Make this the outbox of everything that the current context starts from here on."""
        OUTBOX.set(self)

    async def put(self, payload: Payload | Spent) -> None:
        """Add *payload*, once there is room. Cancelling adds nothing."""
        await self.room()
        self.hold(payload)

    def hold(self, payload: Payload | Spent) -> None:
        """Add *payload* whether or not there is room; whoever does so awaits `room` before it goes on."""
        self._items.append(payload)
        if not isinstance(payload, Spent):
            self.record.add(payload)
        if self._ready is not None:
            self._ready.set()

    async def room(self) -> None:
        """Wait until there is room for a payload, or the outbox is closed. Cancelling is safe."""
        while len(self._items) >= self.limit and not self._closed:
            if self._room is None:
                self._room = asyncio.Event()
            self._room.clear()
            await self._room.wait()

    def drain(self) -> list[Payload | Spent]:
        """Take all that is there, oldest first."""
        batch, self._items = self._items, []
        if self._room is not None:
            self._room.set()
        return batch

    async def take(self) -> list[Payload | Spent]:
        """Take all that waits, oldest first; empty once the outbox is closed and drained.

        Cancelling is safe: nothing is lost.
        """
        while not self._items and not self._closed:
            if self._ready is None:
                self._ready = asyncio.Event()
            self._ready.clear()
            await self._ready.wait()
        return self.drain()

    def close(self) -> None:
        """Say that nothing more comes; whoever waits goes on."""
        self._closed = True
        for waited in (self._ready, self._room):
            if waited is not None:
                waited.set()

    def reopen(self) -> None:
        """Let a resumed run go on with the same outbox."""
        self._closed = False

    def note_finish(self, reason: str) -> None:
        """Remember why the run's own model stopped."""
        self.finish_reason = "stop" if reason == "tool_calls" else reason

    def speaker(self, name: str, parent: str | None) -> str | None:
        return None if parent is None and name == self.lead else name

    def forget_asked(self, parent: str | None) -> None:
        """Forget the calls that the agent nested in *parent* has made: nobody will begin them."""
        self.asked = {call_id: call for call_id, call in self.asked.items() if call.parent != parent}

    def unfinished(self, *, within: str | None = None) -> list[ToolCall | ToolResult]:
        """Return a failed result for each call that did not end, and forget them; calls that nobody began, too.

        Args:
            within: Only calls of agents that are nested in this one.
        """
        said: list[ToolCall | ToolResult] = []
        for call_id, asked in list(self.asked.items()):
            if within is None or asked.parent == within:
                del self.asked[call_id]
                said += [
                    asked,
                    ToolResult(call_id, "The tool was not run.", is_error=True, parent=asked.parent),
                ]
        for call_id, call in list(self.open_calls.items()):
            if call_id in self.open_calls and (within is None or call.parent == within):
                del self.open_calls[call_id]
                said += self.unfinished(within=call_id)
                said.append(ToolResult(call_id, "The tool failed.", is_error=True, parent=call.parent))
        return said


def note_finish_reason(reason: str) -> None:
    """Remember why the model stopped, for the run in whose context this is called."""
    outbox = OUTBOX.get()
    if outbox is not None and NESTED.get() is None:
        outbox.note_finish(reason)


def note_reasoning_details(details: list[dict[str, Any]]) -> None:
    """Remember what must go back with the calls of the response that is read in this context."""
    noted = DETAILS.get()
    if noted is not None:
        noted[:] = details


def note_files(files: list[FileEvent]) -> None:
    """Remember files of the response that is read in this context, until its next event."""
    noted = FILES.get()
    if noted is not None:
        noted += files


def note_tripwire() -> None:
    """End the run in whose context this is called; a nested run's guardrail fails its tool alone."""
    outbox = OUTBOX.get()
    if outbox is not None and NESTED.get() is None:
        outbox.failure = AgentError("guardrail", "A guardrail stopped the agent.")
        outbox.close()


async def note_rejected_call(context: Any, tool: Tool, message: str) -> None:
    """Report a call that a guardrail rejected before it began: the SDK's hooks are not asked then."""
    outbox, call_id = OUTBOX.get(), getattr(context, "tool_call_id", None)
    if outbox is None or not call_id or call_id in outbox.open_calls:
        return
    outbox.asked.pop(call_id, None)
    parent = NESTED.get()
    arguments = getattr(context, "tool_arguments", "") or "{}"
    await outbox.put(ToolCall(call_id, tool.name, arguments, parent=parent))
    await outbox.put(ToolResult(call_id, message, is_error=True, parent=parent))


def note_failed_call(call_id: str) -> None:
    """Remember that this call's tool raised, so that its result is reported as an error."""
    outbox = OUTBOX.get()
    if outbox is not None:
        outbox.failed_calls |= {call_id}


def note_unknown_call(call_id: str) -> None:
    """Report a call of a tool that the agent does not have, where the model hears so and goes on."""
    outbox = OUTBOX.get()
    asked = None if outbox is None else outbox.asked.pop(call_id, None)
    if outbox is not None and asked is not None:
        outbox.hold(asked)
        outbox.hold(ToolResult(call_id, "There is no such tool.", is_error=True, parent=asked.parent))

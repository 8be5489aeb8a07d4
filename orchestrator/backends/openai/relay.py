"""What an SDK run says, taken at its source: the model's events and the run's hooks → our payloads.

The SDK's own event queue loses what is in it when a run fails, and knows no bound. So nothing is read
from there: a `RelayModel` around each model and `RelayHooks` put payloads into one bounded `Outbox` as
they happen, in order, and wait while it is full; that holds the model's stream back, and with it the
upstream connection. Owns no run: `openai_stream` starts and ends it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from agents import Agent, Model, ModelProvider, RunContextWrapper, RunHooks, Tool
from agents.items import ModelResponse
from agents.run_config import ToolErrorFormatter, ToolErrorFormatterArgs
from openai.types.responses import ResponseCompletedEvent

from ...errors import AgentError
from ...events.agent import Handoff as HandoffPayload
from ...events.agent import Reasoning, Token, ToolCall, ToolResult, Usage
from ...events.base import Payload
from ..base import Spent
from .errors import failed_response, failure_text, model_error
from .model.client import FILTERED, known_items

PENDING_LIMIT = 64
"""Payloads of one run that may wait for its consumer; then the model is held back."""

NESTED: ContextVar[str | None] = ContextVar("orchestrator_nested_call", default=None)
"""The call inside which the current task runs a nested agent; set by whoever builds an agent as a tool."""

_OUTBOX: ContextVar[Outbox | None] = ContextVar("orchestrator_outbox", default=None)


@dataclass(slots=True)
class _OpenCall:
    tool: Tool
    started: float
    parent: str | None


@dataclass(eq=False)
class Outbox:
    """The bounded way from one run to its one consumer, and what was learnt on it.

    Attributes:
        lead: Name of the agent that speaks first; its tokens carry no `speaker`.
        finish_reason: Of the newest model response that told one.
        failure: Why the run is to end before the SDK ends it.
        speaking: Who answers now, by the call it is nested in (None: the run itself). Empty between
            model calls, so that a nested run we did not build is not taken for the run itself.
    """

    lead: str
    limit: int = PENDING_LIMIT
    finish_reason: str | None = None
    speaking: dict[str | None, str] = field(default_factory=dict)
    open_calls: dict[str, _OpenCall] = field(default_factory=dict)
    failed_calls: set[str] = field(default_factory=set)
    failure: AgentError | None = None
    _items: list[Payload | Spent] = field(default_factory=list)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: bool = False

    def enter(self) -> None:
        """Make this the outbox of everything that the current context starts from here on."""
        _OUTBOX.set(self)

    async def put(self, payload: Payload | Spent) -> None:
        """Add *payload*, once there is room. Cancelling adds nothing."""
        while len(self._items) >= self.limit and not self._closed:
            self._room.clear()
            await self._room.wait()
        self._items.append(payload)
        self._ready.set()

    async def take(self) -> list[Payload | Spent]:
        """Take all that waits, oldest first; empty once the outbox is closed and drained.

        Cancelling is safe: nothing is lost.
        """
        while not self._items and not self._closed:
            self._ready.clear()
            await self._ready.wait()
        batch, self._items = self._items, []
        self._room.set()
        return batch

    def close(self) -> None:
        """Say that nothing more comes; whoever waits goes on."""
        self._closed = True
        self._ready.set()
        self._room.set()

    def reopen(self) -> None:
        """Let a resumed run go on with the same outbox."""
        self._closed = False

    def speaker(self, name: str, parent: str | None) -> str | None:
        return None if parent is None and name == self.lead else name

    def unfinished(self) -> list[ToolResult]:
        """Return a failed result for each call that began and did not end, and forget them."""
        results = [
            ToolResult(call_id=call_id, output="The tool failed.", is_error=True, parent=call.parent)
            for call_id, call in self.open_calls.items()
        ]
        self.open_calls.clear()
        return results


def note_finish_reason(reason: str) -> None:
    """Remember why the model stopped, for the run in whose context this is called."""
    outbox = _OUTBOX.get()
    if outbox is not None:
        outbox.finish_reason = "stop" if reason in {"tool_calls", "function_call"} else reason


def note_tripwire() -> None:
    """End the run in whose context this is called; a nested run's guardrail fails its tool alone."""
    outbox = _OUTBOX.get()
    if outbox is not None and NESTED.get() is None:
        outbox.failure = AgentError("guardrail", "A guardrail stopped the agent.")
        outbox.close()


def note_failed_call(call_id: str) -> None:
    """Remember that this call's tool raised, so that its result is told as an error."""
    outbox = _OUTBOX.get()
    if outbox is not None:
        outbox.failed_calls.add(call_id)


class RelayModel(Model):
    """A model that behaves as *inner* does and tells the run's outbox what it says meanwhile.

    A stream that ends without a terminal event raises AgentError (`upstream_invalid`), a failed response
    AgentError by its code, a refusal AgentError (`refusal`) after what was said. An incomplete one becomes
    a completed one whose finish reason says why it stopped.
    """

    def __init__(self, inner: Model) -> None:
        self.inner = inner

    async def close(self) -> None:
        await self.inner.close()

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        try:
            return await self.inner.get_response(*args, **kwargs)
        except AgentError:
            raise
        except Exception as exc:
            raise model_error(exc) from exc

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        relay = _Response(_OUTBOX.get(), NESTED.get())
        events: Any = self.inner.stream_response(*args, **kwargs)
        async with aclosing(events):
            try:
                async for event in events:
                    for_runner = await relay.tell(event)
                    if for_runner is not None:
                        yield for_runner
                    if relay.incomplete:
                        return  # the stock model would raise after an incomplete response
            except AgentError:
                raise
            except Exception as exc:
                raise model_error(exc) from exc
        relay.finish()


class _Response:
    """One model response on its way through; knows what it was made of."""

    def __init__(self, outbox: Outbox | None, parent: str | None) -> None:
        heard = outbox is not None and parent in outbox.speaking
        self._outbox = outbox if heard else None
        self._parent = parent
        self._speaker: str | None = None
        if self._outbox is not None:
            self._speaker = self._outbox.speaker(self._outbox.speaking[parent], parent)
        self._unwatched = self._outbox is not None and parent is None
        self._ended = False
        self._spoke = False
        self._half = ""
        self._refused = False
        self.incomplete = False

    async def tell(self, event: Any) -> Any:
        """Put what *event* says into the outbox; return the event that the runner shall see, if any.

        The runner makes nothing of text deltas but queue entries, at a third of a token's whole cost. Where
        only our collector reads that queue, they are left out; the typed items at the end are all there.
        """
        kind: str = event.type
        if kind == "response.output_text.delta":
            self._spoke = True
            await self._say(Token, event.delta)
            return None if self._unwatched else event
        if kind in {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}:
            await self._say(Reasoning, event.delta)
            return None if self._unwatched else event
        if kind == "response.refusal.delta":
            self._spoke = self._refused = True
            await self._say(Token, event.delta)
        elif kind in {"response.output_item.added", "response.output_item.done"}:
            await self._hosted(event)
        elif kind == "response.completed":
            if getattr(event.response, "status", None) in {"failed", "cancelled"}:
                raise failed_response(event)
            event.response.output = known_items(event.response.output)
            await self._say_unheard(event.response)
            await self._spent(event.response)
            self._end(event.response)
        elif kind == "response.incomplete":
            self.incomplete = True
            await self._say_unheard(event.response)
            await self._say_withheld(event.response)
            await self._spent(event.response)
            self._end(event.response)
            return ResponseCompletedEvent(
                response=event.response, sequence_number=event.sequence_number, type="response.completed"
            )
        elif kind in {"response.failed", "response.error", "error"}:
            raise failed_response(event)
        return event

    async def _say_unheard(self, response: Any) -> None:
        """Say what stands in the whole response, where the model sent no deltas."""
        if self._spoke:
            return
        for item in response.output:
            for part in item.content if item.type == "message" else ():
                self._refused = self._refused or part.type == "refusal"
                await self._say(Token, part.refusal if part.type == "refusal" else part.text)

    async def _say_withheld(self, response: Any) -> None:
        """Take an answer of which the provider's filter left nothing for a refusal, not for an empty one."""
        reason = getattr(response.incomplete_details, "reason", None)
        if reason == "content_filter" and not self._spoke and not response.output:
            self._refused = True
            await self._say(Token, FILTERED)

    async def _spent(self, response: Any) -> None:
        usage = getattr(response, "usage", None)
        if self._outbox is not None and usage is not None:
            await self._outbox.put(Spent(Usage(usage.input_tokens, usage.output_tokens)))

    def finish(self) -> None:
        """Judge the whole response once its stream has ended.

        Raises:
            AgentError: It had no end, or it was a refusal.
        """
        if not self._ended:
            raise AgentError("upstream_invalid", "The model's answer ended without its end mark.")

    def _end(self, response: Any) -> None:
        self._ended = True
        details = getattr(response, "incomplete_details", None)
        reason = getattr(details, "reason", None) or ("incomplete" if self.incomplete else None)
        if reason:
            note_finish_reason({"max_output_tokens": "length"}.get(reason, reason))
        elif self._outbox is not None and self._outbox.finish_reason is None:
            self._outbox.finish_reason = "stop"
        if self._refused and self._outbox is not None and self._parent is None:
            raise AgentError("refusal", "The model refused to answer.")

    async def _hosted(self, event: Any) -> None:
        """Tell of a tool that runs at the provider (web search, code interpreter, …)."""
        item = event.item
        kind: str = item.type
        if not kind.endswith("_call") or kind in {"function_call", "custom_tool_call"}:
            return
        call_id = getattr(item, "id", None) or kind
        if event.type == "response.output_item.added":
            details = item.model_dump(mode="json", exclude_none=True, exclude={"id", "type", "status"})
            name = kind.removesuffix("_call")
            await self._put(ToolCall(call_id, name, json.dumps(details), parent=self._parent))
        else:
            status = getattr(item, "status", None) or "completed"
            await self._put(ToolResult(call_id, status, status == "failed", parent=self._parent))

    async def _say(self, kind: type[Token] | type[Reasoning], text: Any) -> None:
        if not isinstance(text, str):
            raise AgentError("upstream_invalid", "The model's provider sent text in the wrong shape.")
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]  # half of a character: the other half comes next
        if text:
            await self._put(kind(text=text, speaker=self._speaker, parent=self._parent))

    async def _put(self, payload: Payload) -> None:
        if self._outbox is not None:
            await self._outbox.put(payload)


class RelayProvider(ModelProvider):
    """Resolves model names as *inner* does, each to a `RelayModel`."""

    def __init__(self, inner: ModelProvider) -> None:
        self.inner = inner

    def get_model(self, model_name: str | None) -> Model:
        return RelayModel(self.inner.get_model(model_name))


class RelayHooks(RunHooks[Any]):
    """Tells the outbox of tools and handoffs the moment they happen; serves nested runs too."""

    async def on_llm_start(
        self,
        context: RunContextWrapper[Any],
        agent: Agent[Any],
        system_prompt: str | None,
        input_items: list[Any],
    ) -> None:
        outbox = _OUTBOX.get()
        if outbox is not None:
            outbox.speaking[NESTED.get()] = agent.name

    async def on_llm_end(
        self, context: RunContextWrapper[Any], agent: Agent[Any], response: ModelResponse
    ) -> None:
        outbox = _OUTBOX.get()
        if outbox is not None:
            outbox.speaking.pop(NESTED.get(), None)

    async def on_handoff(
        self, context: RunContextWrapper[Any], from_agent: Agent[Any], to_agent: Agent[Any]
    ) -> None:
        outbox = _OUTBOX.get()
        if outbox is not None and NESTED.get() is None:
            await outbox.put(HandoffPayload(to=to_agent.name))

    async def on_tool_start(self, context: RunContextWrapper[Any], agent: Agent[Any], tool: Tool) -> None:
        outbox = _OUTBOX.get()
        if outbox is None:
            return
        call_id, parent = _call_id(context, tool), NESTED.get()
        outbox.open_calls[call_id] = _OpenCall(tool, asyncio.get_running_loop().time(), parent)
        arguments = getattr(context, "tool_arguments", "") or "{}"
        await outbox.put(ToolCall(call_id, tool.name, arguments, parent=parent))

    async def on_tool_end(
        self, context: RunContextWrapper[Any], agent: Agent[Any], tool: Tool, result: object
    ) -> None:
        outbox = _OUTBOX.get()
        if outbox is None:
            return
        call_id = _call_id(context, tool)
        call = outbox.open_calls.pop(call_id, None)
        failed = call_id in outbox.failed_calls or (call is not None and _timed_out(call))
        outbox.failed_calls.discard(call_id)
        await outbox.put(ToolResult(call_id, output_text(result), failed, parent=NESTED.get()))


def noting_failures(formatter: ToolErrorFormatter | None) -> ToolErrorFormatter:
    """Return a formatter that notes which call failed; the words are *formatter*'s, or safe ones.

    The SDK asks it only where a tool has no failure function of its own.
    """

    def note(args: ToolErrorFormatterArgs[Any]) -> Any:
        if args.kind == "tool_exception":
            note_failed_call(args.call_id)
        if formatter is not None:
            return formatter(args)
        return None if args.error is None else failure_text(args.error)

    return note


def _call_id(context: RunContextWrapper[Any], tool: Tool) -> str:
    return getattr(context, "tool_call_id", None) or f"{tool.name}-{id(context):x}"


def _timed_out(call: _OpenCall) -> bool:
    """A tool that has a time limit and took as long was stopped by it: the SDK says so in text alone."""
    limit: float | None = getattr(call.tool, "timeout_seconds", None)
    return limit is not None and asyncio.get_running_loop().time() - call.started >= limit


def output_text(result: object) -> str:
    """Say a tool's result as the model reads it: text as it is, the rest as JSON where it can be."""
    if isinstance(result, str):
        return result
    dump = getattr(result, "model_dump", None)
    plain = dump(mode="json", exclude_none=True) if callable(dump) else result
    if isinstance(plain, dict) and plain.get("type") == "text" and isinstance(plain.get("text"), str):
        return str(plain["text"])
    try:
        return json.dumps(plain, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(result)

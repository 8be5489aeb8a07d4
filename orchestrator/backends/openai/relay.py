"""What an SDK run says, taken at its source: the model's events and the run's hooks → our payloads.

The SDK's own event queue loses what is in it when a run fails, and knows no bound. So nothing is read
from there: a `RelayModel` around each model and `RelayHooks` put payloads into one bounded `Outbox` as
they happen, in order, and wait while it is full; that holds the model's stream back, and with it the
upstream connection. Owns no run: `runner` starts and ends it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from agents import Agent, Model, ModelProvider, RunContextWrapper, RunHooks, Tool
from agents.items import ModelResponse
from agents.run_config import ToolErrorFormatter, ToolErrorFormatterArgs
from msgspec.structs import replace

from ...errors import AgentError
from ...events.agent import Handoff as HandoffPayload
from ...events.agent import ToolCall, ToolResult
from ...events.encoding import clean_values
from .calls import call_ids_in, tell_apart, tool_names
from .content import files_of_result, without_data
from .errors import failure_text, model_error
from .model.sdk_client import checked_model
from .outbox import DETAILS, FILES, NESTED, OUTBOX, OpenCall, note_failed_call, note_unknown_call
from .reasoning_details import GOING_BACK, details_of_calls, with_details
from .response_reader import ResponseReader

_ARGUMENTS = (
    "system_instructions", "input", "model_settings", "tools", "output_schema", "handoffs", "tracing",
    "previous_response_id", "conversation_id", "prompt",
)  # fmt: skip
"""Of a model's calls, in their order."""
_READ = ("system_instructions", "input")


class RelayModel(Model):
    """A model that behaves as *inner* does and reports to the run's outbox what it says meanwhile.

    A stream that ends without a terminal event raises AgentError (`upstream_invalid`), a failed response
    AgentError by its code, a refusal AgentError (`refusal`) after what was said. An incomplete one becomes
    a completed one whose finish reason says why it stopped.
    """

    def __init__(self, inner: Model) -> None:
        self.inner = inner

    async def close(self) -> None:
        await self.inner.close()

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        details = self._begin(args, kwargs)
        try:
            try:
                response = await self.inner.get_response(*args, **kwargs)
            except UnicodeEncodeError:
                response = await self.inner.get_response(**_cleaned(args, kwargs))
        except AgentError:
            raise
        except Exception as exc:
            raise model_error(exc) from exc
        response.output = with_details(response.output, details)
        tell_apart(response.output, _taken(args, kwargs), _names(args, kwargs))
        return response

    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[dict[str, Any]]:
        """Say in this context which details of reasoning go back; return where those of the response are noted."""
        GOING_BACK.set(
            details_of_calls(_given(args, kwargs).get("input"), getattr(self.inner, "model", None))
        )
        details: list[dict[str, Any]] = []
        DETAILS.set(details)
        return details

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        details = self._begin(args, kwargs)
        relay = ResponseReader(
            OUTBOX.get(), NESTED.get(), _taken(args, kwargs), details, _names(args, kwargs)
        )
        files: list[Any] = []
        FILES.set(files)
        events: Any = self.inner.stream_response(*args, **kwargs)
        begun, cleaned = False, None
        async with aclosing(events):
            try:
                async for event in events:
                    begun = True
                    while files:
                        await relay.tell(files.pop(0))
                    for_runner = await relay.tell(event)
                    if for_runner is not None:
                        yield for_runner
                    if relay.incomplete:
                        return  # the stock model would raise after an incomplete response
            except AgentError:
                raise
            except Exception as exc:
                cleaned = None if begun or not isinstance(exc, UnicodeEncodeError) else _cleaned(args, kwargs)
                if cleaned is None or cleaned == _given(args, kwargs):
                    raise model_error(exc) from exc
        if cleaned is None:
            relay.finish()
            return
        # A tool's result may hold half of a character, which is no Unicode: no client can put it into a request.
        async with aclosing(self.stream_response(**cleaned)) as again:
            async for event in again:
                yield event


class RelayProvider(ModelProvider):
    """Resolves model names as *inner* does, each to a `RelayModel`."""

    def __init__(self, inner: ModelProvider) -> None:
        self.inner = inner

    def get_model(self, model_name: str | None) -> Model:
        return RelayModel(checked_model(self.inner.get_model(model_name)))


class RelayHooks(RunHooks[Any]):
    """Reports tools and handoffs to the outbox the moment they happen; serves nested runs too."""

    async def on_llm_start(
        self,
        context: RunContextWrapper[Any],
        agent: Agent[Any],
        system_prompt: str | None,
        input_items: list[Any],
    ) -> None:
        outbox = OUTBOX.get()
        if outbox is not None:
            outbox.speaking[NESTED.get()] = agent.name

    async def on_llm_end(
        self, context: RunContextWrapper[Any], agent: Agent[Any], response: ModelResponse
    ) -> None:
        outbox = OUTBOX.get()
        if outbox is not None:
            outbox.speaking.pop(NESTED.get(), None)

    async def on_handoff(
        self, context: RunContextWrapper[Any], from_agent: Agent[Any], to_agent: Agent[Any]
    ) -> None:
        outbox = OUTBOX.get()
        if outbox is None:
            return
        outbox.forget_asked(NESTED.get())  # of several handoffs the SDK follows one
        if NESTED.get() is None:
            await outbox.put(HandoffPayload(to=to_agent.name))

    async def on_tool_start(self, context: RunContextWrapper[Any], agent: Agent[Any], tool: Tool) -> None:
        outbox = OUTBOX.get()
        if outbox is None:
            return
        parent = NESTED.get()
        local = outbox.local_calls.begin(tool)
        call_id, arguments = local or (
            _call_id(context, tool),
            getattr(context, "tool_arguments", "") or "{}",
        )
        outbox.asked.pop(call_id, None)
        outbox.open_calls[call_id] = OpenCall(tool, asyncio.get_running_loop().time(), parent)
        await outbox.put(ToolCall(call_id, tool.name, arguments, parent=parent))

    async def on_tool_end(
        self, context: RunContextWrapper[Any], agent: Agent[Any], tool: Tool, result: object
    ) -> None:
        outbox = OUTBOX.get()
        if outbox is None:
            return
        call_id = outbox.local_calls.end(tool) or _call_id(context, tool)
        call = outbox.open_calls.pop(call_id, None)
        failed = call_id in outbox.failed_calls or (call is not None and _timed_out(call))
        outbox.failed_calls -= {call_id}
        for unfinished in outbox.unfinished(within=call_id):
            await outbox.put(unfinished)
        files = files_of_result(result, call_id)
        output = output_text(without_data(result) if files else result)
        await outbox.put(ToolResult(call_id, output, failed, parent=NESTED.get()))
        for file in files:
            if file.check() is None:  # the result says of each that it was there
                await outbox.put(replace(file, parent=NESTED.get()))


def noting_failures(formatter: ToolErrorFormatter | None) -> ToolErrorFormatter:
    """Return a formatter that notes which call failed; the words are *formatter*'s, or safe ones.

    The SDK asks it only if a tool has no failure function of its own.
    """

    def note(args: ToolErrorFormatterArgs[Any]) -> Any:
        if args.kind == "tool_exception":
            note_failed_call(args.call_id)
        elif args.kind == "tool_not_found":
            note_unknown_call(args.call_id)
        if formatter is not None:
            return formatter(args)
        return None if args.error is None else failure_text(args.error, args.tool_name)

    return note


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(_ARGUMENTS, args, strict=False)) | kwargs


def _cleaned(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return a model's arguments by name, what it is to read in text that can be encoded."""
    given = _given(args, kwargs)
    return given | {name: clean_values(given[name]) for name in _READ if name in given}


def _names(args: tuple[Any, ...], kwargs: dict[str, Any]) -> frozenset[str]:
    given = _given(args, kwargs)
    return tool_names(given.get("tools") or (), given.get("handoffs") or ())


def _taken(args: tuple[Any, ...], kwargs: dict[str, Any]) -> set[str]:
    """The ids of calls that a new call must not have: those in the request, and those of this run.

    If the provider keeps the conversation, it must get its own ids back, and what it has said is not here.
    """
    given = _given(args, kwargs)
    if given.get("previous_response_id") or given.get("conversation_id"):
        return set()
    outbox = OUTBOX.get()
    taken = set() if outbox is None else outbox.call_ids
    taken |= call_ids_in(given.get("input"))
    return taken


def _call_id(context: RunContextWrapper[Any], tool: Tool) -> str:
    return getattr(context, "tool_call_id", None) or f"{tool.name}-{id(context):x}"


def _timed_out(call: OpenCall) -> bool:
    """A tool that has a time limit and took as long was stopped by it: the SDK says so in text alone."""
    limit: float | None = getattr(call.tool, "timeout_seconds", None)
    return limit is not None and asyncio.get_running_loop().time() - call.started >= limit


def output_text(result: object) -> str:
    """Say a tool's result as the model reads it: text as it is, the rest as JSON if it can be."""
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

"""Drives one run of the Agents SDK and yields what it says as it says it.

Owns the run's task and its end: whoever stops reading stops the run. Knows no settings (`backend`) and no SDK event
(`relay`).

The shape of it: `Runner.run_streamed` starts the SDK's task; a collector task empties the SDK's queue of
events so that it never grows, and ends as the run ends; this generator takes payloads from the outbox
that the relay fills. Nothing said before a failure is lost, because the outbox is drained before the
failure is reported.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from agents import Agent, RunConfig, RunHooks, Runner, RunResultStreaming, RunState
from agents.items import ToolApprovalItem, ToolCallOutputItem

from ...errors import AgentError
from ...events.agent import ApprovalRequest, Token, ToolResult, Usage
from ...events.base import Payload
from ..base import AgentInput, Correction, Emission, Finish, set_current_input
from .content import output_of, usage_of
from .errors import agent_error, of_a_tool, without_words
from .instrumented import BothHooks, relayed, relayed_model, watched
from .mcp.servers import McpServers
from .outbox import Outbox
from .relay import RelayHooks, RelayProvider, noting_failures, output_text

STOP_SECONDS = 1.0
"""How long a stopped run may take to close its connection; a sync tool in its thread may take longer."""

InputItems = list[Any]


async def stream_agent(
    agent: Agent[Any],
    input_items: str | InputItems,
    *,
    request: AgentInput,
    run_config: RunConfig | None = None,
    max_turns: int | None = 10,
    context: Any = None,
    options: RunOptions | None = None,
    mcp: McpServers | None = None,
    outbox: Outbox | None = None,
) -> AsyncGenerator[Emission, None]:
    """Run *agent* and yield its payloads live, a `Finish` last.

    Args:
        input_items: As `Runner.run_streamed` takes them; `conversation_items` builds them.
        run_config: Defaults to one without tracing. Its models and error formatter are wrapped.
        context: Handed to the user's tools as the SDK's run context; *request* if None.
        options: All of these at once, and more; in place of them.
        mcp: Holds the MCP servers that the agents bring.
        outbox: Of a run whose first answer has been said already; else a new one.

    Raises:
        AgentError: The run failed, after everything it had said.

    Cancelling, or closing the generator, stops the run and waits up to `STOP_SECONDS` for it.
    """
    outbox = outbox or Outbox(lead=agent.name)
    options = _completed(options or RunOptions(run_config, max_turns, context), request)
    items = _as_items(input_items)
    start: InputItems | RunState[Any] = items
    copy = relayed(agent, mcp=mcp)
    while True:
        run = _Run(copy, start, outbox, options, request)
        try:
            while batch := await outbox.take():
                for payload in batch:
                    yield payload
            await run.settle()
        except AgentError:
            for result in outbox.unfinished():
                yield result
            raise
        finally:
            await run.stop()
        if not run.result.interruptions:
            break
        start = run.result.to_state()
        requests = {item.call_id or item.tool_name or "call": item for item in run.result.interruptions}
        for call_id, item in requests.items():
            outbox.asked.pop(call_id, None)
            yield ApprovalRequest(
                call_id=call_id, name=item.tool_name or "", arguments=item.arguments or "{}"
            )
        for payload in await _decide(start, requests, request):
            yield payload
        outbox.reopen()
    is_kept = request.conversation_id is not None and options.session is None
    for emission in _ending(run.result, outbox, len(items) if is_kept else None):
        yield emission


def _completed(options: RunOptions, request: AgentInput) -> RunOptions:
    """Return *options* with what a run of ours needs of them."""
    config = _with_relay(options.run_config or RunConfig(tracing_disabled=True))
    context = request if options.context is None else options.context
    return replace(options, run_config=config, context=context)


def _ending(result: RunResultStreaming, outbox: Outbox, known: int | None) -> Iterator[Emission]:
    """Yield what is said when a run has ended well; *known* items began it, None if nobody keeps them."""
    if (answer := _answer_of_tools(result)) is not None:
        yield Token(answer, speaker=outbox.speaker(result.last_agent.name, None))
    if outbox.record.corrected:
        yield Correction(outbox.record.payloads())
    yield Finish(
        reason=outbox.finish_reason or "stop",
        usage=_usage(result),
        memory=None if known is None else _memory(result, known),
        output=output_of(result.last_agent, result.final_output),
    )


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options that `Runner.run_streamed` takes besides the agent and its input, each as an app would give it."""

    run_config: RunConfig | None = None
    max_turns: int | None = 10
    context: Any = None
    session: Any = None
    hooks: RunHooks[Any] | None = None


class _Run:
    """One start of the SDK's runner and the task that empties its event queue."""

    def __init__(
        self,
        agent: Agent[Any],
        start: InputItems | RunState[Any],
        outbox: Outbox,
        options: RunOptions,
        request: AgentInput,
    ) -> None:
        inside = contextvars.copy_context()
        inside.run(outbox.enter)
        inside.run(set_current_input, request)
        self._outbox = outbox
        try:
            self.result: RunResultStreaming = inside.run(
                lambda: Runner.run_streamed(
                    agent,
                    start,
                    context=None if isinstance(start, RunState) else options.context,
                    max_turns=options.max_turns,
                    hooks=RelayHooks() if options.hooks is None else BothHooks(options.hooks),
                    run_config=options.run_config,
                    session=options.session,
                )
            )
        except Exception as exc:
            raise agent_error(exc) from exc
        self._collector = asyncio.create_task(self._collect(), name="openai-agents collector")

    async def _collect(self) -> None:
        try:
            async for _ in self.result.stream_events():
                pass
        finally:
            self._outbox.close()

    async def settle(self) -> None:
        """Wait for the run's end, which is near once the outbox is closed.

        Raises:
            AgentError: The run failed.
        """
        if self._outbox.failure is not None:
            raise self._outbox.failure
        await asyncio.wait({self._collector})
        exc = None if self._collector.cancelled() else self._collector.exception()
        if isinstance(exc, AgentError):
            raise exc
        if isinstance(exc, Exception):
            in_tool = bool(self._outbox.open_calls) or of_a_tool(exc)
            raise agent_error(exc, in_tool=in_tool) from (without_words(exc) if in_tool else exc)

    async def stop(self) -> None:
        """Stop the run if it still goes on; return when its connection is closed, or after the limit.

        Only the result is cancelled, never the collector as well: both together leave the SDK's model
        stream, and with it the connection, to the garbage collector.
        """
        if self._collector.done():
            return
        self._outbox.close()
        self.result.cancel()
        self._collector.add_done_callback(_forget)
        await asyncio.wait({self._collector}, timeout=STOP_SECONDS)


def _forget(task: asyncio.Task[None]) -> None:
    """Look at the end of a stopped run, so that asyncio does not report it as overlooked."""
    if not task.cancelled():
        task.exception()


def conversation_items(request: AgentInput) -> InputItems:
    """Build the run's input: the earlier turns as the model saw them, then the new message.

    A turn whose memory is not ours is sent as what was asked and answered.
    """
    items: InputItems = []
    for turn in request.history:
        remembered = turn.memory.get("items") if isinstance(turn.memory, dict) else None
        if isinstance(remembered, list):
            items += remembered
        else:
            items.append({"role": "user", "content": turn.message})
            items.append({"role": "assistant", "content": turn.text})
    items.append({"role": "user", "content": _content(request)})
    return items


def _content(request: AgentInput) -> str | list[dict[str, str]]:
    """Return the message, with its images as the Responses API has them; chat models get them converted."""
    if not request.images:
        return request.message
    images = [{"type": "input_image", "image_url": url, "detail": "auto"} for url in request.images]
    return [{"type": "input_text", "text": request.message}, *images]


def _as_items(value: str | InputItems) -> InputItems:
    return [{"role": "user", "content": value}] if isinstance(value, str) else list(value)


def _with_relay(config: RunConfig) -> RunConfig:
    return replace(
        config,
        model=relayed_model(config.model),
        input_guardrails=[watched(guardrail) for guardrail in config.input_guardrails or ()],
        model_provider=RelayProvider(config.model_provider),
        tool_error_formatter=noting_failures(config.tool_error_formatter),
    )


async def _decide(
    state: RunState[Any], requests: dict[str, ToolApprovalItem], request: AgentInput
) -> list[Payload]:
    """Wait for all answers at once, put them into *state*, and return what the refusals have to say."""
    waits = {call_id: asyncio.ensure_future(request.approve(call_id)) for call_id in requests}
    try:
        await asyncio.gather(*waits.values())
    finally:
        for wait in waits.values():
            wait.cancel()
        await asyncio.gather(*waits.values(), return_exceptions=True)
    refusals: list[Payload] = []
    for call_id, item in requests.items():
        if waits[call_id].result():
            state.approve(item)
        else:
            reason = request.reasons.get(call_id)
            words = f"The call was not approved: {reason}" if reason else "The call was not approved."
            state.reject(item, rejection_message=words if reason else None)
            refusals.append(ToolResult(call_id, words, is_error=True))
    return refusals


def _answer_of_tools(result: RunResultStreaming) -> str | None:
    """Return the answer if a tool gave it (`tool_use_behavior`), so that no model has said it."""
    last = result.new_items[-1] if result.new_items else None
    if result.final_output is None or not isinstance(last, ToolCallOutputItem):
        return None
    return output_text(result.final_output)


def _usage(result: RunResultStreaming) -> Usage | None:
    """Sum what the provider counted in the whole run; None if it counted nothing."""
    usage = result.context_wrapper.usage
    return usage_of(usage) if usage.input_tokens or usage.output_tokens else None


def _memory(result: RunResultStreaming, known: int) -> dict[str, Any]:
    """Keep this turn's items, from its question on, as plain JSON.

    The question is the last of the *known* items that the run began with.
    """
    return plain_json(result.to_input_list()[known - 1 :])


def plain_json(items: InputItems) -> dict[str, Any]:
    """Return *items* as an agent's memory: nothing in them but JSON."""
    return {"items": json.loads(json.dumps(items, default=_plain))}


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json", exclude_unset=True)
    if isinstance(value, Iterable):
        return list(value)
    return str(value)

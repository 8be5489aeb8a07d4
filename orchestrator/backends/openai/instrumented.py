"""Copies of agents that report to the current outbox what they say and do: with models, tools and guardrails of their
own, the originals unchanged. Owns no outbox (`outbox`) and no run (`runner`).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from types import CellType, FunctionType
from typing import Any, Protocol

from agents import (
    Agent,
    FunctionTool,
    GuardrailFunctionOutput,
    Handoff,
    InputGuardrail,
    Model,
    RunContextWrapper,
    RunHooks,
    Tool,
)
from agents.mcp import MCPServer
from agents.tool_context import ToolContext

from ...errors import ToolError
from .errors import failure_text
from .model.sdk_client import checked_model
from .outbox import NESTED, note_failed_call, note_rejected_call, note_tripwire
from .relay import RelayHooks, RelayModel

RESULT_CHARS = 8 * 1024 * 1024
"""Of a tool's result. More than any model reads would be encoded on the event loop, and sent, for nothing."""

Seen = dict[int, Agent[Any]]
"""Copies by the originals' identity: handoffs and tools may run in circles."""


class _Kept(Protocol):
    """The MCP servers that agents bring, kept open."""

    def of_agent(self, servers: Sequence[MCPServer], *, prefixed: bool) -> list[MCPServer]: ...


def relayed(agent: Agent[Any], _seen: Seen | None = None, *, mcp: _Kept | None = None) -> Agent[Any]:
    """Return a copy of *agent*, of all it can hand off to and of all that are its tools.

    Cheap: settings and other tools are shared with the original, which is not changed.
    """
    seen: Seen = {} if _seen is None else _seen
    if id(agent) in seen:
        return seen[id(agent)]
    made = agent.clone(model=relayed_model(agent.model), model_settings=agent.model_settings)
    seen[id(agent)] = made
    made.handoffs = [
        relayed(target, seen, mcp=mcp) if isinstance(target, Agent) else _relayed_handoff(target, seen, mcp)
        for target in agent.handoffs
    ]
    made.tools = [_relayed_tool(tool, seen, mcp) for tool in agent.tools]
    if mcp is not None and agent.mcp_servers:
        prefixed = bool(agent.mcp_config.get("include_server_in_tool_names"))
        made.mcp_servers = mcp.of_agent(agent.mcp_servers, prefixed=prefixed)
    made.input_guardrails = [watched(guardrail) for guardrail in agent.input_guardrails]
    return made


def streaming_nested(tool: FunctionTool) -> FunctionTool:
    """Have what runs inside of each call of *tool* name that call's id as its parent."""
    invoke = tool.on_invoke_tool

    async def invoke_nested(context: ToolContext[Any], arguments: str) -> Any:
        # The SDK gives each call a task of its own, so this reaches the nested run and nothing else.
        token = NESTED.set(context.tool_call_id)
        try:
            return await invoke(context, arguments)
        finally:
            NESTED.reset(token)

    tool.on_invoke_tool = invoke_nested
    return tool


def ignore(event: Any) -> None:
    """Have the SDK stream the nested run; what it says is heard at its source."""


def relayed_model(model: str | Model | None) -> str | Model | None:
    if not isinstance(model, Model) or isinstance(model, RelayModel):
        return model
    return RelayModel(checked_model(model))


def _relayed_handoff(handoff: Handoff[Any, Any], seen: Seen, mcp: _Kept | None) -> Handoff[Any, Any]:
    async def invoke(context: RunContextWrapper[Any], arguments: str) -> Agent[Any]:
        return relayed(await handoff.on_invoke_handoff(context, arguments), seen, mcp=mcp)

    return replace(handoff, on_invoke_handoff=invoke)


def watched(guardrail: InputGuardrail[Any]) -> InputGuardrail[Any]:
    """Notify the run at once when *guardrail* trips; the SDK alone lets the model finish its answer first."""

    async def check(context: Any, agent: Any, items: Any) -> GuardrailFunctionOutput:
        output = guardrail.guardrail_function(context, agent, items)
        judged = await output if inspect.isawaitable(output) else output
        if judged.tripwire_triggered:
            note_tripwire()
        return judged

    return replace(guardrail, guardrail_function=check, name=guardrail.get_name())


def _telling(tool: FunctionTool) -> None:
    """Have the guardrails of *tool*, a copy, report a call that they reject: the SDK says so to the model alone."""
    tool.tool_input_guardrails = [
        replace(
            guardrail, guardrail_function=_judged(guardrail, tool, before=True), name=guardrail.get_name()
        )
        for guardrail in tool.tool_input_guardrails or ()
    ] or tool.tool_input_guardrails
    tool.tool_output_guardrails = [
        replace(
            guardrail, guardrail_function=_judged(guardrail, tool, before=False), name=guardrail.get_name()
        )
        for guardrail in tool.tool_output_guardrails or ()
    ] or tool.tool_output_guardrails


def _judged(guardrail: Any, tool: FunctionTool, *, before: bool) -> Any:
    async def judge(data: Any) -> Any:
        output = guardrail.guardrail_function(data)
        judged = await output if inspect.isawaitable(output) else output
        if judged.behavior["type"] == "reject_content":
            if before:
                await note_rejected_call(data.context, tool, judged.behavior["message"])
            else:
                note_failed_call(data.context.tool_call_id)
        return judged

    return judge


def _noting(tool: FunctionTool) -> None:
    """Have *tool*, a copy, note each call whose failure it puts into words, its own or the SDK's, for the model."""
    handled = getattr(tool.on_invoke_tool, "_on_handled_error", None)
    if not callable(handled):
        return

    def note(failed: FunctionTool, error: Exception, arguments: str, context: ToolContext[Any]) -> None:
        note_failed_call(context.tool_call_id)
        handled(failed, error, arguments, context)

    tool.on_invoke_tool._on_handled_error = note  # type: ignore[attr-defined]  # the SDK's own


def _contained(tool: FunctionTool) -> FunctionTool:
    """Return a copy of *tool* whose call fails and does not end the process, as a parser of arguments may.

    The SDK gives each call a task of its own, and asyncio hands these two past every task to whoever runs the loop.
    """
    made = copy(tool)
    _noting(made)
    invoke = made.on_invoke_tool

    async def invoke_contained(context: ToolContext[Any], arguments: str) -> Any:
        try:
            result = await invoke(context, arguments)
        except asyncio.CancelledError:  # the SDK makes a result of one that the tool itself raised
            note_failed_call(context.tool_call_id)
            raise
        except (SystemExit, KeyboardInterrupt):
            note_failed_call(context.tool_call_id)
            return failure_text(RuntimeError("the tool asked the process to end"), made.name)
        if isinstance(result, str) and len(result) > RESULT_CHARS:
            note_failed_call(context.tool_call_id)
            long = f"its result has {len(result)} characters, and at most {RESULT_CHARS} are passed on"
            return failure_text(ToolError(long), made.name)
        return result

    made.on_invoke_tool = invoke_contained
    _telling(made)
    return made


# ── agents as tools ──────────────────────────────────────────────────────────────────────────────


def _relayed_tool(tool: Tool, seen: Seen, mcp: _Kept | None) -> Tool:
    """Return a copy of a tool that the user made of an agent, whose run is heard; of any other, `_contained`.

    `Agent.as_tool` keeps the agent and its options inside its function and nowhere else, so the copy's function is
    the same with three of them exchanged. If the SDK is built otherwise, the tool stays what it is.
    """
    agent = getattr(tool, "_agent_instance", None)
    run = getattr(getattr(tool, "on_invoke_tool", None), "_invoke_tool_impl", None)
    if (
        not isinstance(tool, FunctionTool)
        or not isinstance(agent, Agent)
        or not isinstance(run, FunctionType)
    ):
        return _contained(tool) if isinstance(tool, FunctionTool) else tool
    cells = dict(zip(run.__code__.co_freevars, run.__closure__ or (), strict=True))
    if not {"self", "hooks", "on_stream"} <= cells.keys():
        return _contained(tool)
    inner = relayed(agent, seen, mcp=mcp)
    exchanged = {
        "self": inner,
        "hooks": _beside(cells["hooks"].cell_contents),
        "on_stream": cells["on_stream"].cell_contents or ignore,
    }
    made = copy(tool)
    _noting(made)
    _telling(made)
    made._agent_instance = inner
    made.on_invoke_tool._invoke_tool_impl = _rebound(run, exchanged)  # type: ignore[attr-defined]  # the SDK's own
    return streaming_nested(made)


def _rebound(function: FunctionType, values: dict[str, Any]) -> FunctionType:
    """Return *function* with other *values* for some of the names that it takes from around it."""
    closure = tuple(
        CellType(values[name]) if name in values else cell
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    )
    made = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, closure
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _beside(theirs: RunHooks[Any] | None) -> RunHooks[Any]:
    return RelayHooks() if theirs is None else BothHooks(theirs)


class BothHooks(RelayHooks):
    """Our hooks, and then the user's own. The SDK gives some their arguments by name."""

    def __init__(self, theirs: RunHooks[Any]) -> None:
        self._theirs = theirs

    async def on_agent_start(self, *args: Any, **named: Any) -> None:
        await self._theirs.on_agent_start(*args, **named)

    async def on_agent_end(self, *args: Any, **named: Any) -> None:
        await self._theirs.on_agent_end(*args, **named)

    async def on_llm_start(self, *args: Any, **named: Any) -> None:
        await super().on_llm_start(*args, **named)
        await self._theirs.on_llm_start(*args, **named)

    async def on_llm_end(self, *args: Any, **named: Any) -> None:
        await super().on_llm_end(*args, **named)
        await self._theirs.on_llm_end(*args, **named)

    async def on_handoff(self, *args: Any, **named: Any) -> None:
        await super().on_handoff(*args, **named)
        await self._theirs.on_handoff(*args, **named)

    async def on_tool_start(self, *args: Any, **named: Any) -> None:
        await super().on_tool_start(*args, **named)
        await self._theirs.on_tool_start(*args, **named)

    async def on_tool_end(self, *args: Any, **named: Any) -> None:
        await super().on_tool_end(*args, **named)
        await self._theirs.on_tool_end(*args, **named)

"""Makes a tool of the Agents SDK out of what a `tools:` reference names: a function, a tool, or a whole agent.

Owns how a failing tool is reported: to the model in words that hold no secret, to the client as `is_error`.
"""

from __future__ import annotations

from typing import Any, get_args, get_origin

from agents import Agent, FunctionTool, RunContextWrapper, Tool, function_tool
from agents.exceptions import UserError

from ...references import load_attribute
from ...settings.agent import AgentSettings
from .errors import failure_text
from .instrumented import ignore, relayed, streaming_nested
from .outbox import note_failed_call
from .relay import RelayHooks


def load_tool(reference: str, settings: AgentSettings, key: str, *, max_turns: int) -> Tool:
    """Make a tool of what *reference* names.

    A plain function is described to the model by its signature and docstring, runs in a thread unless it
    is `async`, and may take `limits.tool_timeout_s`. An agent streams as nested: what it says carries the
    call's id as `parent`. Any other tool is taken as it is.

    Raises:
        ConfigError: It cannot be loaded or is no tool.
    """
    found = load_attribute(reference, file=settings.source, key=key)
    if isinstance(found, Agent):
        return agent_tool(found, max_turns=max_turns)
    if _is_tool(found):
        tool: Tool = found
        return tool
    if not callable(found):
        message = f"{reference!r} is {type(found).__name__}; a tool is a function, a tool or an agent"
        raise settings.problem(key, message)
    try:
        return function_tool(
            found, failure_error_function=report_failure, timeout=settings.limits.tool_timeout_s
        )
    except (TypeError, ValueError, UserError) as exc:
        message = f"{reference!r} cannot be made a tool ({exc})"
        raise settings.problem(key, message) from exc


def agent_tool(agent: Agent[Any], *, max_turns: int) -> FunctionTool:
    """Make *agent* a tool whose run is heard live, as nested in its call."""
    tool = relayed(agent).as_tool(
        tool_name=None,
        tool_description=agent.handoff_description or f"Asks {agent.name}.",
        on_stream=ignore,
        hooks=RelayHooks(),
        max_turns=max_turns,
        failure_error_function=report_failure,
    )
    return streaming_nested(tool)


def report_failure(context: RunContextWrapper[Any], error: Exception) -> str:
    """Note that the call failed, and say so to the model."""
    if call_id := getattr(context, "tool_call_id", None):
        note_failed_call(call_id)
    return failure_text(error, getattr(context, "tool_name", ""))


def _is_tool(found: object) -> bool:
    """The SDK's tools are dataclasses of several kinds without a common base; all have a name."""
    return isinstance(found, tuple(get_origin(kind) or kind for kind in get_args(Tool)))

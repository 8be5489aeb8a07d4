"""The MCP servers of one stream: started or connected before it, closed after it.

Owns their lifetime within the stream's own task (their cancel scopes ask for that) and how one that does
not start is told. Tools and calls are the SDK's.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from agents.mcp import MCPServer, MCPServerStdio, MCPServerStreamableHttp
from agents.mcp.util import MCPToolCustomDataContext

from ...errors import AgentError
from .relay import note_failed_call
from .settings import MCPServer as MCPServerSettings
from .settings import OpenAIAgentsSettings
from .tools import tell_failure

START_SECONDS = 15.0


async def connect_servers(stack: AsyncExitStack, settings: OpenAIAgentsSettings) -> list[MCPServer]:
    """Start or connect what `mcp_servers` lists; *stack* closes them again, in its own task.

    Raises:
        AgentError: `tool_failed` where a program does not start, `upstream_unavailable` where an address
            does not answer as an MCP server.
    """
    servers: list[MCPServer] = []
    for at, entry in enumerate(settings.mcp_servers):
        server = _server(entry, settings)
        try:
            async with asyncio.timeout(START_SECONDS):
                await server.connect()  # type: ignore[no-untyped-call]  # the SDK gives it no types
        except Exception as exc:
            raise _failed(at, program=entry.command is not None) from exc
        stack.push_async_callback(server.cleanup)
        servers.append(server)
    return servers


def _server(entry: MCPServerSettings, settings: OpenAIAgentsSettings) -> MCPServer:
    common: dict[str, Any] = {
        "cache_tools_list": True,
        "client_session_timeout_seconds": settings.limits.tool_timeout_s or settings.limits.timeout_s,
        "failure_error_function": tell_failure,
        "custom_data_extractor": _note_error_result,
    }
    if entry.command is not None:
        env = {name: value.get_secret_value() for name, value in entry.env.items()}
        return MCPServerStdio({"command": entry.command, "args": list(entry.args), "env": env}, **common)
    headers = {name: value.get_secret_value() for name, value in entry.headers.items()}
    return MCPServerStreamableHttp({"url": str(entry.url), "headers": headers}, **common)


def _note_error_result(result: MCPToolCustomDataContext) -> None:
    """Note a call whose server answered with `isError`; the SDK passes only its text on."""
    call_id = getattr(result.run_context, "tool_call_id", None)
    if result.is_error and call_id:
        note_failed_call(call_id)


def _failed(at: int, *, program: bool) -> AgentError:
    if program:
        return AgentError("tool_failed", f"The agent's MCP server {at + 1} did not start.")
    return AgentError("upstream_unavailable", f"The agent's MCP server {at + 1} did not answer.")

"""Names the MCP servers of an app's own agents whose tools a name alone does not tell apart. Connects to none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from agents import Agent
from agents.mcp import MCPServer


def hints_of(agent: Agent[Any]) -> tuple[str, ...]:
    """Return what `orchestrator check` says of *agent*, and of all that it hands off to or has as tools."""
    found = []
    for each in _reached(agent, set()):
        if len(each.mcp_servers) < 2 or each.mcp_config.get("include_server_in_tool_names"):
            continue
        first, *others = (_name(server) for server in each.mcp_servers)
        for number, other in enumerate(others, 2):
            found.append(
                f"agent {each.name!r}: the MCP servers {first!r} and {other!r} have no prefix; a tool of one name is "
                f"server{number}_<name> of the second (or set mcp_config include_server_in_tool_names)"
            )
    return tuple(found)


def _reached(agent: Agent[Any], seen: set[int]) -> Iterator[Agent[Any]]:
    if id(agent) in seen:
        return
    seen.add(id(agent))
    yield agent
    targets = [each if isinstance(each, Agent) else _target_of(each) for each in agent.handoffs]
    for target in [*targets, *(getattr(tool, "_agent_instance", None) for tool in agent.tools)]:
        if isinstance(target, Agent):
            yield from _reached(target, seen)


def _target_of(handoff: Any) -> Any:
    reference = getattr(handoff, "_agent_ref", None)
    return None if reference is None else reference()


def _name(server: MCPServer) -> str:
    """Return a server's name; one that the SDK made of an address may have a key in it, so its host."""
    address = re.search(r"\b[a-z]+://\S+", server.name)
    if address is None:
        return server.name
    try:
        return urlsplit(address[0]).hostname or "an address"
    except ValueError:
        return "an address"

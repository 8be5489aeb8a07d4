"""The MCP servers of one backend as its agents see them: their tools' names, calls and limits.

How long one lives is `keeper`'s. What they offer and how a call looks is the SDK's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from agents import RunContextWrapper
from agents.agent import AgentBase
from agents.mcp import MCPServer, MCPServerSse, MCPServerStdio, MCPServerStreamableHttp
from agents.mcp.util import MCPToolCustomDataContext
from agents.tool import default_tool_error_function
from mcp.shared.exceptions import MCPError

from ....errors import ToolError
from ...upstream.hops import counted_for_tool
from ..outbox import note_failed_call
from ..settings import MCPServer as MCPServerSettings
from ..settings import OpenAIAgentsSettings
from ..tools import report_failure
from .keeper import CLOSED, CONNECTION_CLOSED, Keeper, is_closed, quiet

INVALID_PARAMS = -32602
SEPARATOR = "_"
_KINDS: dict[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,), "array": (list,), "object": (dict,),
                                       "integer": (int, float), "number": (int, float)}  # fmt: skip


class RunMcpServer(MCPServer):
    """A server as one run's agent sees it: that of the keeper, whichever that is by now.

    Args:
        prefix: Begins the names of its tools.
        before: The agent's servers before this one; a tool that is called as one of theirs, or as one of the agent's
            own, gets this one's number into its name. None: the SDK names them.
    """

    def __init__(
        self, keeper: Keeper, *, number: int, prefix: str = "", before: Sequence[RunMcpServer] | None = ()
    ) -> None:
        self._keeper = keeper
        self._number = number
        self._prefix = prefix
        self._before = before or ()
        self._is_renaming = before is not None
        self._names: dict[str, str] = {}
        self.custom_data_extractor = self._extract

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keeper.server, name)

    @property
    def name(self) -> str:
        return self._keeper.server.name

    @property
    def names(self) -> frozenset[str]:
        """The tools' names as the agent sees them, once they were listed."""
        return frozenset(self._names)

    async def connect(self) -> None:
        """Do nothing: the keeper connects."""

    async def cleanup(self) -> None:
        """Do nothing: the keeper closes."""

    async def list_tools(
        self, run_context: RunContextWrapper[Any] | None = None, agent: AgentBase | None = None
    ) -> list[Any]:
        tools = await self._listed(run_context, agent)
        own = [tool.name for tool in agent.tools] if agent is not None and self._is_renaming else []
        taken = frozenset(own).union(*(other.names for other in self._before))
        renamed = [(self._name_of(tool.name, taken), tool) for tool in tools]
        self._names = {name: tool.name for name, tool in renamed}
        return [
            tool if name == tool.name else tool.model_copy(update={"name": name}) for name, tool in renamed
        ]

    async def _listed(self, run_context: RunContextWrapper[Any] | None, agent: AgentBase | None) -> list[Any]:
        """Return the server's own tools; a list without an end is one that does not come."""
        for is_last in (False, True):
            server = await self._keeper.ready()
            try:
                async with asyncio.timeout(self._keeper.start_s):
                    return await server.list_tools(run_context, agent)
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is this server's
                if is_last or not is_closed(exc):
                    raise self._keeper.failed(exc, "did not list its tools") from quiet(exc)
        raise AssertionError("unreachable")

    def _name_of(self, name: str, taken: frozenset[str]) -> str:
        if self._prefix:
            name = f"{self._prefix}{SEPARATOR}{name}"
        return f"server{self._number}{SEPARATOR}{name}" if name in taken else name

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> Any:
        name = self._names.get(tool_name, tool_name)
        if not self._keeper.is_program:  # it may be an instance of this service
            meta = counted_for_tool(meta)
        for is_last in (False, True):
            server = await self._keeper.ready()
            self._check_arguments(server, tool_name, name, arguments)
            try:
                async with asyncio.timeout(self._keeper.call_s):
                    return self._keeper.shown(await server.call_tool(name, arguments, meta), tool_name)
            except TimeoutError as exc:
                raise ToolError(f"{tool_name} took longer than {self._keeper.call_s:g} s.") from exc
            except MCPError as exc:
                if exc.error.code == INVALID_PARAMS:
                    raise ToolError(f"{tool_name} was called with wrong arguments.") from exc
                if exc.error.code == CONNECTION_CLOSED:
                    raise ToolError(f"{tool_name} cannot be asked: its server ended.") from exc
                raise
            except CLOSED as exc:  # before the request was written, so it may be written again
                if is_last:
                    raise ToolError(f"{tool_name} cannot be asked: its server ended.") from exc
        raise AssertionError("unreachable")

    def _check_arguments(
        self, server: MCPServer, tool_name: str, name: str, arguments: dict[str, Any] | None
    ) -> None:
        """Say which arguments are missing or of another type; the SDK sends the model the class of its exception."""
        tool = next((tool for tool in server.cached_tools or () if tool.name == name), None)
        schema = getattr(tool, "input_schema", None) or getattr(tool, "inputSchema", None)
        required = schema.get("required") if isinstance(schema, dict) else None
        missing = [each for each in required or () if each not in (arguments or {})]
        if missing:
            raise ToolError(
                f"{tool_name} needs the arguments that are missing: {', '.join(sorted(missing))}."
            )
        if wrong := wrong_types(schema, arguments or {}):
            raise ToolError(f"{tool_name} was called with wrong arguments: {', '.join(wrong)}.")

    async def list_prompts(self) -> Any:
        return await (await self._keeper.ready()).list_prompts()

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        return await (await self._keeper.ready()).get_prompt(name, arguments)

    async def list_resources(self, cursor: str | None = None) -> Any:
        return await (await self._keeper.ready()).list_resources(cursor)

    async def list_resource_templates(self, cursor: str | None = None) -> Any:
        return await (await self._keeper.ready()).list_resource_templates(cursor)

    async def read_resource(self, uri: str) -> Any:
        return await (await self._keeper.ready()).read_resource(uri)

    @property
    def cached_tools(self) -> list[Any] | None:
        cached = self._keeper.server.cached_tools
        names = {original: seen for seen, original in self._names.items()}
        return None if cached is None else [
            tool.model_copy(update={"name": names.get(tool.name, tool.name)}) for tool in cached
        ]  # fmt: skip

    def _get_failure_error_function(self, agent_failure_error_function: Any) -> Any:
        """The user's own words if there are some; never the SDK's, which repeat what the exception says."""
        theirs = self._keeper.server._get_failure_error_function(agent_failure_error_function)
        return report_failure if theirs is default_tool_error_function else theirs

    def _extract(self, result: MCPToolCustomDataContext) -> Any:
        _note_error_result(result)
        theirs = getattr(self._keeper.server, "custom_data_extractor", None)
        return None if theirs is None or theirs is _note_error_result else theirs(result)


class McpServers:
    """The servers of one backend, those of its handoff targets and of the user's own agents included."""

    def __init__(self) -> None:
        self._of_settings: dict[str, list[tuple[Keeper, str]]] = {}
        self._own: dict[int, Keeper] = {}

    def of_settings(self, settings: OpenAIAgentsSettings) -> list[MCPServer]:
        """Return the servers that `mcp_servers` of an agent's settings lists."""
        if settings.agent_id not in self._of_settings:
            self._of_settings[settings.agent_id] = [
                (
                    Keeper(
                        _maker(entry, settings),
                        f"MCP server {at}",
                        is_program=entry.command is not None,
                        start_s=entry.start_timeout_s,
                        tells_errors=entry.tell_errors,
                        call_s=entry.call_timeout_s
                        or settings.limits.tool_timeout_s
                        or settings.limits.timeout_s,
                    ),
                    entry.prefix or "",
                )
                for at, entry in enumerate(settings.mcp_servers, 1)
            ]
        return _kept(self._of_settings[settings.agent_id])

    def of_agent(self, servers: Sequence[MCPServer], *, prefixed: bool) -> list[MCPServer]:
        """Return the servers that the user's own agent brings; one that it has connected itself stays its own.

        Args:
            prefixed: The agent has the SDK put the servers' names before those of their tools.
        """
        keepers: list[tuple[Keeper, str]] = []
        for at, server in enumerate(servers, 1):
            if isinstance(server, RunMcpServer):
                return list(servers)
            if id(server) not in self._own:
                self._own[id(server)] = Keeper(
                    lambda server=server: server,  # type: ignore[misc]  # bound now
                    f"MCP server {at}",
                    is_program=isinstance(server, MCPServerStdio),
                )
            keepers.append((self._own[id(server)], ""))
        return _kept(keepers, is_renaming=not prefixed)

    async def aclose(self) -> None:
        """End all of them."""
        of_settings = [keeper for keepers in self._of_settings.values() for keeper, _ in keepers]
        await asyncio.gather(*(keeper.aclose() for keeper in [*of_settings, *self._own.values()]))


def _kept(keepers: Sequence[tuple[Keeper, str]], *, is_renaming: bool = True) -> list[MCPServer]:
    made: list[RunMcpServer] = []
    for number, (keeper, prefix) in enumerate(keepers, 1):
        made.append(
            RunMcpServer(keeper, number=number, prefix=prefix, before=tuple(made) if is_renaming else None)
        )
    return list(made)


def _maker(entry: MCPServerSettings, settings: OpenAIAgentsSettings) -> Callable[[], MCPServer]:
    common: dict[str, Any] = {
        "cache_tools_list": True,
        # Ours is around the call; the client's own ends a little later, for it says less.
        "client_session_timeout_seconds": None,
        "failure_error_function": report_failure,
        "custom_data_extractor": _note_error_result,
    }
    command = entry.command
    if command is not None:
        env = {name: value.get_secret_value() for name, value in entry.env.items()}
        return lambda: MCPServerStdio({"command": command, "args": list(entry.args), "env": env}, **common)
    headers = {name: value.get_secret_value() for name, value in entry.headers.items()}
    params: Any = {"url": str(entry.url), "headers": headers}
    if entry.transport == "sse":
        return lambda: MCPServerSse(params, **common)
    return lambda: _side_by_side(MCPServerStreamableHttp(params, **common))


def _side_by_side(server: MCPServerStreamableHttp) -> MCPServer:
    """Let calls run beside each other: in turns, one slow tool would hold up every run of the agent, and an agent that
    comes to ask itself through its own call would wait for itself."""
    server._serialize_session_requests = False
    return server


def wrong_types(schema: Any, arguments: dict[str, Any]) -> list[str]:
    """Say which *arguments* are of another type than the *schema* of a tool says, as far as it says one."""
    known = schema.get("properties") if isinstance(schema, dict) else None
    wrong = []
    for name, value in arguments.items():
        rule = known.get(name) if isinstance(known, dict) else None
        wanted = rule.get("type") if isinstance(rule, dict) else None
        kinds = _KINDS.get(wanted) if isinstance(wanted, str) else None
        is_number = wanted in ("integer", "number") and not isinstance(value, bool)
        if kinds and not (isinstance(value, kinds) and (is_number or wanted not in ("integer", "number"))):
            wrong.append(f"{name} should be of type {wanted}")
    return wrong


def _note_error_result(result: MCPToolCustomDataContext) -> None:
    """Note a call whose server answered with `isError`; the SDK passes only its text on."""
    call_id = getattr(result.run_context, "tool_call_id", None)
    if result.is_error and call_id:
        note_failed_call(call_id)

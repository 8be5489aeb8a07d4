"""What an MCP client may call: one tool that asks agents, and one for each panel. Owns no route.

It keeps no session: the id that it hands out only distinguishes one client's calls from another's, so any worker
can answer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from typing import Any, cast

from aiohttp import web

from ....errors import InvalidRequest, NotFound, RequestError
from ....eventlog.base import parse_cursor
from ....events.encoding import encode_json
from ....framing.base import DIALECTS
from ....framing.mcp import McpFraming
from ....run.commands import Command
from ....run.registry import AgentRegistry
from ...app_keys import REGISTRY, SUPERVISOR
from ...openapi.operation import EVENT_STREAM
from ..hops import depth_in_meta
from ..json_response import json_response, send_json
from ..problem import ProblemError, problem_from
from ..stream_params import wants_stream
from .approvals import give_answers, read_approval_id
from .dialect_run import fold_run, require_stream, stream_run
from .prompt import ParsedPrompt, addressed, call_name, start_asked, wrong

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
"""The protocol's versions that this speaks, the newest first."""

SESSION = "Mcp-Session-Id"
PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
_PANEL_TOOL = "ask_"
_ELICITS = ".e"
"""Ends the id of a session whose client can be asked."""


def check_version(request: web.Request) -> None:
    """Raise ProblemError for a version that was not agreed on, as the protocol demands; older clients send none."""
    version = request.headers.get("MCP-Protocol-Version", VERSIONS[0])
    if version not in VERSIONS:
        raise ProblemError(400, f"MCP-Protocol-Version must be one of {', '.join(VERSIONS)}.")


def initialize(call_id: object, about: Mapping[str, Any]) -> web.Response:
    """Agree on a version, and give the client an id by which its calls are distinguished from others'."""
    wanted = about.get("protocolVersion")
    result = {
        "protocolVersion": wanted if wanted in VERSIONS else VERSIONS[0],
        "capabilities": {"tools": {"listChanged": False}},
        "serverInfo": {"name": "orchestrator", "version": _version()},
        "instructions": "Ask several AI agents at once, or a panel of them that comes to one answer.",
    }
    abilities = about.get("capabilities")
    elicits = isinstance(abilities, Mapping) and isinstance(abilities.get("elicitation"), Mapping)
    # The id itself tells what its client can do, for no worker keeps a session.
    return rpc_result(
        call_id, result, headers={SESSION: secrets.token_urlsafe(24) + (_ELICITS if elicits else "")}
    )


def _version() -> str:
    try:
        return metadata.version("fanin-orchestrator")
    except metadata.PackageNotFoundError:
        return "0"  # run from a folder that was never installed


def tools(registry: AgentRegistry) -> list[dict[str, Any]]:
    """Return the tools as MCP describes them."""
    message = {"type": "string", "description": "What they are asked.", "minLength": 1}
    agents = "; ".join(f"{name}: {each.title}" for name, each in registry.agents.items())
    panels = list(registry.panels)
    who: dict[str, Any] = {
        "type": "array",
        "items": {"enum": list(registry.agents)},
        "minItems": 1,
        "description": f"Who is asked; the default ones if left out. {agents}",
    }
    keys: dict[str, Any] = {"message": message, "agents": who}
    if panels:
        keys["panel"] = {"enum": panels, "description": "A panel that comes to one answer."}
    found = [_tool("ask", "Ask agents", "Asks several AI agents the same at once.", keys)]
    for panel_id, panel in registry.panels.items():
        title = panel.title or panel_id
        about = panel.description or f"Asks the panel {title}, which comes to one answer."
        found.append(_tool(f"{_PANEL_TOOL}{panel_id}", f"Ask {title}", about, {"message": message}))
    return found


def _tool(name: str, title: str, about: str, keys: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": keys, "required": ["message"], "additionalProperties": False}
    return {"name": name, "title": title, "description": about, "inputSchema": schema}


async def call_tool(request: web.Request, call_id: object, about: Mapping[str, Any]) -> web.StreamResponse:
    """Start a run, and answer with its stream or, once it is over, with its result."""
    given, name = about.get("arguments"), str(about.get("name"))
    wanted: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    panel = name.removeprefix(_PANEL_TOOL) if name.startswith(_PANEL_TOOL) else None
    registry = request.app[REGISTRY]
    if panel is not None and panel in registry.left_out_panels:
        return rpc_refusal(call_id, INVALID_PARAMS, f"Tool {name[:80]!r}: {registry.why_no_panel(panel)}.")
    if name != "ask" and panel not in registry.panels:
        return rpc_refusal(call_id, INVALID_PARAMS, f"There is no tool {name[:80]!r}.")
    if streams := wants_stream(request, EVENT_STREAM):
        require_stream(request)
    try:
        message = wanted.get("message")
        if not isinstance(message, str):
            raise wrong("arguments.message", "must be a string")
        model = None if panel is None else f"panel:{panel}"
        who = addressed(registry, model, wanted if panel is None else {})
        run = await start_asked(
            request, ParsedPrompt(message), who, key=_key(request, call_id), depth=depth_in_meta(about.get("_meta")),
            at="arguments.message", on_disconnect="cancel",
        )  # fmt: skip
    except (RequestError, ProblemError) as exc:
        problem = problem_from(exc)
        if problem is None or problem.status in (429, 503):
            raise
        # The model that called can mend what it asked for, so it has to see what was wrong.
        words = {"type": "text", "text": problem.words()}
        return rpc_result(call_id, {"content": [words], "isError": True})
    meta = about.get("_meta")
    token = call_name(meta.get("progressToken"), "progressToken") if isinstance(meta, Mapping) else None
    elicits = request.headers.get(SESSION, "").endswith(_ELICITS)
    options: dict[str, Any] = {"rpc_id": call_id, "progress_token": token, "elicits": elicits}
    if streams:
        options["stream"] = _name_stream(run.spec.run_id, options)
        newest = parse_cursor(run.state.last_event_id or "")
        # A client of an older version would take an event without data for a broken message.
        if newest is not None and request.headers.get("MCP-Protocol-Version", "") >= VERSIONS[0]:
            options["primes"] = f"{newest.epoch}-0"
        return await stream_run(request, run, DIALECTS["mcp"], options=options)
    framing = cast(McpFraming, await fold_run(request, run, DIALECTS["mcp"], to_end=True, options=options))
    return await send_json(request, {"jsonrpc": "2.0", "id": call_id, "result": framing.result()})


def _name_stream(run_id: str, options: Mapping[str, Any]) -> str:
    """Say in a name all that any worker needs to take the stream up: for whom it is, and how its call is called."""
    parts = [run_id, options["rpc_id"], options["progress_token"], options["elicits"]]
    return base64.urlsafe_b64encode(encode_json(parts)).decode().rstrip("=")


def read_stream(name: str) -> tuple[str, dict[str, Any]]:
    """Read back what `_name_stream` has said. Raises InvalidRequest for an id that is none of ours."""
    try:
        parts = json.loads(base64.b64decode(name + "=" * (-len(name) % 4), b"-_", validate=True))
        run_id, rpc_id, token, elicits = parts
    except (ValueError, TypeError, RecursionError):
        raise InvalidRequest("Last-Event-ID is none of this server's.") from None
    if not isinstance(run_id, str) or not isinstance(elicits, bool):
        raise InvalidRequest("Last-Event-ID is none of this server's.")
    return run_id, {
        "rpc_id": call_name(rpc_id),
        "progress_token": call_name(token, "progressToken"),
        "elicits": elicits,
        "stream": name,
    }


async def take_answer(request: web.Request, message: Mapping[str, Any]) -> None:
    """Give an approval the answer that a client's user gave; to dismiss the question is to refuse.

    Raises:
        InvalidRequest: It decides nothing.
    """
    result = message.get("result")
    said = result if isinstance(result, Mapping) else {}
    content = said.get("content")
    given: Mapping[str, Any] = content if isinstance(content, Mapping) else {}
    approve = given.get("approve") if said.get("action") == "accept" else False
    answer = read_approval_id(message.get("id"), approve, given.get("reason"))
    with suppress(NotFound):  # somebody answered meanwhile, or the run is over
        await give_answers(request, [answer])


async def cancel(request: web.Request, about: Mapping[str, Any]) -> None:
    """Cancel the run that a call of this client started; one that has ended is left as it is."""
    supervisor, key = request.app[SUPERVISOR], _key(request, about.get("requestId"))
    run_id = None if key is None else await supervisor.following.running_by_key(key)
    if run_id is not None:
        await supervisor.perform(Command("cancel", run_id))


def _key(request: web.Request, call_id: object) -> str | None:
    """Name a client's call, so that its cancel finds the run on any worker; None without a session."""
    session = request.headers.get(SESSION)
    if not session:
        return None
    identity = f"{session}\n{type(call_id).__name__}\n{call_id}"
    return f"mcp:{hashlib.sha256(identity.encode('utf-8', 'replace')).hexdigest()}"


def rpc_result(
    call_id: object, result: dict[str, Any], *, headers: dict[str, str] | None = None
) -> web.Response:
    return json_response({"jsonrpc": "2.0", "id": call_id, "result": result}, headers=headers)


def rpc_refusal(call_id: object, code: int, message: str) -> web.Response:
    return json_response({"jsonrpc": "2.0", "id": call_id, "error": {"code": code, "message": message}})

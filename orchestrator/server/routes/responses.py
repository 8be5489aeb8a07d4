"""OpenAI's Responses API. A model is an agent, several (`a+b`), or a panel."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, cast

from aiohttp import web

from ...errors import NotFound
from ...eventlog.base import parse_cursor
from ...framing.base import DIALECTS
from ...framing.responses import FRAMES_PER_EVENT, ResponsesFraming
from ...run.commands import Command
from ...supervisor.supervisor import AnyRun
from ..app_keys import OPTIONS, READER, REGISTRY, SUPERVISOR
from ..http.dialects.approvals import ApprovalAnswer, give_answers, read_approval_id
from ..http.dialects.dialect_run import fold_run, require_stream, stream_run
from ..http.dialects.openai_error import openai_error
from ..http.dialects.prompt import (
    MAX_NAME_CHARS,
    PANEL_PREFIX,
    ParsedPrompt,
    addressed,
    check_model,
    read_flag,
    read_messages,
    start_asked,
    wrong,
)
from ..http.json_response import send_json
from ..http.problem import refuses_as
from ..http.stream_params import requested_cursor
from ..openapi.operation import EVENT_STREAM, Parameter, ResponseDoc, operation

CANCEL_SECONDS = 5.0
"""How long the answer to a cancel waits for the agents' streams to be closed."""

_ANY = {"type": "object"}

routes = web.RouteTableDef()


@routes.post("/v1/responses")
@refuses_as(openai_error)
@operation(
    "Ask as with OpenAI's Responses API",
    tag="openai",
    description="`input` may also answer approvals, by `mcp_approval_response` items: then the same run goes on.",
    answers={200: (ResponseDoc("The response.", _ANY), ResponseDoc("Its events.", None, EVENT_STREAM))},
    body="AnyObject",
    errors=(404, 409, 410, 429, 503),
)
async def create_response(request: web.Request) -> web.StreamResponse:
    body = await request.app[READER].read(request, max_bytes=request.app[OPTIONS].max_body_bytes)
    background, streams = read_flag(body, "background"), read_flag(body, "stream")
    check_model(body.get("model"))
    if streams:
        require_stream(request)
    answers = _answers(body.get("input"))
    cursor: str | None = None
    if answers:
        run, cursor = await give_answers(request, answers)
    else:
        run = await _start(request, body, background=background)
    options = _options(run, body) | {"fresh": bool(answers), "background": background}
    if streams:
        return await stream_run(request, run, DIALECTS["responses"], cursor=cursor, options=options)
    return await _show(request, run, to_end=not background, cursor=cursor, options=options)


@routes.get("/v1/responses/{response_id}", allow_head=False)
@refuses_as(openai_error)
@operation(
    "Show a response, or stream it again",
    tag="openai",
    answers={200: (ResponseDoc("The response.", _ANY), ResponseDoc("Its events.", None, EVENT_STREAM))},
    parameters=(
        Parameter("stream", "query", "Whether to stream.", {"type": "boolean"}),
        Parameter(
            "starting_after", "query", "The last `sequence_number` that was seen.", {"type": "integer"}
        ),
    ),
    errors=(404, 410, 422, 429, 503),
)
async def show_response(request: web.Request) -> web.StreamResponse:
    run = await _run_of(request)
    streams = request.query.get("stream", "false").lower()
    if streams not in ("true", "false"):
        raise wrong("stream", "must be true or false")
    if streams == "false":
        return await _show(request, run, to_end=False)
    options, cursor = _options(run, {}), requested_cursor(request)
    number = request.query.get("starting_after")
    if number is not None:
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            raise wrong("starting_after", "must be a whole number")
        await _check_is_sent(request, run, int(number))
        options["after"] = int(number)
        cursor = _cursor_before(run, int(number))
    return await stream_run(request, run, DIALECTS["responses"], cursor=cursor, options=options)


@routes.post("/v1/responses/{response_id}/cancel")
@refuses_as(openai_error)
@operation(
    "Cancel a response",
    tag="openai",
    answers={200: ResponseDoc("The response.", _ANY)},
    errors=(404, 410, 503),
)
async def cancel_response(request: web.Request) -> web.StreamResponse:
    run = await _run_of(request)
    await request.app[SUPERVISOR].perform(Command("cancel", run.spec.run_id))
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            return await _show(request, run, to_end=True)
    except TimeoutError:
        return await _show(request, run, to_end=False)


async def _start(request: web.Request, body: dict[str, Any], *, background: bool) -> AnyRun:
    asked = body.get("input")
    question = ParsedPrompt(asked) if isinstance(asked, str) else read_messages(asked, at="input")
    instructions = body.get("instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise wrong("instructions", "must be a string")
    if instructions:
        question.earlier.insert(0, ("Instructions", instructions))
    previous, after = body.get("previous_response_id"), None
    conversation: str | None = f"resp-{secrets.token_hex(12)}"
    if previous is not None:
        spec = (await _find(request, previous)).spec
        conversation, after = spec.conversation_id, spec.run_id
        if conversation is None:
            words = "is of a run outside any conversation, so that none can go on from it; send what was said in input"
            raise wrong("previous_response_id", words)
        question.earlier = [each for each in question.earlier if each[0] == "Instructions"]
    who = addressed(request.app[REGISTRY], body.get("model"), body)
    on_disconnect = "continue" if background else "cancel"
    return await start_asked(
        request,
        question,
        who,
        at="input",
        conversation_id=conversation,
        after=after,
        on_disconnect=on_disconnect,
    )


def _answers(asked: object) -> list[ApprovalAnswer]:
    """Return what `input` answers. Raises InvalidRequest for an answer that names no question of ours."""
    items = [item for item in asked if isinstance(item, dict)] if isinstance(asked, list) else []
    return [
        read_approval_id(
            str(item.get("approval_request_id")).removeprefix("mcpr_"),
            item.get("approve"),
            item.get("reason"),
        )
        for item in items
        if item.get("type") == "mcp_approval_response"
    ]


async def _find(request: web.Request, name: object) -> AnyRun:
    try:
        if isinstance(name, str) and name.startswith("resp_"):
            return await request.app[SUPERVISOR].get(f"run_{name.removeprefix('resp_')}")
    except NotFound:
        pass  # it would be named as a run, which the client does not know
    raise NotFound(f"There is no response {str(name)[:80]!r}.")


async def _run_of(request: web.Request) -> AnyRun:
    return await _find(request, request.match_info["response_id"])


async def _show(
    request: web.Request,
    run: AnyRun,
    *,
    to_end: bool,
    cursor: str | None = None,
    options: dict[str, Any] | None = None,
) -> web.StreamResponse:
    dialect, wanted = DIALECTS["responses"], options or _options(run, {})
    framing = cast(
        ResponsesFraming,
        await fold_run(request, run, dialect, to_end=to_end, cursor=cursor, options=wanted),
    )
    whole = framing.response()
    # What agents said beyond text lies deeper than texts.
    depth = 4 if whole["agents"] else 2
    return await send_json(request, whole, headers={"Run-Id": run.spec.run_id}, depth=depth)


def _model_of(run: AnyRun) -> str:
    """Return what would be asked to ask the same; of a blind run nothing but the names that it goes by."""
    spec = run.spec
    if spec.panel is not None and spec.panel.panel_id is not None:
        return f"{PANEL_PREFIX}{spec.panel.panel_id}"
    return "+".join(run.participants if spec.blind else spec.agents)


def _options(run: AnyRun, body: dict[str, Any]) -> dict[str, Any]:
    previous = body.get("previous_response_id")
    return {
        "model": body.get("model") or _model_of(run),
        "created": run.state.created_at // 1000,
        "previous_response_id": previous
        if isinstance(previous, str) and len(previous) <= MAX_NAME_CHARS
        else None,
    }


async def _check_is_sent(request: web.Request, run: AnyRun, number: int) -> None:
    """Raise InvalidRequest if no frame has that *number* yet: whoever asks would wait for what it thinks it has."""
    newest = (await request.app[SUPERVISOR].log.open(run.spec.channel)).last
    most = (newest + 1) * FRAMES_PER_EVENT - 1
    # What follows a gap states all agents at one event's place, and may take more numbers than one has.
    if number > most + len(run.participants) * FRAMES_PER_EVENT:
        raise wrong("starting_after", f"is beyond the newest event, whose sequence_number is at most {most}")


def _cursor_before(run: AnyRun, number: int) -> str | None:
    """Return the cursor of the event before the one that frame *number* is of: that one may have been cut."""
    newest = parse_cursor(run.state.last_event_id or "")
    seq = number // FRAMES_PER_EVENT - 1
    return f"{newest.epoch}-{seq}" if newest is not None and seq > 0 else None

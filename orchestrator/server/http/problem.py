"""Turns every failure of a request into `application/problem+json`; decides no failure itself.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from ...errors import (
    Conflict,
    FieldProblem,
    Gone,
    InvalidRequest,
    LimitReached,
    LogUnavailable,
    NotFound,
    OrchestratorError,
    Unavailable,
)
from ...events.encoding import clean_text, encode_json
from ...telemetry.logs import failure

PROBLEM_TYPE = "application/problem+json"

_RESPONSE = web.RequestKey("orchestrator_response", web.StreamResponse)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure as clients see it. `extra` holds members of its own beside RFC 9457's."""

    status: int
    detail: str
    title: str | None = None
    type: str = "about:blank"
    errors: Sequence[FieldProblem] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the JSON object; a WebSocket sends it as `problem`."""
        found: dict[str, Any] = {
            "type": self.type,
            "title": self.title or _phrase(self.status),
            "status": self.status,
            "detail": clean_text(self.detail),
            **self.extra,
        }
        if self.errors:
            found["errors"] = [
                {"at": clean_text(each.at), "detail": clean_text(each.detail)} for each in self.errors
            ]
        return found

    def words(self) -> str:
        """Return what was wrong as one text, for an API whose clients show no more; what was said is not repeated."""
        document = self.document()
        said = str(document["detail"])
        for each in document.get("errors", ()):
            if each["detail"] not in said:
                said += f" {each['at']}: {each['detail']}."
        return said

    def response(self) -> web.Response:
        return web.Response(
            status=self.status,
            body=encode_json(self.document()),
            headers={"Cache-Control": "no-store", **self.headers},
            content_type=PROBLEM_TYPE,
        )


class ProblemError(OrchestratorError):
    """A failure that only HTTP knows, such as 400, 413 or 415; `problem` says all."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(status, detail, errors=errors, headers=headers or {})


class MalformedJson(ProblemError):
    """A body that is no JSON, or breaks its coding; JSON-RPC has a code of its own for it."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, detail)


def problem_response(
    status: int,
    detail: str,
    *,
    title: str | None = None,
    type_: str = "about:blank",
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Build a problem's answer; the title is the status's own phrase if none is given."""
    return Problem(status, detail, title, type_, errors, headers or {}).response()


def problem_from(exc: BaseException) -> Problem | None:
    """Return what *exc* means to a client; None if it is a fault of ours that says nothing to one."""
    match exc:
        case ProblemError():
            return exc.problem
        case InvalidRequest():
            return Problem(422, str(exc), errors=exc.fields)
        case NotFound():
            return Problem(404, str(exc))
        case Gone():
            return Problem(410, str(exc))
        case Conflict():
            return Problem(409, str(exc))
        case LimitReached():
            return Problem(429, str(exc), headers=_retry_after(exc.retry_after))
        case Unavailable():
            return Problem(503, str(exc), headers=_retry_after(exc.retry_after))
        case LogUnavailable():
            # The exception's own text may hold the store's address and password.
            return Problem(503, "The event log does not answer.", headers=_retry_after(1.0))
        case _:
            return None


def unexpected(exc: BaseException, *, where: str) -> Problem:
    """Log *exc* with its traceback and return a problem that holds nothing of it but an `error_id`.

    Args:
        where: What failed, in the log's words; holds no secret.
    """
    error_id = f"err_{secrets.token_hex(8)}"
    _log.error("request_failed", error_id=error_id, where=where, **failure(exc))
    return Problem(500, "The server failed; its log has the rest.", extra={"error_id": error_id})


ProblemShape = Callable[[Problem], web.Response]
_SHAPE = "__problem_shape__"
_SHAPES: web.AppKey[dict[str, ProblemShape | None]] = web.AppKey("problem_shapes", dict)
"""The shapes by the beginning of their paths, the longest first."""

_Shaped = TypeVar("_Shaped", bound=Callable[..., Any])


def refuses_as(shape: ProblemShape) -> Callable[[_Shaped], _Shaped]:
    """Let the decorated handler's failures be answered in another API's shape."""

    def decorate(handler: _Shaped) -> _Shaped:
        setattr(handler, _SHAPE, shape)
        return handler

    return decorate


def _answer(request: web.Request, problem: Problem) -> web.Response:
    shape: ProblemShape | None = getattr(request.match_info.handler, _SHAPE, None)
    if request.match_info.http_exception is not None:
        shape = _shape_at(request)
    return problem.response() if shape is None else shape(problem)


def _shape_at(request: web.Request) -> ProblemShape | None:
    """Return the shape of the API at whose address nothing is, or not by that method."""
    shapes = request.app[_SHAPES]
    if not shapes:  # not before: an application that embeds this one has put its own path before each by now
        shapes.update(_shapes_by_path(request.app.router))
    return next((shape for path, shape in shapes.items() if request.path.startswith(path)), None)


def _shapes_by_path(router: web.UrlDispatcher) -> Mapping[str, ProblemShape | None]:
    """Return the shape of each path's beginning: of a folder if all that lies below it has the same."""
    begins = [
        (resource.canonical.partition("{")[0], getattr(route.handler, _SHAPE, None))
        for resource in router.resources()
        for route in resource
    ]
    found: dict[str, ProblemShape | None] = {}
    for path, shape in begins:
        folder = path[: path.rfind("/") + 1]
        is_own = folder.count("/") > 2 and all(of is shape for at, of in begins if at.startswith(folder))
        found[folder if is_own else path] = shape
    return {path: found[path] for path in sorted(found, key=len, reverse=True) if found[path] is not None}


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every exception with a problem, or close the connection if an answer has begun.

    Redirects and cancelling pass. A client that has gone is no failure, and nothing is logged.
    """
    try:
        return await handler(request)
    except Exception as exc:  # noqa: BLE001  this is the outermost one: all become answers
        begun = request.get(_RESPONSE)
        if begun is not None and begun.prepared:
            return _close_begun(request, begun, exc)
        if isinstance(exc, ConnectionError) and client_is_gone(request):
            # Nobody reads it: nginx's 499 is for the access log, and the write fails quietly.
            return Problem(499, "The client has gone.", title="Client Closed Request").response()
        if isinstance(exc, web.HTTPException):
            return _from_http_exception(request, exc)
        problem = problem_from(exc) or unexpected(exc, where=_where(request))
        return _answer(request, problem)


def setup_problems(app: web.Application) -> None:
    """Make *app* answer every failure with a problem; call it before other middlewares are added."""
    app[_SHAPES] = {}
    app.middlewares.append(problem_middleware)
    app.on_response_prepare.append(_remember_response)


async def _remember_response(request: web.Request, response: web.StreamResponse) -> None:
    request[_RESPONSE] = response


def _close_begun(request: web.Request, begun: web.StreamResponse, exc: Exception) -> web.StreamResponse:
    """Cut the connection, so that the client cannot take what it has for a whole answer.

    Only what nobody foresaw is logged: while the log is unavailable, every client that comes back would be.
    """
    if problem_from(exc) is None and not (isinstance(exc, ConnectionError) and client_is_gone(request)):
        unexpected(exc, where=f"{_where(request)} after the answer had begun")
    begun.force_close()
    if request.transport is not None:
        # aiohttp ends a chunked body properly when the handler returns; a closed transport stops that.
        request.transport.close()
    return begun


def client_is_gone(request: web.BaseRequest) -> bool:
    """Whether the connection is closed or closing, so that no answer can arrive."""
    return request.transport is None or request.transport.is_closing()


def _where(request: web.Request) -> str:
    return f"{request.method} {request.rel_url.raw_path}"


def _from_http_exception(request: web.Request, exc: web.HTTPException) -> web.StreamResponse:
    if exc.status < 400:
        raise exc
    return _answer(request, problem_from_http(exc))


def problem_from_http(exc: web.HTTPException) -> Problem:
    """Return the problem for one of aiohttp's own exceptions; its headers (`Allow`, …) are kept."""
    own = {"content-type", "content-length"}
    headers = {name: value for name, value in exc.headers.items() if name.lower() not in own}
    default_text = f"{exc.status}: {exc.reason}"
    detail = exc.text if exc.text and exc.text != default_text else _detail(exc)
    return Problem(exc.status, detail, headers=headers)


def _detail(exc: web.HTTPException) -> str:
    match exc:
        case web.HTTPNotFound():
            return "Nothing is at this path."
        case web.HTTPMethodNotAllowed():
            return f"{exc.method} is not possible here, only {', '.join(sorted(exc.allowed_methods))}."
        case _:
            return f"{_phrase(exc.status)}."


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _retry_after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds)))}

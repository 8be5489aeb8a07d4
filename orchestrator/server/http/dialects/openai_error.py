"""How OpenAI's API refuses, whichever of its calls it was. Owns no route."""

from __future__ import annotations

from aiohttp import web

from ..json_response import json_response
from ..problem import Problem

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def openai_error(problem: Problem) -> web.Response:
    """Return a failure as OpenAI's clients read it."""
    first = problem.errors[0] if problem.errors else None
    kind = _TYPES.get(problem.status, "server_error" if problem.status >= 500 else "invalid_request_error")
    code = "model_not_found" if problem.status == 404 and "model" in problem.detail else None
    error = {"message": problem.words(), "type": kind, "param": first.at if first else None, "code": code}
    return json_response({"error": error}, status=problem.status, headers=dict(problem.headers))

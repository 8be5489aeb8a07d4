"""Keeps httpx's and httpx2's clients from following a redirect to another origin. Owns no client and no request.

A provider's redirect would take the prompt, and headers of the user's, wherever it points: to another company, or to an
address inside of one's own network.
"""

from __future__ import annotations

from typing import Any

from ...errors import AgentError
from .body_limits import BoundBody, ask_unpackable
from .errors import PROVIDER
from .hops import count_call
from .http_errors import origin_of, redirect_error


class RefuseOtherOrigin:
    """An event hook for responses: raises if one sends its request to another origin.

    Args:
        who: Answered; begins the message.
    """

    def __init__(self, who: str = PROVIDER) -> None:
        self._who = who

    async def __call__(self, response: Any) -> None:
        if not response.has_redirect_location:
            return
        asked = str(response.request.url)
        location = response.headers.get("location")
        error = redirect_error(response.status_code, asked, location, who=self._who)
        try:
            target = origin_of(str(response.request.url.join(location)))
        except Exception as exc:
            raise error from exc
        if target != origin_of(asked):
            raise error


def guard_client(client: Any) -> None:
    """Have *client* refuse redirects to other origins, hold no more of an answer than fits, and count the hops.

    It is OpenAI's or built like it; of another kind, nothing is done.
    """
    for http in (client, getattr(client, "_client", None), getattr(client, "client", None)):
        hooks = getattr(http, "event_hooks", None)
        if http is None or not isinstance(hooks, dict) or "response" not in hooks:
            continue
        if not any(isinstance(hook, RefuseOtherOrigin) for hook in hooks["response"]):
            http.event_hooks = {
                **hooks,
                "request": [*hooks.get("request", ()), count_call, ask_unpackable],
                "response": [*hooks["response"], RefuseOtherOrigin(), BoundBody()],
            }


def is_endless(exc: BaseException) -> bool:
    """Whether a client of httpx's or httpx2's gave up on redirects that lead on and on."""
    cause: BaseException | None = exc
    while cause is not None and type(cause).__name__ != "TooManyRedirects":  # the two have no class in common
        cause = cause.__cause__
    return cause is not None


def refusal_in(exc: BaseException) -> AgentError | None:
    """Return what a hook of ours raised, however a library has wrapped it."""
    seen: set[int] = set()
    left = [exc]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, AgentError):
            return one
        left += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
        if isinstance(one, BaseExceptionGroup):
            left += one.exceptions
    return None

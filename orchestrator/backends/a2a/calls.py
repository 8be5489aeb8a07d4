"""A2A's calls in both of its bindings, JSON-RPC and HTTP+JSON. Knows no state of a task."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from ...errors import AgentError
from ..upstream.connections import HttpUpstream, UpstreamRefused, decode_object
from .card import WHO, Endpoint

HEADERS = {"A2A-Version": "1.0"}
STREAM = {**HEADERS, "Accept": "text/event-stream"}
NOTHING_MORE: Mapping[str, str] = {}
TASK_NOT_FOUND, NOT_CANCELABLE, UNSUPPORTED, INTERNAL = -32001, -32002, -32004, -32603
_GONE = frozenset({TASK_NOT_FOUND, NOT_CANCELABLE, UNSUPPORTED})


class TaskHasEnded(AgentError):
    """The agent has no such task at work: it has ended, or there never was one."""

    def __init__(self) -> None:
        super().__init__("upstream_unavailable", f"{WHO} no longer works at the task.")


class A2aCalls:
    """Calls an agent.

    Every method raises AgentError for what the agent refuses, and for what is no answer.
    """

    def __init__(self, http: HttpUpstream, endpoint: Endpoint) -> None:
        self.streams = endpoint.streams
        self._http = http
        self._url = endpoint.url
        self._rpc = endpoint.binding == "jsonrpc"

    async def send(
        self, message: dict[str, Any], headers: Mapping[str, str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Send a message, and yield what the agent answers: `task`, `message`, `statusUpdate`, `artifactUpdate`."""
        params = {"message": message}
        if not self.streams:
            yield await self._ask("SendMessage", "POST", "/message:send", params, headers)
            return
        async with aclosing(
            self._stream("SendStreamingMessage", "POST", "/message:stream", params, headers)
        ) as answers:
            async for answer in answers:
                yield answer

    async def subscribe(self, task_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """Yield a task as it stands, and what follows. Raises TaskHasEnded."""
        path = f"/tasks/{_part(task_id)}:subscribe"
        async with aclosing(self._stream("SubscribeToTask", "POST", path, {"id": task_id})) as answers:
            async for answer in answers:
                yield answer

    async def task(self, task_id: str) -> dict[str, Any]:
        """Return a task as it stands. Raises TaskHasEnded if it is not known."""
        return await self._ask("GetTask", "GET", f"/tasks/{_part(task_id)}", {"id": task_id})

    async def cancel(self, task_id: str) -> dict[str, Any]:
        """Cancel a task; return it once the agent has stopped. Raises TaskHasEnded."""
        return await self._ask("CancelTask", "POST", f"/tasks/{_part(task_id)}:cancel", {"id": task_id})

    async def _ask(
        self,
        name: str,
        method: str,
        path: str,
        params: dict[str, Any],
        headers: Mapping[str, str] = NOTHING_MORE,
    ) -> dict[str, Any]:
        sent = {**HEADERS, **headers}
        try:
            if self._rpc:
                answer = await self._http.call("POST", self._url, _call(name, params), headers=sent)
                return _result(answer)
            body = None if method == "GET" else params
            answer = await self._http.call(method, self._url + path, body, headers=sent)
        except UpstreamRefused as exc:
            raise _refusal(exc, path) from exc
        if not isinstance(answer, dict):
            raise AgentError("upstream_invalid", f"{WHO} answered with something that is no object.")
        return answer

    async def _stream(
        self,
        name: str,
        method: str,
        path: str,
        params: dict[str, Any],
        headers: Mapping[str, str] = NOTHING_MORE,
    ) -> AsyncGenerator[dict[str, Any], None]:
        url, body = (self._url, _call(name, params)) if self._rpc else (self._url + path, params)
        try:
            answer = await self._http.open(method, url, body, headers={**STREAM, **headers})
        except UpstreamRefused as exc:
            raise _refusal(exc, path) from exc
        try:
            if not answer.is_stream:  # a failure, or an agent that does not stream after all
                whole = await answer.json()
                yield _result(whole) if self._rpc else whole if isinstance(whole, dict) else {}
                return
            async with aclosing(answer.events()) as events:
                async for event in events:
                    if event.data:
                        message = decode_object(event.data, WHO)
                        yield _result(message) if self._rpc else message
        finally:
            answer.close()


def _call(name: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": name, "params": params}


def _part(task_id: str) -> str:
    return quote(task_id, safe="")


def _result(answer: Any) -> dict[str, Any]:
    """Return what a JSON-RPC answer holds. Raises AgentError for one that says what went wrong."""
    if not isinstance(answer, dict):
        raise AgentError("upstream_invalid", f"{WHO} answered with something that is no object.")
    error = answer.get("error")
    if error is not None:
        code = error.get("code") if isinstance(error, dict) else None
        if code in _GONE:
            raise TaskHasEnded
        if code == INTERNAL:
            raise AgentError("upstream_unavailable", f"{WHO} failed (JSON-RPC {INTERNAL}).")
        number = f" (JSON-RPC {code})" if isinstance(code, int) and abs(code) < 10**6 else ""
        raise AgentError("upstream_rejected", f"{WHO} rejected the request{number}.")
    result = answer.get("result")
    if not isinstance(result, dict):
        raise AgentError("upstream_invalid", f"{WHO} answered with neither a result nor an error.")
    return result


def _refusal(exc: UpstreamRefused, path: str) -> AgentError:
    return TaskHasEnded() if exc.status in (400, 404, 409) and path.startswith("/tasks/") else exc

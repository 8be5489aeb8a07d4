"""The chat request of an agent without tools for one message, learnt once from what the SDK makes of it.

From question to question nothing changes in it but the message, and to let the SDK put the rest together each time
costs as much as to send it. What was learnt is proved: with another message in its place it is the request that the
SDK makes of that. Whatever is not one message of plain text goes the SDK's way. Owns no connection.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from agents import ModelSettings, ModelTracing
from agents.models.chatcmpl_helpers import HEADERS_OVERRIDE
from openai.types.responses import Response

from ..transport import FastTransport
from .model import FastChatModel, OpenAnswer

PATH = "/chat/completions"


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request as the SDK hands it to a transport, and the form of its whole answer."""

    response: Response
    body: bytes
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Learnt:
    """What stands around the message in each request, and what is the same in each."""

    before: bytes
    after: bytes
    sent: _Sent


class RequestTemplate:
    """Asks *model* for the answer to one message, if the agent has *instructions* and *model_settings* and no more."""

    def __init__(self, model: FastChatModel, instructions: str | None, model_settings: ModelSettings) -> None:
        self._model = model
        self._instructions = instructions
        self._settings = model_settings
        self._learnt: _Learnt | None = None
        self._can_learn = True

    async def open_answer(self, items: list[Any], *, may_end_plain: bool = False) -> OpenAnswer | None:
        """Ask for the answer to *items* and return it, open; None if they are not one message of plain text.

        Args:
            may_end_plain: As of `ChatDecoder`.
        Raises:
            AgentError: As `FastTransport.open_stream`.
        """
        message = _message_in(items)
        if message is None or not self._can_learn or HEADERS_OVERRIDE.get() is not None:
            return None
        learnt = self._learnt
        if learnt is None:
            learnt = self._learnt = await self._learn()
            if learnt is None:
                self._can_learn = False
                return None
        body = learnt.before + msgspec.json.encode(message) + learnt.after
        stream = await self._model.transport.open_stream(PATH, body, learnt.sent.options)
        return self._model.answer_of(
            learnt.sent.response, stream, self._settings, may_end_plain=may_end_plain
        )

    async def _learn(self) -> _Learnt | None:
        """Find the message's place in a request; None if another message changes more than that."""
        probes = [f"probe {uuid.uuid4().hex}" for _ in range(2)]
        first, second = [await self._sent(probe) for probe in probes]
        marks = [msgspec.json.encode(probe) for probe in probes]
        before, mark, after = first.body.partition(marks[0])
        if not mark or marks[0] in after or second.body != before + marks[1] + after:
            return None
        return _Learnt(before, after, first)

    async def _sent(self, message: str) -> _Sent:
        """Return what the SDK would send for *message*."""
        recorder = _Recorder(self._model.transport.base_url)
        response, sent = await self._model.recorded(cast(FastTransport, recorder))._fetch_response(
            self._instructions,
            [{"role": "user", "content": message}],
            self._settings,
            [],
            None,
            [],
            cast(Any, None),  # a span, which nobody writes to without tracing
            ModelTracing.DISABLED,
            True,
        )
        body, options = cast(tuple[bytes, Mapping[str, Any]], sent)
        return _Sent(response, body, options)


class _Recorder:
    """Stands where a transport does and returns what it is to send."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    async def open_stream(
        self, path: str, body: bytes, options: Mapping[str, Any]
    ) -> tuple[bytes, Mapping[str, Any]]:
        return body, options


def _message_in(items: list[Any]) -> str | None:
    """Return the text of the one message that *items* are; None if they are anything else."""
    if len(items) != 1 or items[0].keys() != {"role", "content"} or items[0]["role"] != "user":
        return None
    content = items[0]["content"]
    return content if isinstance(content, str) else None

"""The messages of one turn of a Letta agent, and the anchor by which another worker finds the runs that it began.

Owns no connection. A turn is one message of the user's, and one more for each approval that was answered.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from ..base import AgentInput, Turn
from .api import LettaApi

CONVERSATION = "conversation_id"
"""The key in `Turn.memory` under which the Letta conversation of a turn stands."""

Message = dict[str, Any]


class LettaTurn:
    """One turn on its way.

    Attributes:
        conversation: The Letta conversation; None if the server knows of none.
        messages: What is to be sent next.
        begun: The `otid`s under which runs of a lost worker's can be found, oldest first, not read yet.
    """

    def __init__(
        self, conversation: str | None, messages: list[Message], begun: tuple[str, ...] = ()
    ) -> None:
        self.conversation = conversation
        self.messages = messages
        self.begun = list(begun)
        self._sent = list(begun)

    @property
    def otid(self) -> str:
        """The id of ours by which the server finds the run that `messages` begin."""
        return str(self.messages[0]["otid"])

    def anchor(self) -> str | None:
        """Note that `messages` are about to be sent; return how to find all runs of this turn."""
        if self.conversation is None:
            return None
        self._sent.append(self.otid)
        return json.dumps({"conversation": self.conversation, "begun": self._sent})

    def answer(self, approvals: list[Message]) -> None:
        """Send the answers to approvals next."""
        self.messages = [_message({"type": "approval", "approvals": approvals})]

    @property
    def memory(self) -> dict[str, str] | None:
        """What the next turn goes on from."""
        return None if self.conversation is None else {CONVERSATION: self.conversation}


async def open_turn(api: LettaApi, request: AgentInput) -> LettaTurn:
    """Choose the turn's Letta conversation, and what to send to it. Raises AgentError.

    One that a lost worker has begun is gone on with.
    """
    if (left := _left_behind(request)) is not None:
        return left
    question = _message({"role": "user", "content": _content(request)})
    history = request.history if request.conversation_id is not None else ()
    if history and (earlier := _conversation_of(history[-1])) is not None:
        forked = await api.fork_conversation(earlier)
        if forked is not None:
            return LettaTurn(forked, [question])
    conversation = await api.new_conversation()
    if conversation is None:
        return LettaTurn(None, [question])
    # Turns of another backend, or of a conversation that is gone at the server, are sent in words.
    return LettaTurn(conversation, [*_messages_of(history), question])


def _left_behind(request: AgentInput) -> LettaTurn | None:
    """Read the anchor. What it names was the server's answer or our own id; anything else begins anew."""
    try:
        found = json.loads(request.anchor or "")
        conversation, begun = found["conversation"], found["begun"]
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(conversation, str) or not isinstance(begun, list):
        return None
    return LettaTurn(conversation, [], tuple(map(str, begun)))


def _conversation_of(turn: Turn) -> str | None:
    found = turn.memory.get(CONVERSATION) if isinstance(turn.memory, dict) else None
    return found if isinstance(found, str) and found else None


def _messages_of(history: tuple[Turn, ...]) -> list[Message]:
    found = []
    for turn in history:
        found.append(_message({"role": "user", "content": turn.message}))
        if turn.text:
            found.append(_message({"role": "assistant", "content": turn.text}))
    return found


def _content(request: AgentInput) -> str | list[Message]:
    if not request.images:
        return request.message
    images = [{"type": "image", "source": _image_source(url)} for url in request.images]
    return [{"type": "text", "text": request.message}, *images]


def _image_source(url: str) -> dict[str, str]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "base64", "media_type": kind, "data": data}


def _message(content: Message) -> Message:
    """Give a message the id of ours by which the server finds its run."""
    return {**content, "otid": str(uuid4())}

"""The messages of a conversation as AG-UI has its clients keep them: built from events, sent with each run."""

from __future__ import annotations

from typing import Any

import msgspec

from ...sse_parser import MAX_EVENT_BYTES
from ..base import AgentInput

MEMORY_BYTES = 256 * 1024
"""So much of a turn's messages is kept; of a longer one the question and the answer's text alone."""
MAX_ID_CHARS = 200


class Transcript:
    """The messages of one turn: the question, what the agent says, its calls and their results.

    Attributes:
        messages: As they are sent with the next run.
    """

    def __init__(self, question: dict[str, Any]) -> None:
        self.messages: list[dict[str, Any]] = [question]
        self._by_id: dict[str, dict[str, Any]] = {}
        self._size = 0

    def say(self, message_id: str, text: str) -> None:
        """Add text to an assistant's message."""
        message = self._assistant(message_id)
        self._size += len(text)
        if self._size <= MAX_EVENT_BYTES:
            message["content"] = message.get("content", "") + text

    def call(self, message_id: str, call_id: str, name: str, arguments: str) -> None:
        """Add a call to an assistant's message."""
        self._size += len(arguments)
        function = {"name": name, "arguments": arguments}
        self._assistant(message_id).setdefault("toolCalls", []).append(
            {"id": call_id, "type": "function", "function": function}
        )

    def result(self, message_id: str, call_id: str, content: str) -> None:
        """Add a call's result."""
        self._size += len(content)
        self.messages.append({"id": message_id, "role": "tool", "toolCallId": call_id, "content": content})

    def replace(self, whole: list[dict[str, Any]]) -> None:
        """Take over what the agent says that the conversation is, from this turn's question on."""
        question = self.messages[0]["id"]
        at = next((n for n, each in enumerate(whole) if each.get("id") == question), None)
        if at is not None:
            self.messages = whole[at:]
            self._by_id = {
                str(each.get("id")): each for each in self.messages if each.get("role") == "assistant"
            }

    def said(self) -> str:
        """Return the texts of the assistant's messages."""
        texts = (each.get("content") for each in self.messages if each.get("role") == "assistant")
        return "".join(text for text in texts if isinstance(text, str))

    def memory(self, thread: str) -> dict[str, Any]:
        """Return what the next turn needs."""
        kept = {"thread": thread, "messages": self.messages}
        try:
            fits = len(msgspec.json.encode(kept)) <= MEMORY_BYTES
        except (TypeError, ValueError, RecursionError):
            fits = False
        return kept if fits else {"thread": thread}

    def _assistant(self, message_id: str) -> dict[str, Any]:
        message = self._by_id.get(message_id)
        if message is None:
            message = {"id": message_id, "role": "assistant"}
            self._by_id[message_id] = message
            self.messages.append(message)
        return message


def question_of(request: AgentInput, message_id: str, *, current: bool) -> dict[str, Any]:
    """Return the user's message; *current*: in the form of AG-UI 1.0."""
    if not request.images:
        return {"id": message_id, "role": "user", "content": request.message}
    parts = [{"type": "text", "text": request.message}, *(_image(url, current) for url in request.images)]
    return {"id": message_id, "role": "user", "content": parts}


def _image(url: str, current: bool) -> dict[str, Any]:
    media, data = "image/png", None
    if url.startswith("data:"):
        head, _, data = url.partition(";base64,")
        media = head.removeprefix("data:")
    if not current:
        return {"type": "binary", "mimeType": media, **({"url": url} if data is None else {"data": data})}
    source = {"type": "url", "value": url} if data is None else {"type": "data", "value": data}
    return {"type": "image", "source": source if data is None else {**source, "mimeType": media}}


def earlier_messages(request: AgentInput) -> list[dict[str, Any]]:
    """Return the messages of the conversation's earlier turns, oldest first."""
    found: list[dict[str, Any]] = []
    for number, turn in enumerate(request.history):
        kept = turn.memory.get("messages") if isinstance(turn.memory, dict) else None
        if isinstance(kept, list) and all(isinstance(each, dict) for each in kept):
            found += kept
            continue
        found.append({"id": f"turn{number}.user", "role": "user", "content": turn.message})
        found.append({"id": f"turn{number}.assistant", "role": "assistant", "content": turn.text})
    return found

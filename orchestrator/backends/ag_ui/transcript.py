"""The messages of a conversation as AG-UI has its clients keep them: built from events, sent with each run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...events.encoding import clean_text, encode_json
from ...sse_parser import MAX_EVENT_BYTES
from ..base import AgentInput
from .tool_content import text_of

MEMORY_BYTES = 256 * 1024
"""So much of a turn's messages is kept; of a longer one the question and the answer's text alone."""
MAX_ID_CHARS = 200


class Transcript:
    """The messages of one turn: the question, what the agent says, its calls and their results.

    Args:
        earlier: What is sent before them.
    """

    def __init__(self, question: dict[str, Any], earlier: Iterable[dict[str, Any]] = ()) -> None:
        self._messages: list[dict[str, Any]] = [question]
        self._earlier = {str(each.get("id")) for each in earlier}
        self._by_id: dict[str, dict[str, Any]] = {}
        self._said: dict[str, list[str]] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """As they are sent with the next run."""
        for message_id, pieces in self._said.items():
            message = self._by_id.get(message_id)
            if message is not None and len(message.get("content") or "") < sum(map(len, pieces)):
                message["content"] = clean_text("".join(pieces))
        return self._messages

    def say(self, message_id: str, text: str) -> None:
        """Add text to an assistant's message."""
        self._assistant(message_id)
        self._size += len(text)
        if self._size <= MAX_EVENT_BYTES:
            self._said.setdefault(message_id, []).append(text)

    def unsaid(self) -> list[tuple[str, str]]:
        """Return what the agent's own account of the conversation has and its events had not, as (message id, text).

        Servers send a message whole only there if its model did not stream it, and LangGraph's the end of one whose
        last piece came with the reason to finish. What begins otherwise than it was said is another wording of it.
        """
        whole = clean_text("".join("".join(pieces) for pieces in self._said.values()))
        found = []
        for message in self._messages:
            content, message_id = message.get("content"), str(message.get("id"))
            content = text_of(content) if isinstance(content, list) else content
            if message.get("role") != "assistant" or not isinstance(content, str):
                continue
            said = clean_text("".join(self._said.get(message_id, ())))
            rest = content[len(said) :] if content.startswith(said) else ""
            if rest and (said or rest not in whole):
                found.append((message_id, rest))
        return found

    def call(self, message_id: str, call_id: str, name: str, arguments: str) -> None:
        """Add a call to an assistant's message."""
        arguments = self._kept(arguments, "{}")
        function = {"name": name, "arguments": arguments}
        message = self._assistant(message_id)
        if not isinstance(message.get("toolCalls"), list):  # an agent's own account may have null
            message["toolCalls"] = []
        message["toolCalls"].append({"id": call_id, "type": "function", "function": function})

    def result(self, message_id: str, call_id: str, content: str) -> None:
        """Add a call's result."""
        content = self._kept(content, f"[{len(content):,} characters that are not kept]")
        self._messages.append({"id": message_id, "role": "tool", "toolCallId": call_id, "content": content})

    def _kept(self, text: str, else_: str) -> str:
        """Return *text* while a turn's messages are not larger than an event may be, and *else_* beyond that."""
        self._size += len(text)
        return text if self._size <= MAX_EVENT_BYTES else else_

    def replace(self, whole: list[dict[str, Any]]) -> None:
        """Take over what the agent says that the conversation is, from this turn's question on."""
        at = self._start_in(whole)
        if at is not None:
            self._messages = whole[at:]
            self._by_id = {
                str(each.get("id")): each for each in self._messages if each.get("role") == "assistant"
            }

    def _start_in(self, whole: list[dict[str, Any]]) -> int | None:
        """Return where this turn begins in the agent's own account, which may have ids of its own for all."""
        question, asked = self._messages[0], [n for n, each in enumerate(whole) if each.get("role") == "user"]
        for key in ("id", "content"):
            for at in reversed(asked):
                if whole[at].get(key) == question[key]:
                    return at
        new = [n for n, each in enumerate(whole) if str(each.get("id")) not in self._earlier]
        return None if asked or not new else new[0]

    def memory(self, thread: str, state: Any) -> dict[str, Any]:
        """Return what the next turn needs."""
        kept = {"thread": thread, **({"state": state} if state else {}), "messages": self.messages}
        try:
            fits = len(encode_json(kept)) <= MEMORY_BYTES
        except (TypeError, ValueError, RecursionError):
            fits = False
        return kept if fits else {"thread": thread}

    def _assistant(self, message_id: str) -> dict[str, Any]:
        message = self._by_id.get(message_id)
        if message is None:
            message = {"id": message_id, "role": "assistant"}
            self._by_id[message_id] = message
            self._messages.append(message)
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


def earlier_state(request: AgentInput) -> Any:
    """Return the state that the conversation's last turn left, which a client keeps for the agent."""
    memory = request.history[-1].memory if request.history else None
    return memory.get("state", {}) if isinstance(memory, dict) else {}


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

"""What Pydantic AI gets of earlier turns, and what it is asked: its messages ↔ ours."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from typing import Any

from ..base import AgentInput, Turn


class Messages:
    """Makes the framework's messages.

    Args:
        library: The module `pydantic_ai.messages`.
    """

    def __init__(self, library: Any) -> None:
        self._library = library

    def earlier(self, turns: tuple[Turn, ...]) -> list[Any]:
        """Return the messages of earlier turns, oldest first."""
        return [message for turn in turns for message in self._of_turn(turn)]

    def prompt(self, request: AgentInput) -> Any:
        """Return the question, with its images."""
        if not request.images:
            return request.message
        return [request.message, *map(self._image, request.images)]

    def memory(self, messages: list[Any]) -> Any:
        """Return a turn's messages as JSON has them."""
        return self._library.ModelMessagesTypeAdapter.dump_python(messages, mode="json")

    def _of_turn(self, turn: Turn) -> list[Any]:
        library = self._library
        if isinstance(turn.memory, list):
            # Another release of the library may have written it: then the turn's texts have to do.
            with suppress(ValueError):
                found: list[Any] = library.ModelMessagesTypeAdapter.validate_python(turn.memory)
                return found
        asked = library.ModelRequest(parts=[library.UserPromptPart(turn.message)])
        return [asked, library.ModelResponse(parts=[library.TextPart(turn.text)])]

    def _image(self, url: str) -> Any:
        head, mark, data = url.partition(";base64,")
        if url.startswith("data:") and mark:
            try:
                content = base64.b64decode(data, validate=True)
            except binascii.Error:
                content = b""
            return self._library.BinaryContent(content, media_type=head.removeprefix("data:"))
        return self._library.ImageUrl(url)

"""One tool call of a chat answer, as far as it has come. Owns no I/O."""

from __future__ import annotations

import uuid
from typing import Any

from .....errors import AgentError
from .....events.encoding import clean_text


class PartialCall:
    """A call whose pieces arrive one after another."""

    __slots__ = ("announced", "arguments", "call_id", "extra_content", "name", "output_index")

    def __init__(self, output_index: int) -> None:
        self.output_index = output_index
        self.call_id = ""
        self.name = ""
        self.arguments = ""
        self.announced = False
        self.extra_content: dict[str, Any] | None = None

    def whole(self) -> dict[str, Any]:
        """Return the call as a message that did not stream has it.

        Raises:
            AgentError: `upstream_invalid`: it has no name.
        """
        if not self.name:
            raise AgentError("upstream_invalid", "The model called a tool without a name.")
        made: dict[str, Any] = {
            "id": self.call_id or f"call_{uuid.uuid4().hex}",
            "type": "function",
            "function": {"name": self.name, "arguments": clean_text(self.arguments)},
        }
        if self.extra_content:
            made["extra_content"] = self.extra_content
        return made

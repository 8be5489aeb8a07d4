"""What the events of a run of Pydantic AI mean. Does no I/O and imports no library: events are known by their kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...events.agent import Reasoning, ToolCall, ToolResult, Usage
from ..base import Emission
from ..json_values import plain
from ..media import Attachments
from ..token_counts import token_count


class AgentRunReading:
    """Reads the events of a run, over as many requests as it takes.

    Attributes:
        result: The run's result, once it is there.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.result: Any = None
        self._calls: set[str] = set()
        self._attached = Attachments()

    @property
    def said(self) -> str:
        """The text that came."""
        return "".join(self._pieces)

    def feed(self, event: Any) -> Iterator[Emission]:
        """Yield what one event says."""
        kind = getattr(event, "event_kind", "")
        if kind == "part_start":
            yield from self._part(event.part)
        elif kind == "part_delta":
            yield from self._delta(event.delta)
        elif kind == "function_tool_call":
            yield from self._called(event.part)
        elif kind == "function_tool_result":
            yield from self._returned(event.part)
            beside = event.content
            for each in beside if isinstance(beside, list | tuple) else ():
                yield from self._file(each)
        elif kind == "agent_run_result":
            self.result = event.result

    def _part(self, part: Any) -> Iterator[Emission]:
        kind = part.part_kind
        if kind in ("text", "thinking"):
            yield from self._text(part.content, is_thought=kind == "thinking")
        elif kind == "builtin-tool-call":
            yield from self._called(part)
        elif kind == "builtin-tool-return":
            yield from self._returned(part)
        elif kind == "file":
            yield from self._file(part.content)

    def _file(self, content: Any) -> Iterator[Emission]:
        """Yield an image or a document, by its bytes or where it is; nothing for whatever else a tool may return."""
        url = getattr(content, "data_uri", None) or getattr(content, "url", None)
        if isinstance(url, str):
            number = self._attached.files + 1
            yield from self._attached.file(f"file.{number}", f"file{number}", content.media_type, url)

    def _delta(self, delta: Any) -> Iterator[Emission]:
        kind = delta.part_delta_kind
        if kind in ("text", "thinking"):
            yield from self._text(delta.content_delta, is_thought=kind == "thinking")

    def _text(self, text: str | None, *, is_thought: bool) -> Iterator[Emission]:
        if not text:
            return
        if is_thought:
            yield Reasoning(text)
        else:
            self._pieces.append(text)
            yield text

    def _called(self, part: Any) -> Iterator[Emission]:
        if part.tool_call_id in self._calls:  # said before it was approved
            return
        self._calls.add(part.tool_call_id)
        yield ToolCall(part.tool_call_id, part.tool_name, part.args_as_json_str())

    def _returned(self, part: Any) -> Iterator[Emission]:
        if part.tool_call_id not in self._calls:
            self._calls.add(part.tool_call_id)
            yield ToolCall(part.tool_call_id, part.tool_name or "tool", "{}")
        is_retry = part.part_kind == "retry-prompt"
        files = [] if is_retry else part.files
        # The bytes of images and documents are no words.
        output = (
            part.model_response()
            if is_retry
            else part.model_response_str()
            if files
            else _words(part.content)
        )
        failed = is_retry or getattr(part, "outcome", "success") != "success"
        yield ToolResult(part.tool_call_id, output, is_error=failed)
        for each in files:
            yield from self._file(each)


def usage_of(used: Any) -> Usage | None:
    """Return what a run used; None if no provider said it."""
    read, written = token_count(used.input_tokens), token_count(used.output_tokens)
    if not (read or written):
        return None
    thought = token_count((used.details or {}).get("reasoning_tokens"))
    return Usage(read or 0, written or 0, token_count(used.cache_read_tokens) or None, thought)


def _words(content: Any) -> str:
    words = plain(content)
    return words if isinstance(words, str) else json.dumps(words, ensure_ascii=False)

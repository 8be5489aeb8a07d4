"""What a graph's stream means: a fold over the chunks of one attempt. Does no I/O and imports no library.

What it says if it said nothing on its way is `final_state`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from ...events.agent import Handoff, Reasoning, Status, Token, ToolCall, ToolResult, Usage
from ...events.base import Payload
from ...events.content import CONTENT
from ..base import Correction, Emission
from ..interleaved_messages import InterleavedMessages
from ..json_values import as_json, plain
from ..media import DataReports
from ..token_counts import token_count
from ..upstream.finish_reasons import end_of
from .content import PartsReading, texts_of, words_of
from .final_state import FinalState, ending_of
from .runs import GraphRuns
from .said import SaidByMessage
from .thread import Recalled

PASSED: tuple[type[Payload], ...] = (Token, Reasoning, Status, ToolCall, ToolResult, Handoff, *CONTENT)
"""What a graph may write into its custom stream as it is."""
MAX_DETAIL_CHARS = 2000
TOOLS = "tools"
"""The node that runs the tools of LangGraph's own agents. What a model says in one is the tool's, not the answer."""
_SPEAKING = ("ai", "AIMessageChunk")
_ASSISTANTS = ("assistant", "ai", "model")
"""Roles of messages that are of no kind of their own, as `ChatMessage`s are."""
_REASONS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
"""Where the integrations of OpenAI and Gemini, Anthropic, Bedrock and Ollama keep why an answer ended."""


class GraphReading:
    """Reads the chunks that a graph streams.

    Args:
        speakers: Whether a node's name is the speaker.
        runs: What LangChain tells of the graph's runs.

    Attributes:
        interrupts: What the graph waits for, as `(id, value)`.
        is_paused: Whether it stopped at a breakpoint of its own, before or after a node.
        output: The structured answer, if there is one.
    """

    def __init__(self, runs: GraphRuns, *, speakers: bool) -> None:
        self._runs = runs
        self._said = SaidByMessage()
        self.interrupts: list[tuple[str, Any]] = []
        self.is_paused = False
        self.output: Any = UNSET
        self._ended: tuple[str, str] = ("", "stop")
        self._spoke: set[str] = set()
        self._speakers = speakers
        self._calls: dict[str, None] = {}
        self._results: set[str] = set()
        self._parts = PartsReading()
        self._reports = DataReports()
        self._in_turn = InterleavedMessages()
        self._ended_void: set[str] = set()
        self._has_said = False
        self._final: Any = None
        self._usage: dict[str, Usage] = {}
        self._partial: dict[str, Usage] = {}

    @property
    def usage(self) -> Usage | None:
        """What all models used together; None if none said it."""
        found: Usage | None = None
        for used in (self._partial | self._usage).values():
            found = used if found is None else found.plus(used)
        return found

    @property
    def _open_call(self) -> str | None:
        return next((call_id for call_id in self._calls if call_id not in self._results), None)

    @property
    def reason(self) -> str:
        """How the newest message of a model ended: `stop`, `length` or `content_filter`.

        Raises:
            AgentError: Its provider failed, or withheld all of it.
        """
        key, word = self._ended
        return end_of(word, is_empty=key not in self._spoke)

    def begin(self) -> None:
        """Forget what the graph waited for: it goes on."""
        self.interrupts.clear()
        self.is_paused = False

    def recall(self, left: Recalled) -> Iterator[Emission]:
        """Yield what a graph that another process has left had said in this turn; take in what it waits for."""
        if left.waits:
            self._interrupted(left.interrupts)
        self._final = left.final
        if left.output is not None:
            self.output = left.output
        for place, message in left.said:
            yield from self.feed("messages", (message, {"langgraph_checkpoint_ns": place}))
        yield from self.end()

    @property
    def restated(self) -> Correction | None:
        """The answer without words of a model that failed, or of a node that was run again; None if it has none."""
        void = self._runs.void
        return Correction(self._said.without(void)) if void and self._said.holds(void) else None

    def feed(self, mode: str, chunk: Any, *, is_inner: bool = False) -> Iterator[Emission]:
        """Yield what one chunk says; *is_inner*: of a graph within the graph."""
        if mode == "messages":
            message, about = chunk
            yield from self._message(message, about if isinstance(about, Mapping) else {})
            return
        for said in self._beside(mode, chunk, is_inner):
            self._said.add("", said)
            yield said

    def _beside(self, mode: str, chunk: Any, is_inner: bool) -> Iterator[Emission]:
        """Yield what a chunk says that is no message as it is being said."""
        if mode == "updates":
            yield from self._updates(chunk)
        elif mode == "values":
            self._final = self._final if is_inner else chunk
        elif isinstance(chunk, PASSED):
            self._has_said = self._has_said or isinstance(chunk, Token)
            yield chunk
        elif isinstance(chunk, str):
            yield Status("working", chunk[:MAX_DETAIL_CHARS])
        elif chunk is not None:
            yield from self._reports.report("custom", plain(chunk))

    def waiting(self) -> Iterator[Emission]:
        """Yield what waited for the end of another message, whose stream has broken off."""
        yield from self._in_turn.end_all()

    def end(self) -> Iterator[Emission]:
        """Yield what is left to be said once the graph's stream has ended."""
        yield from self.waiting()
        if self._has_said or self.interrupts or self.is_paused:
            return
        last = FinalState(output=self.output) if self.output is not UNSET else ending_of(self._final)
        self.output = last.output
        if text := last.words():
            self._has_said = True
            self._said.add("", text)
            yield text

    def _message(self, message: Any, about: Mapping[str, Any]) -> Iterator[Emission]:
        kind = getattr(message, "type", "")
        if kind == "tool":
            yield from self._kept("", self._result(message))
            return
        if kind not in _SPEAKING and getattr(message, "role", None) not in _ASSISTANTS:
            return  # what a node adds of the user's or the system's is nothing that it says
        whole, key = not kind.endswith("Chunk"), _key(message)
        for void in self._runs.void - self._ended_void:
            self._ended_void.add(void)
            yield from self._in_turn.end(void)  # nothing more comes of it
        yield from self._in_turn.take(key, self._kept(key, self._said_in(message, about)))
        if whole:
            yield from self._kept("", self._called(message))
        if whole or getattr(message, "chunk_position", None) == "last":
            yield from self._in_turn.end(key)

    def _kept(self, key: str, emissions: Iterable[Emission]) -> Iterator[Emission]:
        for each in emissions:
            self._said.add(key, each)
            yield each

    def _said_in(self, message: Any, about: Mapping[str, Any]) -> Iterator[Emission]:
        path = _path_of(about)
        speaker = path[0] if path and self._speakers else None
        parent = self._runs.call_of(_key(message)) or (self._open_call if TOOLS in path else None)
        self._note(message, whole=getattr(message, "type", "") == "ai")
        extra = getattr(message, "additional_kwargs", None)
        thought = extra.get("reasoning_content") if isinstance(extra, Mapping) else None
        if isinstance(thought, str) and thought:
            yield Reasoning(thought, speaker, parent)
        content = getattr(message, "content", "")
        for text, is_thought in texts_of(content):
            if not is_thought and parent is None:
                self._has_said = True
                self._spoke.add(_key(message))
            yield Reasoning(text, speaker, parent) if is_thought else Token(text, speaker, parent)
        yield from self._parts.feed(content, speaker)

    def _updates(self, chunk: Any) -> Iterator[Emission]:
        if not isinstance(chunk, Mapping):
            return
        for node, update in chunk.items():
            if node == "__interrupt__":
                self._interrupted(update)
                continue
            for one in update if isinstance(update, list | tuple) else (update,):
                if not isinstance(one, Mapping):
                    continue
                if one.get("structured_response") is not None:
                    self.output = plain(one["structured_response"])
                messages = one.get("messages")
                for message in messages if isinstance(messages, list | tuple) else (messages,):
                    if getattr(message, "type", "") == "ai":
                        self._note(message, whole=True)
                        yield from self._called(message)
                    elif getattr(message, "type", "") == "tool":
                        yield from self._result(message)

    def _interrupted(self, interrupts: Any) -> None:
        self.is_paused = self.is_paused or not interrupts
        for each in interrupts if isinstance(interrupts, Sequence) else ():
            found = (str(getattr(each, "id", "")), getattr(each, "value", None))
            # A subgraph's is reported by its parents, too.
            if found[0] not in [known for known, _ in self.interrupts]:
                self.interrupts.append(found)

    def _called(self, message: Any) -> Iterator[Emission]:
        for call in getattr(message, "tool_calls", None) or ():
            call_id = str(call.get("id") or f"call.{len(self._calls)}")
            if call_id not in self._calls:
                self._calls[call_id] = None
                yield ToolCall(call_id, str(call.get("name") or "tool"), as_json(call.get("args") or {}))

    def _result(self, message: Any) -> Iterator[Emission]:
        call_id = str(getattr(message, "tool_call_id", ""))
        if call_id in self._results or not call_id:
            return
        self._results.add(call_id)
        if call_id not in self._calls:
            self._calls[call_id] = None
            yield ToolCall(call_id, str(getattr(message, "name", None) or "tool"), "{}")
        content = getattr(message, "content", "")
        words = words_of(content)
        output = words if isinstance(words, str) else as_json(words)
        yield ToolResult(call_id, output, is_error=getattr(message, "status", "") == "error")
        yield from self._parts.feed(content, None)

    def _note(self, message: Any, *, whole: bool) -> None:
        """Take in what a message used and how it ended."""
        about = getattr(message, "response_metadata", None)
        if isinstance(about, Mapping):
            word = next((about[name] for name in _REASONS if about.get(name)), None)
            if isinstance(word, str):
                self._ended = (_key(message), word)
        used = getattr(message, "usage_metadata", None)
        if not isinstance(used, Mapping):
            return
        usage = Usage(
            token_count(used.get("input_tokens")) or 0,
            token_count(used.get("output_tokens")) or 0,
            _detail(used.get("input_token_details"), "cache_read"),
            _detail(used.get("output_token_details"), "reasoning"),
        )
        key = _key(message)
        if whole:
            self._usage[key] = usage
        else:
            self._partial[key] = usage if key not in self._partial else self._partial[key].plus(usage)


def _detail(details: Any, name: str) -> int | None:
    return token_count(details.get(name)) if isinstance(details, Mapping) else None


def _path_of(about: Mapping[str, Any]) -> list[str]:
    """Return the nodes in which a message was said, the graph's own first, those of graphs within it after it."""
    places = about.get("langgraph_checkpoint_ns")
    if isinstance(places, str) and places:
        return [place.partition(":")[0] for place in places.split("|")]
    node = about.get("langgraph_node")
    return [node] if isinstance(node, str) and node else []


def _key(message: Any) -> str:
    return str(getattr(message, "id", None) or id(message))

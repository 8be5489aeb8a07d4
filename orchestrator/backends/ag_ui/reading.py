"""What an AG-UI agent's events mean: a fold over one run. Does no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import Any

from ...errors import ERROR_CODES, AgentError
from ...events.agent import Reasoning, Status, Token, ToolCall, ToolResult, Usage
from ..base import Emission
from ..interleaved_messages import InterleavedMessages
from ..native_events import NativeEndings, content_of, failure_of, handoff_of, speaker_in
from ..token_counts import token_count
from ..upstream.errors import verdict_in
from .frameworks import CONFIRMATION, NOT_SAID, counted_so_far, first_arguments
from .interrupts import MAX_ARGUMENT_CHARS, RunInterrupt, draft_interrupt, interrupt_of, older_interrupt
from .shared_state import SharedState
from .tool_content import files_in, text_of
from .transcript import MAX_ID_CHARS, Transcript

WHO = "The AG-UI agent"
MAX_DETAIL_CHARS = 2000
MAX_NAMES = 10_000
"""Messages, calls and subagents of one run. The cap is a denial-of-service guard."""
MAX_ASKED_CHARS = 16 * MAX_ARGUMENT_CHARS
"""Of all calls and questions of one run together, likewise."""


@dataclass(slots=True)
class _Call:
    name: str
    message_id: str
    arguments: str = ""
    first: str = ""
    """What a framework said of the arguments beside its event alone."""
    is_reported: bool = False


class RunReading:
    """Reads the events of one run.

    Attributes:
        ended: Whether it finished; then `interrupts` is what it waits for, if it does.
        usage: As far as the agent said it. endings: Of agents of this very service.

    Args:
        state: As it was before. before: The run of the same turn that this one goes on with.
    """

    def __init__(self, transcript: Transcript, state: Any = None, before: RunReading | None = None) -> None:
        self.ended = False
        self.interrupts: list[RunInterrupt] = []
        self.usage: Usage | None = None
        self.endings = NativeEndings()
        self._is_own = self._is_alone = False
        self._transcript = transcript
        self._speakers: dict[str, str | None] = {}
        self._subagents: dict[str, str] = {}
        self._thinkers: dict[str, str] = {}
        """Who thinks in a message of reasoning, if an agent of this very service says so."""
        self._calls: dict[str, _Call] = {} if before is None else before._calls
        self._chunked: str | None = None
        self._message = ""
        self._begun: set[str] = set()
        self._in_turn = InterleavedMessages()
        self._spoke = False
        self._documents = SharedState(state)
        self._counted: Usage | None = None
        self._older: list[RunInterrupt] = []
        self._asked_chars = 0

    @property
    def state(self) -> Any:
        """The agent's state as it stands, without the conversation."""
        return self._documents.state

    def feed(self, event: dict[str, Any]) -> list[Emission]:
        """Return what one event has the agent say.

        Raises:
            AgentError: The run failed, or an event cannot be read.
        """
        kind = event.get("type")
        if not isinstance(kind, str):
            raise AgentError("upstream_invalid", f"{WHO} sent an event without a type.")
        begun: tuple[Sized, ...] = (
            self._speakers,
            self._subagents,
            self._calls,
            self._thinkers,
            self._transcript,
        )
        if max(map(len, begun)) > MAX_NAMES or self._asked_chars > MAX_ASKED_CHARS:
            raise AgentError("upstream_invalid", f"{WHO} begins more than can be followed.")
        closed = self._close_chunk() if kind != "TOOL_CALL_CHUNK" else []
        read = _READERS.get(kind)
        return closed if read is None else [*closed, *read(self, event)]

    def waiting(self) -> Iterator[Emission]:
        """Yield what waited for the end of another message, of a run that has broken off."""
        yield from self._in_turn.end_all()

    # ── text ─────────────────────────────────────────────────────────────────────────────────

    def _text_start(self, event: dict[str, Any]) -> list[Emission]:
        self._begun.add(_id(event, "messageId"))
        return self._text_of_new(event)

    def _text_of_new(self, event: dict[str, Any]) -> list[Emission]:
        self._message = message = _id(event, "messageId")
        # Only what the agent says is an answer; some servers repeat the question.
        speaker = self._speaker(event)
        self._speakers[message] = speaker if event.get("role", "assistant") == "assistant" else ""
        return []

    def _text(self, event: dict[str, Any]) -> list[Emission]:
        message = _id(event, "messageId") or self._message
        if message not in self._speakers:
            self._text_of_new({**event, "messageId": message})
        delta, speaker = event.get("delta"), self._speakers[message]
        if not isinstance(delta, str) or not delta or speaker == "":
            return []
        self._spoke = True
        self._transcript.say(message, delta)
        return [*self._in_turn.take(message, [Token(delta, speaker=speaker)])]

    def _text_chunk(self, event: dict[str, Any]) -> list[Emission]:
        """Return what a piece says that is begun and ended by no event of its own."""
        said = self._text(event)
        return said if self._message in self._begun else [*said, *self._in_turn.end(self._message)]

    def _text_end(self, event: dict[str, Any]) -> list[Emission]:
        return [*self._in_turn.end(_id(event, "messageId") or self._message)]

    def _reasoning(self, event: dict[str, Any]) -> list[Emission]:
        delta = event.get("delta")
        if not isinstance(delta, str) or not delta:
            return []
        message = _id(event, "messageId")
        known = self._thinkers.get(message) if message else None
        return [Reasoning(delta, speaker=known or self._speaker(event))]

    def _reasoning_start(self, event: dict[str, Any]) -> list[Emission]:
        if self._is_own and (speaker := speaker_in(event.get("metadata"))) is not None:
            self._thinkers[_id(event, "messageId")] = speaker
        return []

    def _reasoning_end(self, event: dict[str, Any]) -> list[Emission]:
        self._thinkers.pop(_id(event, "messageId"), None)
        return []

    # ── tools ────────────────────────────────────────────────────────────────────────────────

    def _call_start(self, event: dict[str, Any]) -> list[Emission]:
        call_id, name = _id(event, "toolCallId"), event.get("toolCallName")
        parent = _id(event, "parentMessageId") or f"{call_id}.message"
        first = first_arguments(event, call_id)[:MAX_ARGUMENT_CHARS]
        self._calls[call_id] = _Call(str(name or "tool")[:MAX_ID_CHARS], parent, first, first)
        return []

    def _call_args(self, event: dict[str, Any]) -> list[Emission]:
        call, delta = self._calls.get(_id(event, "toolCallId")), event.get("delta")
        if call is not None and isinstance(delta, str):
            first, call.first = call.first, ""
            if first and delta == first:
                return []  # in an event of its own after all
            self._asked_chars += len(delta)
            if len(call.arguments) + len(delta) > MAX_ARGUMENT_CHARS:
                raise AgentError("upstream_invalid", f"{WHO} calls a tool with too much.")
            call.arguments += delta
        return []

    def _call_end(self, event: dict[str, Any]) -> list[Emission]:
        return self._tell(_id(event, "toolCallId"))

    def _call_chunk(self, event: dict[str, Any]) -> list[Emission]:
        call_id = _id(event, "toolCallId") or self._chunked or ""
        closed = self._close_chunk() if call_id != self._chunked else []
        if call_id not in self._calls:
            self._call_start({**event, "toolCallId": call_id})
        self._chunked = call_id
        return [*closed, *self._call_args({**event, "toolCallId": call_id})]

    def _close_chunk(self) -> list[Emission]:
        call_id, self._chunked = self._chunked, None
        return [] if call_id is None else self._tell(call_id)

    def _tell(self, call_id: str) -> list[Emission]:
        call = self._calls.get(call_id)
        if call is None or call.is_reported:
            return []
        call.is_reported = True
        arguments = call.arguments or "{}"
        self._transcript.call(call.message_id, call_id, call.name, arguments)
        if call.name == CONFIRMATION and '"function_call_id"' in arguments:
            return []
        return [ToolCall(call_id, call.name, arguments)]

    def _call_result(self, event: dict[str, Any]) -> list[Emission]:
        call_id = _id(event, "toolCallId")
        if call_id not in self._calls:
            self._calls[call_id] = _Call("tool", f"{call_id}.message")
        content, about = event.get("content"), event.get("metadata")
        output = text_of(content)
        called = self._tell(call_id)
        self._transcript.result(_id(event, "messageId") or f"{call_id}.result", call_id, output)
        is_error = isinstance(about, dict) and about.get("is_error") is True
        return [*called, ToolResult(call_id, output, is_error), *files_in(content, call_id)]

    # ── the rest ─────────────────────────────────────────────────────────────────────────────

    def _started(self, event: dict[str, Any]) -> list[Emission]:
        about = event.get("metadata")
        # An instance of this service says so; its agents' words have forms of their own.
        self._is_own = isinstance(about, dict) and {"run_id", "agents"} <= about.keys()
        agents = about.get("agents") if isinstance(about, dict) else None
        self._is_alone = self._is_own and isinstance(agents, list) and len(agents) == 1
        return []

    def _subagent_ended(self, event: dict[str, Any]) -> list[Emission]:
        if self._is_own:
            self.endings.note(event.get("result"))
        return []

    def _subagent_started(self, event: dict[str, Any]) -> list[Emission]:
        name = str(event.get("name") or "subagent")[:MAX_ID_CHARS]
        self._subagents[_id(event, "subagentRunId")] = name
        return [Status("subagent", f"{name} begins")]

    def _subagent_failed(self, event: dict[str, Any]) -> list[Emission]:
        return [Status("subagent", f"{self._owner(event) or 'subagent'} has failed")]

    def _step(self, event: dict[str, Any]) -> list[Emission]:
        return [Status("step", str(event.get("stepName", ""))[:MAX_DETAIL_CHARS])]

    def _note_state(self, event: dict[str, Any]) -> list[Emission]:
        self._documents.set_state(event.get("snapshot"))
        return []

    def _patch_state(self, event: dict[str, Any]) -> list[Emission]:
        self._documents.patch_state(event.get("delta"))
        return []

    def _messages(self, event: dict[str, Any]) -> list[Emission]:
        whole = event.get("messages")
        if isinstance(whole, list):
            self._transcript.replace([each for each in whole if isinstance(each, dict)])
        return []

    def _activity(self, event: dict[str, Any]) -> list[Emission]:
        return self._documents.set_activity(
            _id(event, "messageId"), event.get("activityType"), event.get("content")
        )

    def _patch_activity(self, event: dict[str, Any]) -> list[Emission]:
        return self._documents.patch_activity(_id(event, "messageId"), event.get("patch"))

    def _custom(self, event: dict[str, Any]) -> list[Emission]:
        name, value = event.get("name"), event.get("value")
        if name == "agent_retry" and self._spoke:  # of this very service: what was said is void
            code: Any = value.get("code") if isinstance(value, dict) else None
            raise AgentError(
                code if code in ERROR_CODES else "upstream_unavailable",
                f"{WHO} begins again.",
                retryable=True,
            )
        if self._is_own and isinstance(value, dict):
            return self._own(name, value)
        if name == "on_interrupt":
            self._older.append(older_interrupt(event, len(self._older)))
            self._asked_chars += len(self._older[-1].arguments) + MAX_ID_CHARS
        if (counted := counted_so_far(event)) is not None:
            self._counted = counted
        elif name not in NOT_SAID:
            return self._documents.report(str(name), value, None)
        return []

    def _own(self, name: object, value: dict[str, Any]) -> list[Emission]:
        """Return what an agent of this very service says in a form of its own."""
        if (handed := handoff_of(name, value)) is not None:
            return [handed]
        if name == "agent_done":
            self.endings.note(value)
        if name == "agent_error":
            return [Status("step", f"{value.get('agent_id')} has failed"[:MAX_DETAIL_CHARS])]
        said = content_of(name, value)
        return [] if said is None else [said]

    def _finished(self, event: dict[str, Any]) -> list[Emission]:
        self.ended = True
        self._note_usage(event.get("usage"))
        self.usage = self._counted if self.usage is None else self.usage
        outcome = event.get("outcome")
        kind = outcome.get("type") if isinstance(outcome, dict) else None
        if kind == "cancelled":
            raise AgentError("upstream_rejected", f"{WHO} says that its run was cancelled.")
        found: list[Emission] = [*self._in_turn.end_all()]
        for call_id in list(self._calls):
            found += self._tell(call_id)
        for message_id, text in self._transcript.unsaid():
            self._transcript.say(message_id, text)
            found.append(text)
        if outcome == "interrupt" and isinstance(event.get("interrupt"), dict):
            self.interrupts = [draft_interrupt(event["interrupt"])]
            return found
        if "interrupt" in (kind, outcome):
            waiting = outcome.get("interrupts") if isinstance(outcome, dict) else None
            calls = {call_id: (each.name, each.arguments or "{}") for call_id, each in self._calls.items()}
            asked = [each for each in waiting if isinstance(each, dict)] if isinstance(waiting, list) else []
            if not asked:
                raise AgentError(
                    "upstream_invalid", f"{WHO} waits, but does not say for what.", retryable=False
                )
            self.interrupts = [interrupt_of(each, calls, number) for number, each in enumerate(asked)]
            return found
        if self._older and outcome is None:
            self.interrupts = self._older
            return found
        found += self._documents.report_state()
        if event.get("result") is not None and not self._is_own:
            found += self._documents.report("result", event["result"], None, kept=0)
        return found

    def _failed(self, event: dict[str, Any]) -> list[Emission]:
        code = event.get("code")
        if self._is_own and (failure := failure_of(event)) is not None:
            raise failure
        if code in ERROR_CODES:
            raise AgentError(code, f"{WHO} failed.")
        verdict = verdict_in({"code": code}) if isinstance(code, str) else None
        if verdict is None:
            raise AgentError("upstream_rejected", f"{WHO} failed.")
        raise AgentError(verdict[0], verdict[1].format(who=WHO))

    def _note_usage(self, usages: Any) -> None:
        for each in usages if isinstance(usages, list) else ():
            if not isinstance(each, dict):
                continue
            names = ("inputTokens", "outputTokens", "cachedInputTokens", "reasoningTokens")
            read, written, cached, thought = (token_count(each.get(name)) for name in names)
            usage = Usage(read or 0, written or 0, cached, thought)
            self.usage = usage if self.usage is None else self.usage.plus(usage)

    def _speaker(self, event: dict[str, Any]) -> str | None:
        """Return who speaks in a message; of an agent of this very service it is as the agent said."""
        if self._is_own and (speaker := speaker_in(event.get("metadata"))) is not None:
            return speaker
        named = event.get("name")
        owner = self._owner(event) or (named[:MAX_ID_CHARS] if isinstance(named, str) and named else None)
        return None if self._is_alone else owner

    def _owner(self, event: dict[str, Any]) -> str | None:
        return self._subagents.get(_id(event, "subagentRunId"))


_READERS: dict[str, Callable[[RunReading, dict[str, Any]], list[Emission]]] = {
    "RUN_STARTED": RunReading._started,
    "TEXT_MESSAGE_START": RunReading._text_start,
    "TEXT_MESSAGE_CONTENT": RunReading._text,
    "TEXT_MESSAGE_END": RunReading._text_end,
    "TEXT_MESSAGE_CHUNK": RunReading._text_chunk,
    "REASONING_MESSAGE_START": RunReading._reasoning_start,
    "REASONING_MESSAGE_CONTENT": RunReading._reasoning,
    "REASONING_MESSAGE_END": RunReading._reasoning_end,
    "REASONING_MESSAGE_CHUNK": RunReading._reasoning,
    "THINKING_TEXT_MESSAGE_CONTENT": RunReading._reasoning,
    "TOOL_CALL_START": RunReading._call_start,
    "TOOL_CALL_ARGS": RunReading._call_args,
    "TOOL_CALL_END": RunReading._call_end,
    "TOOL_CALL_CHUNK": RunReading._call_chunk,
    "TOOL_CALL_RESULT": RunReading._call_result,
    "SUBAGENT_STARTED": RunReading._subagent_started,
    "SUBAGENT_FINISHED": RunReading._subagent_ended,
    "SUBAGENT_ERROR": RunReading._subagent_failed,
    "STEP_STARTED": RunReading._step,
    "STATE_SNAPSHOT": RunReading._note_state,
    "STATE_DELTA": RunReading._patch_state,
    "MESSAGES_SNAPSHOT": RunReading._messages,
    "ACTIVITY_SNAPSHOT": RunReading._activity,
    "ACTIVITY_DELTA": RunReading._patch_activity,
    "CUSTOM": RunReading._custom,
    "RUN_FINISHED": RunReading._finished,
    "RUN_ERROR": RunReading._failed,
}


def _id(event: dict[str, Any], key: str) -> str:
    value = event.get(key)
    return value[:MAX_ID_CHARS] if isinstance(value, str) else ""

"""What an A2A agent's updates mean: a fold over one task. Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Sized
from typing import Any

import msgspec
from msgspec import UNSET

from ...errors import ERROR_CODES, AgentError
from ...events.agent import Reasoning, Status, Token, ToolCall, ToolResult, Usage
from ...events.content import OUTPUT_BYTES, Data, File, Source
from ..base import Emission
from ..interleaved_messages import InterleavedMessages
from ..media import Attachments, DataReports
from ..native_events import NativeEndings, content_of, failure_of, handoff_of, speaker_in
from ..token_counts import token_count
from .artifacts import MAX_NAMES, Artifact, after
from .card import WHO
from .input_required import MAX_DETAIL_CHARS, MAX_ID_CHARS, TaskQuestion, json_of, objects_in, question_of

ENDED = frozenset({"TASK_STATE_COMPLETED", "TASK_STATE_FAILED", "TASK_STATE_CANCELED", "TASK_STATE_REJECTED"})
COMPLETED, INPUT_REQUIRED, AUTH_REQUIRED = (
    "TASK_STATE_COMPLETED",
    "TASK_STATE_INPUT_REQUIRED",
    "TASK_STATE_AUTH_REQUIRED",
)
_FAILURES: dict[str, str] = {
    "TASK_STATE_FAILED": "failed at its task",
    "TASK_STATE_REJECTED": "does not take the task",
    "TASK_STATE_CANCELED": "says that its task was cancelled",
}


class TaskReading:
    """Reads the updates of one task, over as many streams as it takes.

    Attributes:
        task_id, context_id: As the agent names them; None before it has.
        state: The newest; `done` once the answer is whole, by a task or by a bare message.
        question: What is waited for in `INPUT_REQUIRED`.
        usage: As far as the agent said it. endings: Of agents of this very service.
        output: The answer, if it is data and no text.
    """

    def __init__(self) -> None:
        self.task_id: str | None = None
        self.context_id: str | None = None
        self.state = ""
        self.done = False
        self.question: TaskQuestion | None = None
        self.usage: Usage | None = None
        self.endings = NativeEndings()
        self._artifacts: dict[str, Artifact] = {}
        self._calls: set[str] = set()
        self._working_words: set[int] = set()
        """Marks of the messages that came with a state of work, see `_marks`."""
        self._in_turn = InterleavedMessages()
        self._reports = DataReports()
        self._attached = Attachments()
        self.output: Any = UNSET
        self._value: Any = UNSET
        self._failure: AgentError | None = None
        self._is_one_of_many = False
        """Whether several agents of this very service answer, so that each is a speaker."""

    @property
    def asks(self) -> bool:
        """Whether the task waits for an answer."""
        return self.state == INPUT_REQUIRED

    def feed(self, update: dict[str, Any]) -> Iterator[Emission]:
        """Yield what one *update* has the agent say.

        Raises:
            AgentError: It failed, or sent what cannot be read; what it had said comes first.
        """
        for kind, read in (
            ("task", self._task),
            ("artifactUpdate", self._artifact_update),
            ("statusUpdate", self._status_update),
            ("message", self._bare_message),
        ):
            value = update.get(kind)
            if isinstance(value, dict):
                yield from read(value)
                return
        if isinstance(update.get("status"), dict) and isinstance(update.get("id"), str):
            yield from self._task(update)  # GetTask and CancelTask answer with the task itself

    # ── what may come ────────────────────────────────────────────────────────────────────────

    def _task(self, task: dict[str, Any]) -> Iterator[Emission]:
        self._note_ids(task.get("id"), task.get("contextId"))
        about = task.get("metadata")
        self._is_one_of_many |= isinstance(about, dict) and about.get("agent_count", 1) != 1
        for artifact in objects_in(task.get("artifacts")):
            yield from self._artifact(artifact, append=False)
        yield from self._status(
            task.get("status"), task.get("metadata"), self._last_words(task.get("history"))
        )

    def _artifact_update(self, update: dict[str, Any]) -> Iterator[Emission]:
        self._note_ids(update.get("taskId"), update.get("contextId"))
        artifact = update.get("artifact")
        if isinstance(artifact, dict):
            append = update.get("append") is True
            name = str(artifact.get("artifactId", ""))
            for said in self._artifact(artifact, append=append):
                if isinstance(said, str | Token | Reasoning):
                    yield from self._in_turn.take(name, (said,))
                else:
                    yield said
            # One that comes at once need not say that nothing follows.
            if update.get("lastChunk", not append):
                yield from self._in_turn.end(name)

    def _status_update(self, update: dict[str, Any]) -> Iterator[Emission]:
        self._note_ids(update.get("taskId"), update.get("contextId"))
        yield from self._status(update.get("status"), update.get("metadata"))

    def _bare_message(self, message: dict[str, Any]) -> Iterator[Emission]:
        self._note_ids(message.get("taskId"), message.get("contextId"))
        yield from self._complete(objects_in(message.get("parts")))

    def _speaker_of(self, about: Any) -> str | None:
        """Return which agent of several speaks, by what is said of an artifact or a thought."""
        named = about.get("agent_id") if self._is_one_of_many and isinstance(about, dict) else None
        return named[:MAX_ID_CHARS] if isinstance(named, str) and named else None

    def _last_words(self, history: Any) -> list[dict[str, Any]]:
        """Return the parts of the agent's last message since the question: some servers answer nowhere else.

        What it said while it worked is none, though servers move that into the history, too: as far as this reading
        saw it, so words that were said before the first update it was fed (or past `MAX_NAMES`) may pass for the last.
        """
        for message in reversed(objects_in(history)):
            parts = objects_in(message.get("parts"))
            if message.get("role") != "ROLE_AGENT":
                return []
            if not _like(message) & self._working_words:
                return parts
        return []

    # ── artifacts ────────────────────────────────────────────────────────────────────────────

    def _artifact(self, artifact: dict[str, Any], *, append: bool) -> Iterator[Emission]:
        name = str(artifact.get("artifactId", ""))[:MAX_ID_CHARS]
        parts = objects_in(artifact.get("parts"))
        known = self._artifacts.setdefault(name, Artifact())
        self._check_names(self._artifacts)
        speaker = self._speaker_of(artifact.get("metadata"))
        if append:
            yield from self._parts(parts, known, name, speaker=speaker)
            return
        if (own := _own_artifact(artifact, parts)) is not None:
            yield own
            return
        known.parts = 0
        whole = Artifact()
        rest = list(self._parts(parts, whole, name, known.files, artifact.get("name"), speaker))
        if not (known.text.begins(whole.text) and known.thought.begins(whole.thought)):
            raise AgentError("upstream_invalid", f"{WHO} took back what it had said.")
        texts = [each for each in rest if isinstance(each, str | Token)]
        thoughts = [each for each in rest if isinstance(each, Reasoning)]
        yield from (*after(len(known.text), texts), *after(len(known.thought), thoughts))
        known.text, known.thought, known.parts = whole.text, whole.thought, whole.parts
        yield from (each for each in rest if not isinstance(each, str | Token | Reasoning))

    def _parts(
        self,
        parts: list[dict[str, Any]],
        into: Artifact,
        name: str,
        files: set[str] | None = None,
        title: object = None,
        speaker: str | None = None,
    ) -> Iterator[Emission]:
        """Yield what parts say; *files* were given already, and *title* is what *speaker* calls them."""
        given = into.files if files is None else files
        for part in parts:
            about = part.get("metadata")
            about = about if isinstance(about, dict) else {}
            part_id = f"{name}.{into.parts}"
            into.parts += 1
            text = part.get("text")
            if isinstance(text, str):
                if not text:
                    continue
                if about.get("adk_thought") is True:
                    into.thought.add(text)
                    yield Reasoning(text)
                else:
                    into.text.add(text)
                    said_by = speaker_in(about) or speaker
                    yield text if said_by is None else Token(text, speaker=said_by)
            elif "data" in part:
                called = title if isinstance(title, str) and title else name
                yield from self._data(part["data"], about, called, part_id)
            elif part_id not in given and (found := _file(part, part_id)) is not None:
                given.add(part_id)
                yield from self._attached.add(found)

    def _data(self, value: Any, about: dict[str, Any], name: str, part_id: str) -> Iterator[Emission]:
        kind = about.get("adk_type")
        call = value if isinstance(value, dict) else {}
        if kind == "function_call":
            yield from self._tool_call(call.get("id"), call.get("name"), call.get("args"))
        elif kind == "function_response":
            yield from self._tool_result(call.get("id"), call.get("name"), call.get("response"))
        else:
            for said in self._reports.report(_name(name), value, part_id):
                self._value = said.value
                yield said

    def _tool_call(self, call_id: Any, name: Any, arguments: Any) -> Iterator[Emission]:
        call = str(call_id or f"call.{len(self._calls)}")[:MAX_ID_CHARS]
        if call not in self._calls:
            self._calls.add(call)
            self._check_names(self._calls)
            yield ToolCall(call, str(name or "tool")[:MAX_ID_CHARS], json_of(arguments))

    def _tool_result(
        self, call_id: Any, name: Any, output: Any, is_error: bool = False
    ) -> Iterator[Emission]:
        call = str(call_id or "")[:MAX_ID_CHARS]
        if call not in self._calls:
            yield from self._tool_call(call or None, name, {})
        yield ToolResult(call, output if isinstance(output, str) else json_of(output), is_error)

    def _check_names(self, names: Sized) -> None:
        if len(names) > MAX_NAMES:
            raise AgentError("upstream_invalid", f"{WHO} begins more than can be followed.", retryable=False)

    # ── states ───────────────────────────────────────────────────────────────────────────────

    def _status(self, status: Any, about: Any, earlier: Sequence[dict[str, Any]] = ()) -> Iterator[Emission]:
        """Yield what a *status* says; *earlier* are the parts of the agent's last message before it."""
        if not isinstance(status, dict):
            return
        about = about if isinstance(about, dict) else {}
        state = status.get("state")
        self.state = state if isinstance(state, str) else self.state
        message = status.get("message")
        parts = objects_in(message.get("parts")) if isinstance(message, dict) else []
        self._note_usage(about)
        if self.state in ENDED or self.state in (INPUT_REQUIRED, AUTH_REQUIRED):
            yield from self._in_turn.end_all()
        if self.state == COMPLETED:
            is_mute = not parts and not self._artifacts
            yield from self._complete([] if self._has_said else [*earlier] if is_mute else parts)
        elif self.state == INPUT_REQUIRED:
            self.question = question_of(about, parts)
        elif self.state == AUTH_REQUIRED:
            raise AgentError("upstream_auth", f"{WHO} asks for credentials that it was not given.")
        elif self.state in ENDED:
            failure = self._failure or AgentError("upstream_rejected", f"{WHO} {_FAILURES[self.state]}.")
            raise AgentError(failure.code, failure.message, retryable=False)
        else:
            if isinstance(message, dict) and len(self._working_words) < MAX_NAMES:
                self._working_words |= _marks(message)
            yield from self._working(about, parts)

    @property
    def _has_said(self) -> bool:
        return any(each.text for each in self._artifacts.values())

    def _complete(self, parts: list[dict[str, Any]]) -> Iterator[Emission]:
        """Yield the last words, which *parts* are if there are any; of an answer that is data alone its JSON."""
        self.done = True
        yield from self._in_turn.end_all()
        last = Artifact()
        yield from self._parts(parts, last, "message")
        if self._value is UNSET or last.text or self._has_said:
            return
        if len(text := msgspec.json.encode(self._value)) <= OUTPUT_BYTES:
            self.output = self._value
            yield text.decode()

    def _working(self, about: dict[str, Any], parts: list[dict[str, Any]]) -> Iterator[Emission]:
        kind, text = about.get("type"), about.get("text")
        if kind == "reasoning" and isinstance(text, str) and text:
            yield Reasoning(text, speaker=speaker_in(about) or self._speaker_of(about))
        elif kind == "tool_call":
            yield from self._tool_call(about.get("call_id"), about.get("name"), about.get("arguments"))
        elif kind == "tool_result":
            failed = about.get("is_error") is True
            yield from self._tool_result(about.get("call_id"), "tool", about.get("output"), failed)
        elif kind == "agent":
            self._note_agent(about)
        elif (handed := handoff_of(kind, about)) is not None:
            yield handed
        elif (said := content_of(kind, about)) is not None:
            yield said
        if kind == "agent" or any("error" in str(key).lower() for key in about):
            return  # the words of a failure may be a provider's, with whatever secret is in them
        for emission in self._parts(parts, Artifact(), "status"):
            detail = emission.text if isinstance(emission, Token) else emission
            yield Status("working", detail[:MAX_DETAIL_CHARS]) if isinstance(detail, str) else detail

    def _note_agent(self, about: dict[str, Any]) -> None:
        """Take in how an agent of this very service ended, or that it begins again."""
        self.endings.note(about)
        self._failure = failure_of(about)
        void = about.get("void")
        if isinstance(void, list) and any(self._artifacts.get(str(each)) for each in void):
            code = about.get("code")
            raise AgentError(
                code if code in ERROR_CODES else "upstream_unavailable",
                f"{WHO} begins again.",
                retryable=True,
            )

    def _note_usage(self, about: dict[str, Any]) -> None:
        if about.get("type") == "agent" and "agent_id" in about:
            return  # one of several, which `endings` adds up
        counts, adk = about.get("usage"), about.get("adk_usage_metadata")
        if isinstance(counts, dict):
            details = (
                token_count(counts.get("cached_input_tokens")),
                token_count(counts.get("reasoning_tokens")),
            )
            read, written = token_count(counts.get("input_tokens")), token_count(counts.get("output_tokens"))
            self.usage = Usage(read or 0, written or 0, *details)
        elif isinstance(adk, dict):
            details = (
                token_count(adk.get("cachedContentTokenCount")),
                token_count(adk.get("thoughtsTokenCount")),
            )
            read, written = (
                token_count(adk.get("promptTokenCount")),
                token_count(adk.get("candidatesTokenCount")),
            )
            used = Usage(read or 0, written or 0, *details)
            self.usage = used if self.usage is None else self.usage.plus(used)

    def _note_ids(self, task_id: Any, context_id: Any) -> None:
        if isinstance(task_id, str) and 0 < len(task_id) <= MAX_ID_CHARS:
            self.task_id = task_id
        if isinstance(context_id, str) and 0 < len(context_id) <= MAX_ID_CHARS:
            self.context_id = context_id


def _marks(message: dict[str, Any]) -> set[int]:
    """Return what a message of work is known by later: its text, and its id with its text or that it has none."""
    named, text = _name_and_text(message)
    return {hash(("any", text)), hash((named, text))} if named or text else set()


def _like(message: dict[str, Any]) -> set[int]:
    """Return the marks of messages that are the same as this one.

    Ids decide if both have one, with the text, since some servers use an id again. Else texts do.
    """
    named, text = _name_and_text(message)
    alike = {hash(("any", text)) if named is None else hash((None, text))} if text else set()
    return alike | {hash((named, text))} if named else alike


def _name_and_text(message: dict[str, Any]) -> tuple[tuple[str] | None, str]:
    named = message.get("messageId")
    texts = "".join(str(part.get("text") or "") for part in objects_in(message.get("parts")))
    return ((named,) if isinstance(named, str) and named else None), texts


def _own_artifact(artifact: dict[str, Any], parts: list[dict[str, Any]]) -> Data | File | None:
    """Return what an agent of this very service said beyond text, if an artifact is that."""
    about = artifact.get("metadata")
    if not isinstance(about, dict) or len(parts) != 1:
        return None
    (part,) = parts
    said = {"name": artifact.get("name"), "value": part.get("data"), "url": part.get("url")}
    found = content_of(about.get("type"), {**about, **said, "media_type": part.get("mediaType")})
    return found if isinstance(found, Data | File) else None


def _file(part: dict[str, Any], part_id: str) -> File | Source | None:
    raw, url, name = part.get("raw"), part.get("url"), part.get("filename")
    media = part.get("mediaType")
    kind = media if isinstance(media, str) and media else "application/octet-stream"
    title = name if isinstance(name, str) and name else "file"
    if isinstance(raw, str):
        return File(part_id, title, kind, f"data:{kind};base64,{raw}")
    if not isinstance(url, str):
        return None
    if url[:8].lower() == "https://" or url[:5].lower() == "data:":
        return File(part_id, title, kind, url)
    if url[:7].lower() == "http://":
        return Source(part_id, url=url, title=title)
    return Source(part_id, document=url, title=title)


def _name(name: str) -> str:
    return re.sub(r"[^a-z0-9_.-]+", "-", name.lower())[:64].strip("-") or "artifact"

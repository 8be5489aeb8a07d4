"""One model response on its way to the SDK's runner: what of it is said, once, and in which words it ended.

Owns no stream (`relay`) and no queue (`outbox`). Reads the Responses API's events, which every model of
the SDK speaks.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from msgspec.structs import replace
from openai.types.responses import ResponseCompletedEvent

from ...errors import AgentError
from ...events.agent import Reasoning, Status, Token, ToolCall, ToolResult
from ...events.base import Payload
from ...events.content import MOST, File
from ..base import Spent
from ..upstream.finish_reasons import CONTENT_FILTER, finish_of, withheld
from .calls import asked_in, hosted_call, is_hosted, tell_apart, untaken
from .content import files_of_item, message_of, sources_in, usage_of
from .emitted import FAKE_ID, EmittedParts
from .errors import failed_response
from .model.client import is_cut, known_items
from .model.events import FileEvent
from .model.output_files import files_in
from .outbox import Outbox, note_finish_reason
from .reasoning_details import with_details

_REASONING_DELTAS = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_CALL_ARGUMENTS = frozenset(
    {"response.mcp_call_arguments.delta", "response.code_interpreter_call_code.delta"}
)
_NO_FILES: frozenset[str] = frozenset()

_WHOLE_PARTS = frozenset(
    {"response.output_text.done", "response.refusal.done", "response.content_part.done",
     "response.reasoning_text.done", "response.reasoning_summary_text.done", "response.reasoning_summary_part.done"}
)  # fmt: skip

_DRAWN = frozenset({"reasoning", "message", "image_generation_call"})
"""Items of an answer that may be nothing but an image."""


class ResponseReader:
    """Reports to an outbox what one response says, and judges it at its end.

    Args:
        outbox: Of the run; None outside of one.
        parent: The call in which the run is nested that the response belongs to.
        taken: Ids that no call of the response may have.
        details: Its `reasoning_details`, once it is completed.
        names: Of the tools that the model may call.
    """

    def __init__(
        self,
        outbox: Outbox | None,
        parent: str | None,
        taken: set[str],
        details: list[dict[str, Any]] | None = None,
        names: Set[str] = frozenset(),
    ) -> None:
        heard = outbox is not None and parent in outbox.speaking
        self._outbox = outbox if heard else None
        self._parent = parent
        self._speaker: str | None = None
        self._since = 0
        self._taken, self._names = taken, names
        self._hosted_taken = set() if outbox is None else outbox.call_ids
        if self._outbox is not None:
            self._speaker = self._outbox.speaker(self._outbox.speaking[parent], parent)
            self._since = self._outbox.record.mark()
            if parent is None:
                self._outbox.finish_reason = None  # of the response before
        self._unwatched = self._outbox is not None and parent is None
        self._ended = False
        self._sent = EmittedParts()
        # What few answers need is made when it is needed: hundreds of answers wait at a time.
        self._thought: EmittedParts | None = None
        self._details = details
        self._hosted_sent: set[str] | None = None
        self._reasoned = False
        self._half = ""
        self._refused = False
        self._hosted_pieces: dict[str, str] | None = None
        self._files = _NO_FILES
        self._left_out: str | None = None  # why a file could not be passed on
        self.incomplete = False

    async def tell(self, event: Any) -> Any:
        """Put what *event* says into the outbox, and wait until it has room; else as `hear`."""
        for_runner = self.hear(event)
        if self._outbox is not None:
            await self._outbox.room()
        return for_runner

    def hear(self, event: Any) -> Any:
        """Put what *event* says into the outbox; return the event that the runner shall see, if any.

        The runner makes nothing of text deltas but queue entries, at a third of a token's whole cost. If
        only our collector reads that queue, they are left out; the typed items at the end are all there.
        """
        kind: str = event.type
        if kind == "response.output_text.delta":
            self.say_text(event.item_id, event.delta)
            return None if self._unwatched else event
        if kind in _REASONING_DELTAS:
            self._emit_reasoning(event.item_id, event.delta)
            return None if self._unwatched else event
        if kind == "response.refusal.delta":
            self._refused = True
            self.say_text(event.item_id, event.delta)
        elif kind in _WHOLE_PARTS:
            self._emit_rest_of_part(event)
        elif kind in _CALL_ARGUMENTS:
            item_id = getattr(event, "item_id", "")
            self._hosted_pieces = pieces = self._hosted_pieces or {}
            pieces[item_id] = pieces.get(item_id, "") + event.delta
        elif kind == FileEvent.type:
            self._emit_file(event)
            return None
        elif kind in {"response.output_item.added", "response.output_item.done"}:
            self._hosted(event)
        elif kind in {"response.completed", "response.incomplete"}:
            return self._complete(event)
        elif kind in {"response.failed", "response.error", "error"}:
            raise failed_response(event)
        return event

    def end_plain(self, text: str) -> bool:
        """End with an answer that is *text* and nothing else; False if it is to be judged by its items.

        It is all that was said, so there is nothing to say, to cite or to correct.
        """
        outbox = self._outbox
        if outbox is None or not text or self._half or self._reasoned or self._refused or self._files:
            return False
        if "".join(self._sent.pieces) != text:
            return False
        self._ended = True
        if outbox.finish_reason is None:
            outbox.finish_reason = "stop"
        return True

    def finish(self) -> None:
        """Judge the whole response once its stream has ended.

        Raises:
            AgentError: It had no end.
        """
        if not self._ended:
            raise AgentError("upstream_invalid", "The model's answer ended without its end mark.")

    # ── the end ───────────────────────────────────────────────────────────────────────────────────

    def _complete(self, event: Any) -> Any:
        response = event.response
        status = getattr(response, "status", None)
        if status in {"failed", "cancelled"}:
            raise failed_response(event)
        self.incomplete = event.type == "response.incomplete" or status == "incomplete"
        response.output = known_items(response.output)
        if getattr(response, "incomplete_details", None) is not None:  # nobody asked for a call that was cut
            response.output = [item for item in response.output if not is_cut(item)]
        for item in response.output:
            self._hosted_done(item)
            for made in files_in(_taken_out(item, "images")):
                self._emit_file(made)
        self._emit_missing(response)
        response.output = with_details(response.output, self._details or [])
        tell_apart(response.output, self._taken, self._names)
        if self._outbox is not None:
            self._outbox.local_calls.expect(response.output)
            self._outbox.asked |= {call.call_id: call for call in asked_in(response.output, self._parent)}
            self._cite(response.output)
        self._spent(response)
        self._end(response)
        if not self.incomplete:
            return event
        return ResponseCompletedEvent.construct(
            response=response,
            sequence_number=getattr(event, "sequence_number", 0) or 0,
            type="response.completed",
        )

    def _emit_missing(self, response: Any) -> None:
        """Say what stands in the whole response and was not said in pieces."""
        if not self._reasoned:
            for text in _reasoning_of(response.output):
                self._emit_reasoning("", text)
        parts = [
            (item.id or "", part)
            for item in response.output
            if item.type == "message"
            for part in item.content or ()
        ]
        self._refused = self._refused or any(part.type == "refusal" for _, part in parts)
        items = [(item_id, text) for item_id, part in parts if (text := _said_in(part))]
        rest = self._sent.rest_of_answer(items)
        if rest:
            self.say_text("", rest)
        elif rest is None and not any(item_id == FAKE_ID for item_id, _ in items):
            whole = "".join(text for _, text in items)
            if self._outbox is not None:
                self._outbox.record.replace_text(self._since, whole, self._speaker, self._parent)
        if self._sent.pieces and not any(item.type == "message" for item in response.output):
            # A server may complete a response without the message that it has said.
            response.output.append(message_of("".join(self._sent.pieces)))

    def _spent(self, response: Any) -> None:
        usage = getattr(response, "usage", None)
        if self._outbox is not None and usage is not None:
            self._outbox.hold(Spent(usage_of(usage)))

    def _end(self, response: Any) -> None:
        """Judge how the response ended.

        Raises:
            AgentError: It was refused or withheld, the provider failed, or there is nothing in it.
        """
        self._ended = True
        details = getattr(response, "incomplete_details", None)
        reason_given = getattr(details, "reason", None) or ("incomplete" if self.incomplete else None)
        reason = finish_of(reason_given, unknown="length") if isinstance(reason_given, str) else None
        kinds = {item.type for item in response.output}
        has_answer = bool(self._sent.pieces or self._files or kinds - {"reasoning", "message"})
        has_thought = self._reasoned or (reason == "length" and "reasoning" in kinds)
        if reason == CONTENT_FILTER and not has_answer:
            raise withheld(reason_given or "")
        if not (has_answer or has_thought):
            raise AgentError(
                "upstream_invalid", "The model answered nothing at all.", retryable=self._may_repeat()
            )
        if self._left_out is not None and not self._sent.pieces and kinds <= _DRAWN:
            raise AgentError(
                "output_limit", f"The answer is a file that cannot be passed on: {self._left_out}."
            )
        if reason and self._unwatched and self._outbox is not None:
            self._outbox.note_finish(reason)
        elif reason:
            note_finish_reason(reason)
        elif self._outbox is not None and self._outbox.finish_reason is None:
            self._outbox.finish_reason = "stop"
        if self._refused and self._outbox is not None and self._parent is None:
            raise AgentError("refusal", "The model refused to answer.")

    def _may_repeat(self) -> bool:
        """Whether the run may begin again: tools that it has called would be called a second time."""
        return self._outbox is None or not self._outbox.call_ids

    # ── what is said ──────────────────────────────────────────────────────────────────────────────

    def _emit_rest_of_part(self, event: Any) -> None:
        part = _plain_part(getattr(event, "part", None) or event)
        whole = part.get("text") or part.get("refusal")
        if not isinstance(whole, str) or not whole:
            return
        item_id, place = getattr(event, "item_id", None) or "", getattr(event, "content_index", None) or 0
        is_reasoning = ".reasoning_" in event.type or part.get("type") in ("reasoning_text", "summary_text")
        sent = self._reasoning if is_reasoning else self._sent
        rest = sent.rest_of_part(item_id, place, whole, "part" if "part" in event.type else "text")
        if not rest:
            return
        if is_reasoning:
            self._emit_reasoning(item_id, rest)
            return
        self._refused = self._refused or bool(part.get("refusal"))
        self.say_text(item_id, rest)

    def _hosted(self, event: Any) -> None:
        """Report a tool that runs at the provider (web search, code interpreter, …).

        What it was given and what came of it stand in the item when it is done, so both are reported then; that it
        runs, at once.
        """
        item = event.item
        if event.type == "response.output_item.done" and not self._reasoned:
            for text in _reasoning_of([item]):
                self._emit_reasoning("", text)
        if not is_hosted(item):
            return
        if event.type == "response.output_item.added":
            self._put(Status("tool", getattr(item, "name", None) or item.type.removesuffix("_call")))
            return
        self._hosted_done(item)

    def _hosted_done(self, item: Any) -> None:
        """Tell a call that the provider ran, once, whichever event said it first."""
        known = getattr(item, "id", None) or getattr(item, "call_id", None) or ""
        if not is_hosted(item) or known in (self._hosted_sent or ()):
            return
        if known:
            self._hosted_sent = self._hosted_sent or set()
            self._hosted_sent.add(known)
        call = hosted_call(item, (self._hosted_pieces or {}).pop(known, ""))
        call_id = untaken(call.call_id, self._hosted_taken)
        self._put(ToolCall(call_id, call.name, call.arguments, parent=self._parent))
        self._put(ToolResult(call_id, call.output, call.failed, parent=self._parent))
        for file in files_of_item(item):
            self._files |= {file.url}
            self._pass_on(file)

    def _emit_file(self, made: FileEvent) -> None:
        """Pass a file on, once: some servers repeat all of them in the message at the end."""
        if made.url in self._files:
            return
        self._files |= {made.url}
        number = 1 if self._outbox is None else self._outbox.files + 1
        kind = made.media_type.partition("/")[0]
        self._pass_on(File(f"{kind}_{number}", made.name, made.media_type, made.url))

    def _pass_on(self, file: File) -> None:
        """Tell a file; of one that cannot be passed on, that it was left out."""
        fault = file.check()
        if fault is not None:
            self._left_out = fault
            self._put(Status("file", f"A file was left out: {fault}."))
        elif self._outbox is not None and self._outbox.files < MOST[File]:
            self._outbox.files += 1
            self._put(replace(file, speaker=self._speaker, parent=self._parent))

    def _emit_reasoning(self, item_id: Any, text: Any) -> None:
        self._reasoned = True
        self._say(Reasoning, text)
        if text:
            self._reasoning.hear(item_id or "", text)

    def _cite(self, output: list[Any]) -> None:
        """Tell the citations of a whole response, which stand in its items."""
        if self._outbox is None:
            return
        before = self._outbox.record.chars(self._since, self._parent)
        self._outbox.cited = self._outbox.cited or set()
        for source in sources_in(output, before, self._outbox.cited):
            # A place in a nested agent's text is none in the answer.
            at = source.at if self._parent is None else None
            self._put(replace(source, at=at, speaker=self._speaker, parent=self._parent))

    def say_text(self, item_id: Any, text: Any) -> None:
        """Say a piece of text, as a delta of it does."""
        self._say(Token, text)
        if text:
            self._sent.hear(item_id or "", text)

    def note_text(self, item_id: Any, text: str) -> None:
        """Note a piece of text that was said already."""
        if self._outbox is not None:
            self._outbox.record.add_text(text, self._speaker, self._parent)
        self._sent.hear(item_id or "", text)

    @property
    def _reasoning(self) -> EmittedParts:
        """What it has said of its reasoning."""
        self._thought = self._thought or EmittedParts()
        return self._thought

    @property
    def holds_half(self) -> bool:
        """Whether it waits for the other half of a character."""
        return bool(self._half)

    def _say(self, kind: type[Token] | type[Reasoning], text: Any) -> None:
        if not isinstance(text, str):
            raise AgentError("upstream_invalid", "The model's provider sent text in the wrong shape.")
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]  # half of a character: the other half comes next
        if text:
            self._put(kind(text=text, speaker=self._speaker, parent=self._parent))

    def _put(self, payload: Payload) -> None:
        if self._outbox is not None:
            self._outbox.hold(payload)


def _said_in(part: Any) -> str:
    said = getattr(part, "refusal" if part.type == "refusal" else "text", None)
    return said if isinstance(said, str) else ""


def _taken_out(item: Any, key: str) -> list[Any]:
    """Take a list of ours off an item: the provider must not get it back."""
    found = (getattr(item, "model_extra", None) or {}).pop(key, None)
    return found if isinstance(found, list) else []


def _plain_part(part: Any) -> dict[str, Any]:
    if isinstance(part, dict):
        return part
    return {key: getattr(part, key, None) for key in ("type", "text", "refusal")}


def _reasoning_of(output: list[Any]) -> list[str]:
    items = [item for item in output if item.type == "reasoning"]
    said = [getattr(item, "summary", None) or getattr(item, "content", None) or () for item in items]
    parts = [part for parts in said for part in parts]
    return [text for part in parts if isinstance(text := getattr(part, "text", None), str) and text]

"""The events of OpenAI's Responses API: one message item per agent's attempt, tools as calls that the server ran.

An event's frames are numbered `seq * 16 + n`, so a `sequence_number` is a cursor that nobody has to store.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Self

import msgspec

from ..events.agent import ApprovalRequest, Cancelled, Done, Error, Retry, ToolCall, ToolResult, Usage
from ..events.content import Content, Source
from ..events.encoding import encode_json
from ..events.run import RunDone
from ..events.snapshot import Snapshot
from .agent_stream import StreamedAgent, decoded, quoted
from .base import Subscriber
from .folded import FoldedFraming
from .interning import Interned
from .large_frames import says_much
from .payload_fields import citation
from .response_items import (  # fmt: skip
    NOT_CHOSEN,
    Thought,
    ToolItem,
    approval_item,
    cited_pages,
    delta_head,
    lengths,
    message_item,
    response_id,
    sum_usage,
)

FRAMES_PER_EVENT = 16

MOST_ENDED = (FRAMES_PER_EVENT - 8) // 2
"""Calls whose end an event can tell, beside those of a reasoning item and of a message that is begun and ended."""

MOST_PARTS = 32
"""From so many parts of an attempt on its reasoning item stays open, too: an agent that thinks and speaks by turns,
word by word, would else have an item for each, eight times the bytes of what was said."""

_UNFINISHED = "The agent ended before its tool did."


class ResponsesFraming(FoldedFraming):
    """A stream of `response.*` events. Items interleave, each with its `output_index`.

    Options: `model`, `created` (seconds), `previous_response_id`, `background`; `after`, the last
    `sequence_number` that the client has; `fresh`: what is skipped belongs to an earlier answer; `silent`: only
    `response` is asked for.
    """

    def __init__(self, subscriber: Subscriber) -> None:
        super().__init__(subscriber)
        self.id = response_id(self.run_id)
        self._short = self.run_id.removeprefix("run_")
        self._number = 0
        self._after = int(self.options.get("after", -1))
        self.output: list[Any] = []
        """Items, encoded once they are closed; till then messages as objects, `Thought`s and `ToolItem`s."""
        self._shared = subscriber.shared
        self._messages: dict[str, int] = {}
        self._thoughts: dict[str, Thought] = {}
        self._calls: dict[tuple[str, str], ToolItem] = {}
        self._pieces: dict[int, bytearray] = {}
        self._heads: dict[int, bytes] = {}
        self._usage: list[Usage] = []
        self._failures: list[Error] = []
        self._metadata: dict[str, str] = {}
        self._pausing = False

    @property
    def size(self) -> int:
        return super().size + 8 * len(self.output) + sum(map(len, self._pieces.values()))

    def copy_from(self, other: Self) -> None:
        """Take over what *other* has noted; what is closed is shared, for nothing changes it."""
        self.output, self._heads = list(other.output), dict(other._heads)
        self._messages = dict(other._messages)
        self._pieces = {place: bytearray(text) for place, text in other._pieces.items()}
        self._usage, self._failures = list(other._usage), list(other._failures)
        self._metadata = dict(other._metadata)
        for attempt_id, thought in other._thoughts.items():
            self._thoughts[attempt_id] = self.output[thought.place] = msgspec.structs.replace(thought)
        for key, call in other._calls.items():
            self._calls[key] = self.output[call.place] = msgspec.structs.replace(call)
        for place in self._messages.values():
            self.output[place] = deepcopy(other.output[place])

    # ── the Protocol ─────────────────────────────────────────────────────────────────────────

    def heartbeat(self) -> bytes:
        # A comment after an id ends the Python client; an event of a type that nobody knows does not.
        number = self._number
        return b'event: keepalive\ndata: {"type":"keepalive","sequence_number":%d}\n\n' % number

    def resumed(self) -> bytes:
        if not self.options.get("fresh"):
            return b""  # whoever comes back with a number has what was before it
        self._begin_anew()
        for voice in self.voices.values():
            voice.open = ""
        return super().resumed()

    def reopen(self) -> list[bytes]:
        return self.started()

    def _begin_anew(self) -> None:
        """Have no items; the places of those to come are this connection's own."""
        self.output, self._messages, self._thoughts, self._calls = [], {}, {}, {}
        self._pieces, self._heads, self._shared = {}, {}, Interned()

    # ── the fold ─────────────────────────────────────────────────────────────────────────────

    def reach(self, seq: int) -> None:
        self._at = seq
        self._number = seq * FRAMES_PER_EVENT - 1

    def _restore(self, snapshot: Snapshot) -> Iterator[bytes]:
        self._number = self._at * FRAMES_PER_EVENT - 1
        self._begin_anew()
        yield from super()._restore(snapshot)

    def started(self) -> list[bytes]:
        return [*self._with_whole("response.created"), *self._with_whole("response.in_progress")]

    def queued(self) -> list[bytes]:
        return [self._frame("response.queued", response=self.response())]

    def opened(self, voice: StreamedAgent) -> list[bytes]:
        if voice.open == "reasoning":
            if (open_ := self._thoughts.get(voice.attempt_id)) is None:
                return self._open_thought(voice)
            voice.head, voice.kept = open_.head, self._pieces[open_.place]
            return []
        if (known := self._messages.get(voice.attempt_id)) is not None:
            self._go_on(voice, known)
            return []
        return self._open_message(voice)

    def _open_message(self, voice: StreamedAgent) -> list[bytes]:
        place = self._add(message_item(self._short, voice))
        self._messages[voice.attempt_id] = place
        item = self.output[place]
        added = self._frame("response.output_item.added", output_index=place, item=item)
        cited = [{"type": "url_citation", **citation(each)} for each in cited_pages(voice)]
        part = {"type": "output_text", "text": "", "annotations": cited, "logprobs": []}
        item["content"] = [part]
        where = b'"item_id":"%b","output_index":%d,"content_index":0' % (item["id"].encode(), place)
        self._begin_pieces(place, b"response.output_text.delta", where + b',"logprobs":[]')
        self._go_on(voice, place)
        return [
            added,
            self._frame_of(b"response.content_part.added", b'%b,"part":%b' % (where, encode_json(part))),
        ]

    def delta(self, voice: StreamedAgent, text: bytes) -> bytes:
        voice.kept += text[1:-1]
        self._number += 1
        if self._number <= self._after:
            return b""
        return b'%b%b,"sequence_number":%d}' % (voice.head, text, self._number)

    def closed(self, voice: StreamedAgent) -> list[bytes]:
        if voice.open == "text":
            return []  # a message goes on until its attempt ends: some clients take only the last one
        return self._end_thought(voice) if voice.part < MOST_PARTS else []

    def _end_thought(self, voice: StreamedAgent) -> list[bytes]:
        thought = self._thoughts.pop(voice.attempt_id, None)
        if thought is None:
            return []
        text = quoted(self._pieces.pop(thought.place))
        item = self._close_item(thought.place, thought.item(text))
        return self._several(3, thought.ended(self._number + 1, text, item))

    def tool_called(self, voice: StreamedAgent, call: ToolCall) -> list[bytes]:
        place = len(self.output)
        item_id = encode_json(f"mcp_{self._short}_{voice.attempt_id}_{call.call_id}")
        where = b'"item_id":%b,"output_index":%d' % (item_id, place)
        named = (voice.agent_id.encode(), encode_json(call.name), encode_json(call.arguments))
        found = ToolItem(place, item_id, *named, where)
        self.output.append(found)
        self._calls[voice.agent_id, call.call_id] = found
        return self._several(4, found.begun(self._number + 1))

    def tool_ended(self, voice: StreamedAgent, result: ToolResult) -> list[bytes]:
        blocks: list[bytes] = []
        if (voice.agent_id, result.call_id) not in self._calls:
            unheard = voice.tools.get(result.call_id) or ToolCall(result.call_id, "tool", "{}")
            blocks = self.tool_called(voice, unheard)
        call = self._calls.pop((voice.agent_id, result.call_id))
        return [*blocks, *self._end_call(call, str(result.output), is_error=result.is_error)]

    def _end_call(self, call: ToolItem, output: str, *, is_error: bool) -> list[bytes]:
        if is_error:
            call.status, call.error = b"failed", encode_json(output)
        else:
            call.status, call.output = b"completed", encode_json(output)
        item = self._close_item(call.place, call.item())
        return self._several(2, call.ended(self._number + 1, item))

    def _close_item(self, place: int, item: bytes) -> bytes:
        """Put *item*, which changes no more, into its place; return the one that all who hear it share."""
        found = self.output[place] = self._shared.one(place, item)
        return found

    def approval_asked(self, voice: StreamedAgent, asked: ApprovalRequest) -> list[bytes]:
        place = self._add(None)
        item = self._close_item(place, encode_json(approval_item(self.run_id, voice, asked)))
        about = b'"output_index":%d,"item":%b' % (place, item)
        return [
            self._frame_of(b"response.output_item.added", about),
            self._frame_of(b"response.output_item.done", about),
        ]

    def on_content(self, voice: StreamedAgent, name: str, said: Content) -> list[bytes]:
        """Tell a citation as its message's annotation; what this API has no event for stands in `response.agents`."""
        place = self._messages.get(voice.attempt_id)
        if not isinstance(said, Source) or said.url is None or place is None:
            return []  # what comes before the text stands in the message from its first event on
        item = self.output[place]
        annotations = item["content"][0]["annotations"]
        annotations.append({"type": "url_citation", **citation(said)})
        where = {"item_id": item["id"], "output_index": place, "content_index": 0}
        return [
            self._frame(
                "response.output_text.annotation.added",
                **where,
                annotation_index=len(annotations) - 1,
                annotation=annotations[-1],
            )
        ]

    def retried(self, voice: StreamedAgent, retry: Retry, void: list[str]) -> list[bytes]:
        return [*self._end_thought(voice), *self._end_message(voice, "incomplete", {"void": True})]

    def agent_ended(self, voice: StreamedAgent, ending: Done | Error | Cancelled) -> list[bytes]:
        blocks, calls = self._end_thought(voice), [key for key in self._calls if key[0] == voice.agent_id]
        for n, key in enumerate(calls):
            number, ended = self._number, self._end_call(self._calls.pop(key), _UNFINISHED, is_error=True)
            if n < MOST_ENDED:
                blocks += ended
            else:  # the next event's numbers begin here; the last frame tells of these as of all
                self._number = number
        said: dict[str, Any] = {}
        if isinstance(ending, Error):
            said = {"error": {"code": ending.code, "message": ending.message}}
            self._failures.append(ending)
            self._metadata[f"agent.{voice.agent_id}"] = f"error:{ending.code}"
        elif isinstance(ending, Cancelled):
            self._metadata[f"agent.{voice.agent_id}"] = "cancelled"
        else:
            self._metadata.pop(f"agent.{voice.agent_id}", None)
            if ending.usage is not None:
                self._usage.append(ending.usage)
        status = "completed" if isinstance(ending, Done) else "incomplete"
        if status == "completed" and voice.attempt_id not in self._messages:
            # The Agents SDK asks again, up to ten times, if a tool has run and no message came.
            blocks += self._open_message(voice)
        return [*blocks, *self._end_message(voice, status, said)]

    def _end_message(self, voice: StreamedAgent, status: str, said: dict[str, Any]) -> list[bytes]:
        place = self._messages.pop(voice.attempt_id, None)
        if place is None:
            return []
        item, text = self.output[place], self._text(place)
        item["content"][0]["text"] = text
        del self._pieces[place], self._heads[place]
        item["status"] = status
        item["agent"] |= said
        where = {"item_id": item["id"], "output_index": place, "content_index": 0}
        about = b'"output_index":%d,"item":%b' % (place, self._close_item(place, encode_json(item)))
        return [
            self._frame("response.output_text.done", **where, text=text, logprobs=[]),
            self._frame("response.content_part.done", **where, part=item["content"][0]),
            self._frame_of(b"response.output_item.done", about),
        ]

    def ended(self, done: RunDone) -> list[bytes]:
        kind = {"failed": "failed", "cancelled": "incomplete"}.get(done.status, "completed")
        return self._with_whole(f"response.{kind}", in_stream=True)

    def pause(self) -> list[bytes]:
        self._pausing = True
        return self._with_whole("response.completed")

    # ── the whole ────────────────────────────────────────────────────────────────────────────

    def response(self, *, in_stream: bool = False) -> dict[str, Any]:
        """Return the response as it stands; a cancelled one is called incomplete *in_stream*."""
        failed = self._failures[-1] if self._failures and self.status == "failed" else None
        message = " ".join(dict.fromkeys(each.message for each in self._failures))
        return NOT_CHOSEN | {
            "id": self.id,
            "object": "response",
            "created_at": self.options.get("created", 0),
            "status": self._status(in_stream=in_stream),
            "background": bool(self.options.get("background")),
            "error": None if failed is None else {"code": "server_error", "message": message},
            "incomplete_details": {"reason": "cancelled"}
            if in_stream and self.status == "cancelled"
            else None,
            "metadata": {
                "run_id": self.run_id,
                "run_status": "queued" if self.is_queued else self.status,
                **self._metadata,
            },
            "model": self.options.get("model", "default"),
            "output": [self._whole(place) for place in range(len(self.output))],
            "previous_response_id": self.options.get("previous_response_id"),
            "usage": None if self.status == "running" else sum_usage(self._usage),
            "agents": {
                voice.agent_id: beyond for voice in self.voices.values() if (beyond := voice.whole_content())
            },
        }

    def _status(self, *, in_stream: bool) -> str:
        if self.status == "running":
            if self.is_queued:
                return "queued"
            return "completed" if self._pausing or self.all_wait else "in_progress"
        if self.status == "cancelled":
            return "incomplete" if in_stream else "cancelled"
        return "failed" if self.status == "failed" else "completed"

    def _whole(self, place: int) -> dict[str, Any] | msgspec.Raw:
        """Return an item with what was said in it so far."""
        item = self.output[place]
        if isinstance(item, bytes):
            return msgspec.Raw(item)  # a run may have very many
        if isinstance(item, ToolItem):
            return msgspec.Raw(item.item())
        if isinstance(item, Thought):
            return msgspec.Raw(item.item(quoted(self._pieces[place]), b"in_progress"))
        found: dict[str, Any] = dict(item)
        if place in self._pieces:
            found["content"] = [item["content"][0] | {"text": self._text(place)}]
        return found

    def _open_thought(self, voice: StreamedAgent) -> list[bytes]:
        place, item_id = len(self.output), f"rs_{self._short}_{voice.part_id}".encode()
        where = b'"item_id":"%b","output_index":%d,"summary_index":0' % (item_id, place)
        head = delta_head(b"response.reasoning_summary_text.delta", where)
        thought = Thought(place, item_id, voice.agent_id.encode(), where, head)
        self._thoughts[voice.attempt_id] = thought
        self.output.append(thought)
        voice.kept = self._pieces[place] = bytearray()
        voice.head = head
        return self._several(2, thought.begun(self._number + 1))

    def _add(self, item: dict[str, Any] | None) -> int:
        self.output.append(item)
        return len(self.output) - 1

    def _begin_pieces(self, place: int, type_: bytes, where: bytes) -> None:
        """Make once what every delta of an item has before its text."""
        self._pieces[place] = bytearray()
        self._heads[place] = delta_head(type_, where)

    def _go_on(self, voice: StreamedAgent, place: int) -> None:
        """Let the next pieces of an agent be those of the item at *place*."""
        voice.head, voice.kept = self._heads[place], self._pieces[place]

    def _text(self, place: int) -> str:
        return decoded(self._pieces[place])

    def _with_whole(self, type_: str, *, in_stream: bool = False) -> list[bytes]:
        """Return a frame with the response as it stands; nothing of one that the client has, or that nobody is sent."""
        self._number += 1
        if self._number <= self._after or self.options.get("silent"):
            return []
        named = (type_.encode(), type_.encode(), self._number)
        head = b'event: %b\ndata: {"type":"%b","sequence_number":%d,"response":' % named
        is_large = says_much(self.voices.values(), lengths(self.output, self._pieces))
        return self.large.block(head, self.response(in_stream=in_stream), b"}", is_large=is_large)

    def _frame(self, type_: str, **fields: Any) -> bytes:
        return self._frame_of(type_.encode(), encode_json(fields)[1:-1])

    def _several(self, frames: int, block: bytes) -> list[bytes]:
        """Return a block of *frames*, the first of which has the next number, without those that the client has."""
        before = self._number
        self._number += frames
        return [block] if before >= self._after else block.split(b"\n\n")[self._after - before :]

    def _frame_of(self, type_: bytes, fields: bytes) -> bytes:
        """Return a frame of *fields*, which are encoded; nothing of a frame that the client has."""
        self._number += 1
        if self._number <= self._after:
            return b""
        named = (type_, type_, self._number, fields)
        return b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b}' % named

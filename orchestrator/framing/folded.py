"""The fold of a run's events that dialects share: who speaks, in which part, and whether all wait for an answer.

Owns the state of one connection and the cursors on its frames. What a frame looks like is each dialect's own file;
a dialect's state follows from the events alone, so a cursor of one serves in every other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self

from ..eventlog.base import Entry
from ..eventlog.gap import Gap
from ..events.agent import (
    ApprovalRequest,
    Cancelled,
    Done,
    Error,
    Reasoning,
    Retry,
    Started,
    Status,
    Token,
    ToolCall,
    ToolResult,
)
from ..events.base import OPEN_STATUSES, PANEL, WAITS_FOR_WORKER, Payload, RunStatus
from ..events.content import Content, Data, File, Progress, Source
from ..events.encoding import decode_to_pass_on, encode_json
from ..events.json_chunks import PIECE_BYTES
from ..events.panel import PanelInfo
from ..events.run import AgentAdded, AgentInfo, AgentOutcome, RunDone, RunMetrics, RunStarted
from ..events.snapshot import AgentSnapshot, Snapshot
from .agent_stream import Kind, StreamedAgent, said
from .base import Subscriber
from .frame_lines import as_one, unmarked
from .large_frames import LargeFrames
from .payload_fields import ending_of

_KINDS: dict[str, Kind] = {Token.TYPE: "text", Reasoning.TYPE: "reasoning"}

VOICE_BYTES = 2048
"""What is noted of an agent takes about so many bytes."""

_LEAVES_WAITING = frozenset({ApprovalRequest.TYPE, Status.TYPE, "progress", "data", "source", "file"})
"""After any other event the agent has gone on, so that nothing of it waits."""


class FoldedFraming:
    """A dialect's connection. A dialect says with its own methods what each event becomes: blocks without their end.

    A block is the lines of one frame, such as ``b'data: {…}'``; the event's last one also gets the cursor.
    """

    content_type: ClassVar[str] = "text/event-stream"
    headers: ClassVar[Mapping[str, str]] = {}
    folds: ClassVar[bool] = True
    tells_speakers: ClassVar[bool] = False
    """Whether another speaker of an agent begins another part: the dialect can say who it is."""
    pauses: bool = True
    """Whether the answer ends once every agent that runs waits for an approval."""
    id_prefix: bytes = b""
    """Stands before each cursor, if an id has to say more than where in the log it is."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.options = subscriber.options
        self.run_id = subscriber.run_id or ""
        self.voices: dict[str, StreamedAgent] = {}
        self.status: RunStatus = "running"
        self.is_queued = False
        """Whether the run waits for a worker."""
        self.panel: PanelInfo | None = None
        self.is_finished = False
        self.large = LargeFrames()
        self._at, self._epoch = 0, ""

    # ── the Protocol ─────────────────────────────────────────────────────────────────────────

    def opening(self, retry_ms: int) -> bytes:
        # A comment before the first id is what every client bears; a `retry:` alone ends some of them.
        return b": open\n\n"

    def retry(self, milliseconds: int) -> bytes:
        return b""

    def heartbeat(self) -> bytes:
        return b": heartbeat\n\n"

    def closing(self) -> bytes:
        return b""

    @property
    def has_rest(self) -> bool:
        return self.large.is_waiting

    def rest(self) -> Iterator[bytes]:
        is_marked = self._epoch and not self.is_finished
        mark = b"\nid: %b%b-%d" % (self.id_prefix, self._epoch.encode(), self._at) if is_marked else b""
        return self.large.pieces(mark + b"\n\n")

    def skip(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._block(entry)

    def resumed(self) -> bytes:
        return unmarked(self.reopen())

    def entries(self, entries: Sequence[Entry]) -> bytes:
        written: list[bytes] = []
        mark = b""
        self._epoch = entries[-1].epoch
        for entry in entries:
            block = self._block(entry)
            if not block:
                continue
            mark = mark or b"\nid: %b%b-" % (self.id_prefix, entry.epoch.encode())
            written += (block, mark, b"%d\n\n" % entry.seq)
        if self.pauses and self._at >= self.subscriber.newest and self.all_wait:
            self.is_finished = True
            written.append(unmarked(self.pause()))
        return b"".join(written)

    def gap(self, gap: Gap, t: int) -> Iterator[bytes]:
        for snapshot in gap.snapshots:
            self._at, self._epoch = gap.cursor.seq, gap.cursor.epoch
            blocks, size = list[bytes](), 0
            for block in filter(None, self._restore(snapshot)):
                if size > PIECE_BYTES:
                    yield unmarked(blocks)
                    blocks, size = [], 0
                size += len(block)
                blocks.append(block)
            if blocks:
                cursor = f"{gap.cursor.epoch}-{gap.cursor.seq}\n\n"
                yield b"\n\n".join(blocks) + b"\nid: " + self.id_prefix + cursor.encode()

    @property
    def seq(self) -> int:
        """The newest event that was taken in."""
        return self._at

    @property
    def size(self) -> int:
        """Bytes that it holds for itself, about."""
        return VOICE_BYTES * len(self.voices)

    def begin_with(self, other: Self) -> None:
        self.voices = {agent_id: voice.copied() for agent_id, voice in other.voices.items()}
        self.status, self.is_queued, self.panel = other.status, other.is_queued, other.panel
        self.reach(other.seq)
        self.copy_from(other)
        for voice in self.voices.values():
            if voice.open:
                self.opened(voice)  # what stands around its pieces depends on what this client has asked for

    @property
    def all_wait(self) -> bool:
        """Whether there is something to answer, and nothing goes on before it is answered."""
        running = [
            voice
            for voice in self.voices.values()
            if voice.status in ("running", "retrying") or (voice.status == "queued" and self.panel is None)
        ]
        return self.status == "running" and bool(running) and all(voice.waiting for voice in running)

    # ── the fold ─────────────────────────────────────────────────────────────────────────────

    def _block(self, entry: Entry) -> bytes:
        """Take an event in; return its blocks as one, empty if there is nothing to say."""
        self.reach(entry.seq)
        kind, agent_id = _KINDS.get(entry.type), entry.agent_id
        if kind is None or agent_id is None:
            return as_one(self._other(entry))
        text, speaker = said(entry.data)
        if not text:
            return b""
        voice = self.voices.get(agent_id) or self.voice(agent_id)
        if voice.waiting:
            voice.waiting.clear()
        speaker = speaker if self.tells_speakers else None
        if voice.open == kind and voice.speaker == speaker:
            return self.delta(voice, text)  # nearly every event is such a piece of the part that is open
        blocks = self.closed(voice) if voice.open else []
        voice.begin_part(kind, speaker)
        return as_one([*blocks, *self.opened(voice), self.delta(voice, text)])

    def reach(self, seq: int) -> None:
        """Note which event is being sent, or up to which all is taken in."""
        self._at = seq

    def _other(self, entry: Entry) -> list[bytes]:
        payload = decode_to_pass_on(entry.agent_id, entry.type, entry.data)
        if payload is None:
            return []
        if entry.agent_id == PANEL:
            return self.on_panel_event(payload)
        if entry.agent_id is None:
            return self._of_run(payload)
        return self._of_agent(self.voice(entry.agent_id), payload)

    def _of_run(self, payload: Payload) -> list[bytes]:
        match payload:
            case RunStarted():
                self.panel = payload.panel
                for info in payload.agents:
                    self._join(info)
                return self.started()
            case AgentAdded(agent=info):
                return self.joined(self._join(info))
            case RunDone(status=status):
                self.status = status
                return self.ended(payload)
        return []

    def _of_agent(self, voice: StreamedAgent, payload: Payload) -> list[bytes]:
        if voice.waiting and payload.TYPE not in _LEAVES_WAITING:
            voice.note_answer(payload)
        match payload:
            case Started():
                closed = self._close(voice)
                voice.begin(payload.turn or 0, payload.attempt)
                voice.stage, voice.status = payload.stage, "running"
                self.is_queued = False
                return [*closed, *self.agent_started(voice)]
            case ToolCall():
                closed = self._close(voice)
                known = payload.call_id in voice.tools
                voice.tools[payload.call_id] = payload
                return closed if known else [*closed, *self.tool_called(voice, payload)]
            case ToolResult():
                frames = self.tool_ended(voice, payload)
                voice.tools.pop(payload.call_id, None)
                return frames
            case ApprovalRequest():
                closed = self._close(voice)
                voice.waiting[payload.call_id] = payload
                voice.asked.add(payload.call_id)
                frames = self.approval_asked(voice, payload)
                call = ToolCall(payload.call_id, payload.name, payload.arguments)
                voice.tools.setdefault(payload.call_id, call)
                return [*closed, *frames]
            case Retry(attempt=attempt):
                void, closed = list(voice.parts), self._close(voice)
                voice.status = "retrying"
                frames = self.retried(voice, payload, void)
                voice.begin(voice.turn, attempt)
                return [*closed, *frames]
            case Status(status="queued", detail=detail) if detail == WAITS_FOR_WORKER and not self.is_queued:
                self.is_queued = True
                return [*self.queued(), *self.on_agent_event(voice, payload)]
            case Progress() | Data() | Source() | File():
                return self.on_content(voice, voice.keep(payload), payload)
            case Done() | Error() | Cancelled():
                closed = self._close(voice)
                voice.status = payload.TYPE
                voice.waiting.clear()
                if isinstance(payload, Done):
                    voice.output = payload.output
                frames = self.agent_ended(voice, payload)
                voice.tools.clear()
                return [*closed, *frames]
        return self.on_agent_event(voice, payload)

    def _join(self, info: AgentInfo) -> StreamedAgent:
        voice = self.voices[info.agent_id] = StreamedAgent(info.agent_id, info.title)
        return voice

    def voice(self, agent_id: str) -> StreamedAgent:
        """Return what was heard of an agent; one whose first events were trimmed begins here."""
        found = self.voices.get(agent_id)
        if found is None:
            title = self.subscriber.titles.get(agent_id, agent_id)
            found = self.voices[agent_id] = StreamedAgent(agent_id, title, "running")
        return found

    def _close(self, voice: StreamedAgent) -> list[bytes]:
        if not voice.open:
            return []
        blocks = self.closed(voice)
        voice.open = ""
        return blocks

    def _restore(self, snapshot: Snapshot) -> Iterator[bytes]:
        """Begin anew with a run as it stands, because what led there is not in the log any more; yield its blocks."""
        self.voices.clear()
        if snapshot.panel is not None:
            panel_info = {name: getattr(snapshot.panel, name) for name in PanelInfo.__struct_fields__}
            self.panel = PanelInfo(**panel_info)
        for agent_id in snapshot.agents:
            self.voices[agent_id] = StreamedAgent(agent_id, self.subscriber.titles.get(agent_id, agent_id))
        self.is_queued = snapshot.status == "queued"
        yield from self.started()
        for agent_id, agent in snapshot.agents.items():
            yield from self._restore_agent(self.voices[agent_id], agent)
        if snapshot.status not in OPEN_STATUSES:
            self.status = snapshot.status
            outcomes = {
                name: AgentOutcome(agent.status, agent.attempt) for name, agent in snapshot.agents.items()
            }
            metrics = RunMetrics(0, sum(len(a.text) for a in snapshot.agents.values()), None, None, 0)
            yield from self.ended(RunDone(snapshot.status, outcomes, metrics))

    def _restore_agent(self, voice: StreamedAgent, agent: AgentSnapshot) -> Iterator[bytes]:
        voice.begin(agent.turn or 0, agent.attempt)
        voice.stage = agent.stage
        if agent.status == "queued":
            return
        voice.status = "running"
        yield from self.agent_started(voice)
        if agent.text:
            voice.begin_part("text")
            yield from self.opened(voice)
            yield self.delta(voice, encode_json(agent.text))
        content: list[Content] = [*agent.progress, *agent.data, *agent.sources, *agent.files]
        for each in content:
            yield from self.on_content(voice, voice.keep(each), each)
        if (ending := ending_of(agent)) is not None:
            yield from self._of_agent(voice, ending)

    # ── what a dialect says ──────────────────────────────────────────────────────────────────

    def copy_from(self, other: Self) -> None:
        """Take over what a dialect has noted beside what every fold has; nothing that changes is shared."""

    def started(self) -> list[bytes]:
        """Return the blocks for the run's start; `voices` and `panel` are known."""
        return []

    def queued(self) -> list[bytes]:
        """Return the blocks for a run that waits for a worker."""
        return []

    def joined(self, voice: StreamedAgent) -> list[bytes]:
        return []

    def agent_started(self, voice: StreamedAgent) -> list[bytes]:
        return []

    def opened(self, voice: StreamedAgent) -> list[bytes]:
        """Return the blocks that begin a part of kind `voice.open`; sets what is before and after its pieces."""
        return []

    def delta(self, voice: StreamedAgent, text: bytes) -> bytes:
        """Return the block of a piece of text, which is given as a JSON string."""
        return voice.head + text + voice.tail

    def closed(self, voice: StreamedAgent) -> list[bytes]:
        """Return the blocks that end the open part."""
        return []

    def tool_called(self, voice: StreamedAgent, call: ToolCall) -> list[bytes]:
        return []

    def tool_ended(self, voice: StreamedAgent, result: ToolResult) -> list[bytes]:
        return []

    def approval_asked(self, voice: StreamedAgent, asked: ApprovalRequest) -> list[bytes]:
        """Return the blocks of a question; its tool may not have been shown yet."""
        return []

    def on_content(self, voice: StreamedAgent, name: str, said: Content) -> list[bytes]:
        """Return the blocks of what is neither text nor a tool; a later one of the same *name* replaces it."""
        return []

    def on_agent_event(self, voice: StreamedAgent, payload: Payload) -> list[bytes]:
        """Return the blocks of any other event of an agent, such as the answer to an approval."""
        return []

    def retried(self, voice: StreamedAgent, retry: Retry, void: list[str]) -> list[bytes]:
        """Return the blocks that declare the parts *void* to be of no account."""
        return []

    def agent_ended(self, voice: StreamedAgent, ending: Done | Error | Cancelled) -> list[bytes]:
        return []

    def on_panel_event(self, payload: Payload) -> list[bytes]:
        return []

    def ended(self, done: RunDone) -> list[bytes]:
        """Return the run's last blocks."""
        return []

    def pause(self) -> list[bytes]:
        """Return the blocks that end an answer while the run waits for an approval."""
        return []

    def reopen(self) -> list[bytes]:
        """Return the blocks by which a new connection, whose parser knows nothing, takes up what is open."""
        blocks = self.started()
        for voice in self.voices.values():
            if voice.status != "queued":
                blocks += self.agent_started(voice)
            if voice.open:
                blocks += self.opened(voice)
        return blocks

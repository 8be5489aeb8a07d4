"""The thread of a graph with a checkpointer: what the graph remembers of a conversation, and how it is put back."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import structlog

from ..base import AgentInput
from ..json_values import plain
from ..tasks import uninterrupted
from .final_state import is_unfinished, messages_in

log = structlog.get_logger(__name__)

CLEAN_UP_SECONDS = 4.0
"""Limit of putting a thread back; the pump waits a little longer before it cancels again."""
MAX_STEPS_SINCE = 100
"""How many checkpoints are looked through for the one at which a graph that has ended since had waited."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """Where a graph stands that waits for an answer, by which another process finds it.

    Attributes:
        before: The checkpoint before the turn; None if there was none. at: The one at which it waits.
        stood: What had been kept beside that one, and in graphs within the graph; None once it was let go on.
    """

    thread: str
    before: str | None
    at: str | None
    stood: str | None = None

    def left(self) -> Standstill:
        """Return it as it is once what was asked is answered."""
        return replace(self, stood=None)

    def anchor(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))


def standstill_of(anchor: str | None) -> Standstill | None:
    """Read an anchor; what is none of a graph's is nothing to go on from."""
    try:
        return Standstill(**json.loads(anchor or ""))
    except (ValueError, TypeError):
        return None


@dataclass(slots=True)
class Recalled:
    """What the checkpointer has of a turn that another process began.

    Attributes:
        waits: Whether it waits; it has come to its end otherwise. final: The graph's state, or its value.
        said: Its messages, as `(place, message)`, with the place of the graph within the graph that said it.
        output: The structured answer, if there is one.
    """

    waits: bool
    final: Any
    interrupts: tuple[Any, ...]
    said: list[tuple[str, Any]] = field(default_factory=list)
    output: Any = None


class GraphThread:
    """One thread of a compiled graph, which an attempt that does not end well leaves as it was.

    Args:
        graph: Compiled with a checkpointer. config: The graph's `RunnableConfig` with the thread's id.
    """

    def __init__(self, graph: Any, config: dict[str, Any]) -> None:
        self._graph = graph
        self._config = config
        self._before: str | None = None

    async def open(self, left: Standstill | None) -> Literal["waits", "ended"] | None:
        """Note how the thread stands before the turn; return how it stands if a lost worker *left* it so.

        It may have come to its end since, in the same turn. Whatever else has happened to it is none of both: an
        answer that was kept, a later checkpoint, a thread that was put back.
        """
        state = await self.state()
        at = _checkpoint_of(state)
        self._before = at if left is None else left.before
        if left is None or at is None or left.at is None or not await self._has(left.before):
            return None
        if at == left.at:
            return "waits" if left.stood is not None and left.stood == await self._stood(state) else None
        return "ended" if not is_unfinished(state) and await self._is_since(left.at, state) else None

    async def state(self) -> Any:
        """Return the graph's newest state, and those of the graphs within it that have not ended."""
        return await self._graph.aget_state(self._config, subgraphs=True)

    async def standstill(self, state: Any) -> Standstill:
        """Return where the graph stands, by its *state*."""
        thread = self._config["configurable"]["thread_id"]
        return Standstill(thread, self._before, _checkpoint_of(state), await self._stood(state))

    async def recall(self, *, waits: bool) -> Recalled:
        """Return what the checkpointer has of this turn."""
        state = await self.state()
        before = None
        if self._before is not None:
            before = (await self._graph.aget_state(self._at(self._before))).values
        # Until it has ended, the value of a functional graph is that of the turn before.
        is_stale = waits and getattr(self._graph, "builder", None) is None
        values = None if is_stale else state.values
        found = Recalled(waits, values, tuple(state.interrupts))
        if isinstance(values, dict) and (output := values.get("structured_response")) is not None:
            last = before.get("structured_response") if isinstance(before, dict) else None
            found.output = None if plain(output) == plain(last) else plain(output)
        known = messages_in(before)
        heard = {_id_of(each) for each in known} - {None}
        for number, (place, message) in enumerate(_said_in(values, state)):
            key = _id_of(message)
            if key in heard or (key is None and number < len(known) and message == known[number]):
                continue
            heard |= {key} - {None}
            found.said.append((place, message))
        return found

    async def _stood(self, state: Any) -> str:
        """Return a digest of what is kept beside the checkpoints at which the graph and those within it stand.

        An answer is kept beside the checkpoint of its question, so that the checkpoint alone tells nothing.
        """
        kept: list[tuple[str, ...]] = []
        for each in _states_in(state):
            place = str(each.config["configurable"].get("checkpoint_ns", ""))
            kept.append((place, str(_checkpoint_of(each))))
            found = await self._graph.checkpointer.aget_tuple(each.config)
            for task, channel, value in (found.pending_writes or ()) if found is not None else ():
                count = len(value) if isinstance(value, list | tuple) else 1
                kept.append((place, str(task), str(channel), str(count)))
        return hashlib.sha256(json.dumps(sorted(kept)).encode()).hexdigest()

    async def _is_since(self, at: str, state: Any) -> bool:
        """Return whether nothing but the graph's own steps led from the checkpoint *at* to this *state*."""
        place: Any = state.config
        for _ in range(MAX_STEPS_SINCE):
            found = await self._graph.checkpointer.aget_tuple(place) if place else None
            if found is None:
                return False
            if found.config["configurable"].get("checkpoint_id") == at:
                return True
            if found.metadata.get("source") != "loop":
                return False
            place = found.parent_config
        return False

    async def _has(self, checkpoint: str | None) -> bool:
        """Return whether the checkpointer still has a checkpoint; None is before the first."""
        return (
            checkpoint is None or await self._graph.checkpointer.aget_tuple(self._at(checkpoint)) is not None
        )

    def _at(self, checkpoint: str) -> dict[str, Any]:
        place = {**self._config["configurable"], "checkpoint_ns": "", "checkpoint_id": checkpoint}
        return {**self._config, "configurable": place}

    async def put_back(self) -> None:
        """Let the thread be as it was; a cancel of the caller waits for that, and is passed on then."""
        try:
            await uninterrupted(self._put_back(), CLEAN_UP_SECONDS)
        except Exception as exc:  # noqa: BLE001 - a checkpointer of the user's: the agent's own failure matters more
            log.warning("langgraph_thread_not_put_back", error=type(exc).__name__)

    async def _put_back(self) -> None:
        configurable = self._config["configurable"]
        if self._before is None:
            await self._graph.checkpointer.adelete_thread(configurable["thread_id"])
        elif await self._has(self._before):
            # A copy of the checkpoint becomes the newest of the thread.
            await self._graph.aupdate_state(self._at(self._before), None, as_node="__copy__")


def _checkpoint_of(state: Any) -> str | None:
    found = state.config["configurable"].get("checkpoint_id")
    return found if isinstance(found, str) else None


def _states_in(state: Any) -> Iterator[Any]:
    """Yield a state, and those of the graphs within that graph."""
    yield state
    for task in state.tasks:
        if hasattr(task.state, "tasks"):
            yield from _states_in(task.state)


def _said_in(values: Any, state: Any) -> Iterator[tuple[str, Any]]:
    """Yield the messages in *values*, and those of nodes that have run beside one that asks, or within it."""
    place = str(state.config["configurable"].get("checkpoint_ns", ""))
    for message in messages_in(values):
        yield place, message
    for task in state.tasks:
        inner = task.state if hasattr(task.state, "tasks") else None
        # A graph within the graph that remembers by itself has no task's id in its place: it has earlier turns, too.
        if inner is not None and str(inner.config["configurable"].get("checkpoint_ns", "")).endswith(task.id):
            yield from _said_in(inner.values, inner)
        for message in messages_in(getattr(task, "result", None)):
            yield place, message


def _id_of(message: Any) -> str | None:
    found = getattr(message, "id", None)
    return found if isinstance(found, str) else None


def thread_of(request: AgentInput) -> str:
    """Return the id of the thread that an attempt goes on with; one of its own outside of a conversation."""
    if (left := standstill_of(request.anchor)) is not None:
        return left.thread
    if request.conversation_id is None:
        return str(uuid.uuid4())
    return f"{request.conversation_id}/{request.agent_id}"

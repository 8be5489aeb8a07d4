"""The thread of a graph with a checkpointer: what the graph remembers of a conversation, and how it is put back."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from ..base import AgentInput
from ..tasks import uninterrupted
from .final_state import is_unfinished

log = structlog.get_logger(__name__)

CLEAN_UP_SECONDS = 4.0
"""Limit of putting a thread back; the pump waits a little longer before it cancels again."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """Where a graph stands that waits for an answer, by which another process finds it.

    Attributes:
        before: The checkpoint before the turn; None if there was none. at: The one at which it waits.
    """

    thread: str
    before: str | None
    at: str | None

    def anchor(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))


def standstill_of(anchor: str | None) -> Standstill | None:
    """Read an anchor; what is none of a graph's is nothing to go on from."""
    try:
        return Standstill(**json.loads(anchor or ""))
    except (ValueError, TypeError):
        return None


class GraphThread:
    """One thread of a compiled graph, which an attempt that does not end well leaves as it was.

    Args:
        graph: Compiled with a checkpointer. config: The graph's `RunnableConfig` with the thread's id.
    """

    def __init__(self, graph: Any, config: dict[str, Any]) -> None:
        self._graph = graph
        self._config = config
        self._before: str | None = None

    async def open(self, left: Standstill | None) -> bool:
        """Note how the thread stands before the turn; return whether it is where a lost worker *left* it.

        It is, too, if the graph has come to its end since.
        """
        state = await self.state()
        at = _checkpoint_of(state)
        self._before = at if left is None else left.before
        return left is not None and at is not None and (at == left.at or not is_unfinished(state))

    async def state(self) -> Any:
        """Return the graph's newest state."""
        return await self._graph.aget_state(self._config)

    def standstill(self, state: Any) -> Standstill:
        """Return where the graph stands, by its *state*."""
        return Standstill(self._config["configurable"]["thread_id"], self._before, _checkpoint_of(state))

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
        else:
            # A copy of the checkpoint becomes the newest of the thread.
            place = {**configurable, "checkpoint_ns": "", "checkpoint_id": self._before}
            await self._graph.aupdate_state({**self._config, "configurable": place}, None, as_node="__copy__")


def _checkpoint_of(state: Any) -> str | None:
    found = state.config["configurable"].get("checkpoint_id")
    return found if isinstance(found, str) else None


def thread_of(request: AgentInput) -> str:
    """Return the id of the thread that an attempt goes on with; one of its own outside of a conversation."""
    if (left := standstill_of(request.anchor)) is not None:
        return left.thread
    if request.conversation_id is None:
        return str(uuid.uuid4())
    return f"{request.conversation_id}/{request.agent_id}"

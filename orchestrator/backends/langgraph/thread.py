"""The thread of a graph with a checkpointer: what the graph remembers of a conversation, and how it is put back."""

from __future__ import annotations

import uuid
from typing import Any

import structlog

from ..base import AgentInput
from ..tasks import uninterrupted

log = structlog.get_logger(__name__)

CLEAN_UP_SECONDS = 4.0
"""Limit of putting a thread back; the pump waits a little longer before it cancels again."""


class GraphThread:
    """One thread of a compiled graph, which an attempt that does not end well leaves as it was.

    Args:
        graph: Compiled with a checkpointer. config: The graph's `RunnableConfig` with the thread's id.
    """

    def __init__(self, graph: Any, config: dict[str, Any]) -> None:
        self._graph = graph
        self._config = config
        self._before: Any = None

    async def open(self) -> None:
        """Note how the thread stands."""
        self._before = await self._graph.aget_state(self._config)

    async def upcoming(self) -> tuple[str, ...]:
        """Return the nodes that would run next."""
        return tuple((await self._graph.aget_state(self._config)).next)

    async def put_back(self) -> None:
        """Let the thread be as it was; a cancel of the caller waits for that, and is passed on then."""
        try:
            await uninterrupted(self._put_back(), CLEAN_UP_SECONDS)
        except Exception as exc:  # noqa: BLE001 - a checkpointer of the user's: the agent's own failure matters more
            log.warning("langgraph_thread_not_put_back", error=type(exc).__name__)

    async def _put_back(self) -> None:
        before = (
            self._before.config["configurable"].get("checkpoint_id") if self._before is not None else None
        )
        if before is None:
            checkpointer = self._graph.checkpointer
            await checkpointer.adelete_thread(self._config["configurable"]["thread_id"])
        else:
            # A copy of the checkpoint becomes the newest of the thread.
            await self._graph.aupdate_state(self._before.config, None, as_node="__copy__")


def thread_of(request: AgentInput) -> str:
    """Return the id of the thread that an attempt goes on with; one of its own outside of a conversation."""
    if request.conversation_id is None:
        return str(uuid.uuid4())
    return f"{request.conversation_id}/{request.agent_id}"

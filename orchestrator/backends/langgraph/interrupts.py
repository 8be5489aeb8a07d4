"""What a graph that stands still asks, and how it goes on: its interrupts, and breakpoints before or after a node."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from ...errors import AgentError
from ...events.agent import ApprovalRequest
from ..base import AgentInput
from ..graph_interrupts import answer_to_graph, asked_by_graph
from ..json_values import as_json
from .reading import GraphReading


class GraphInterrupts:
    """Asks all that a graph waits for at one point.

    Args:
        reading: Of the graph's stream up to there.
    """

    def __init__(self, request: AgentInput, reading: GraphReading) -> None:
        self._request = request
        self._reading = reading
        self._answers: dict[str, Any] = {}

    async def ask(self, upcoming: tuple[str, ...]) -> AsyncGenerator[ApprovalRequest, None]:
        """Ask, and keep the answers; of a breakpoint, whether the *upcoming* nodes may run.

        Raises:
            AgentError: Nobody answered, or somebody said no to a breakpoint, which has no other way to go on.
        """
        for number, (interrupt_id, value) in enumerate(self._reading.interrupts):
            call_id = interrupt_id or f"interrupt.{number}"
            yield ApprovalRequest(call_id, *asked_by_graph(value))
            approve = await self._request.approve(call_id)
            self._answers[interrupt_id] = answer_to_graph(value, approve, self._request.reasons.get(call_id))
        if not self._reading.interrupts:
            names = ", ".join(upcoming) or "end"
            call_id = f"before.{names}"
            yield ApprovalRequest(call_id, names, as_json({"next": list(upcoming)}))
            if not await self._request.approve(call_id):
                refused = "Somebody did not let the graph go on beyond its breakpoint."
                raise AgentError("upstream_rejected", refused, retryable=False)

    def resume(self, command: Any) -> Any:
        """Return what the graph is run with to go on; None beyond a breakpoint."""
        if not self._answers:
            return None
        only = next(iter(self._answers.values())) if len(self._answers) == 1 else self._answers
        return command(resume=only)

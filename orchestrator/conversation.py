"""What an agent remembers between the runs of a conversation, in this process's memory.

Only answers that ended well become turns, so a cancelled or failed run leaves no trace. One run
at a time holds a conversation; a second one is refused with `Conflict`, because two answers to
different questions in one history would make both wrong.
"""

from __future__ import annotations

from collections import OrderedDict

from .backends.base import Turn
from .errors import Conflict

MAX_CONVERSATIONS = 10_000
"""The conversation unused for longest goes first beyond this: a memory guard."""

MAX_TURNS = 200
"""Turns kept per agent; the oldest go first."""


class Conversations:
    """Turns by conversation and agent."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, dict[str, list[Turn]]] = OrderedDict()
        self._held_by: dict[str, str] = {}

    def hold(self, conversation_id: str, run_id: str) -> None:
        """Take the conversation for a run.

        Raises:
            Conflict: Another run has it; the message names that run.
        """
        holder = self._held_by.get(conversation_id)
        if holder is not None:
            raise Conflict(
                f"Conversation {conversation_id!r} is busy with {holder}; wait for its end or cancel it."
            )
        self._held_by[conversation_id] = run_id
        self._turns.setdefault(conversation_id, {})
        self._turns.move_to_end(conversation_id)
        while len(self._turns) > MAX_CONVERSATIONS:
            self._turns.popitem(last=False)

    def release(self, conversation_id: str, run_id: str) -> None:
        """Let the next run in, where *run_id* holds the conversation."""
        if self._held_by.get(conversation_id) == run_id:
            del self._held_by[conversation_id]

    def history(self, conversation_id: str, agent_id: str) -> tuple[Turn, ...]:
        """Return the agent's own earlier turns, oldest first."""
        return tuple(self._turns.get(conversation_id, {}).get(agent_id, ()))

    def add(self, conversation_id: str, agent_id: str, turn: Turn) -> None:
        """Remember a turn that ended well."""
        turns = self._turns.setdefault(conversation_id, {}).setdefault(agent_id, [])
        turns.append(turn)
        del turns[:-MAX_TURNS]

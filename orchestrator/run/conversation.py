"""The memory of an agent between the runs of a conversation. Owns no storage: a `RunStore` keeps it.

Only answers that ended well become turns, so a cancelled or failed run leaves no trace. One run
at a time holds a conversation; a second one is refused by the supervisor, because two answers to
different questions in one history would make both wrong.
"""

from __future__ import annotations

import asyncio

import msgspec

from ..backends.base import Turn
from ..errors import Gone
from ..eventlog.run_store import RunStore

MAX_TURNS = 200
"""Turns kept per agent; the oldest go first."""

MAX_TURN_BYTES = 4 * 1024 * 1024
"""Of an agent's turns: more than any model reads, and all of them are read for each question."""

DECODED_BYTES = 256 * 1024
"""Of turns, decoded in one round of the event loop."""


class Conversations:
    """Turns by conversation and agent. Raises LogUnavailable if the store does not answer."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def hold(self, conversation_id: str, run_id: str) -> str:
        """Take the conversation for a run if nobody has it; return the run that has it now."""
        return await self._store.hold_conversation(conversation_id, run_id)

    async def release(self, conversation_id: str, run_id: str) -> None:
        """Let the next run in, if *run_id* holds the conversation."""
        await self._store.release_conversation(conversation_id, run_id)

    async def holder(self, conversation_id: str) -> str | None:
        """Return the running run that has the conversation; None if it is free."""
        return await self._store.holder_of(conversation_id)

    async def drop_run(self, conversation_id: str, run_id: str) -> None:
        """Forget what a run added."""
        await self._store.drop_turns(conversation_id, lambda turn: _run_of(turn) == run_id)

    async def forget(self, conversation_id: str) -> bool:
        """Forget all turns; False if there was nothing."""
        return await self._store.forget_conversation(conversation_id)

    async def history(
        self, conversation_id: str, agent_id: str, branch: tuple[str, ...] | None = None
    ) -> tuple[Turn, ...]:
        """Return the agent's own earlier turns, oldest first.

        If a run asked the same again (a retry), only the newest answer: what was said before is void.

        Args:
            branch: Only the turns of these runs; None: of all.
        """
        turns: list[Turn] = []
        size = decoded = 0
        for each in reversed(await self._store.turns(conversation_id, agent_id)):
            size, decoded = size + len(each), decoded + len(each)
            if turns and size > MAX_TURN_BYTES:
                break  # another release kept more
            if decoded > DECODED_BYTES:
                decoded = len(each)
                await asyncio.sleep(0)
            turn = _decoded(each)
            if turn is not None and (branch is None or turn.run_id in branch):
                turns.append(turn)
        turns.reverse()
        last = {(turn.run_id, turn.message): at for at, turn in enumerate(turns)}
        return tuple(
            turn
            for at, turn in enumerate(turns)
            if turn.run_id is None or last[turn.run_id, turn.message] == at
        )

    async def add(self, conversation_id: str, agent_id: str, turn: Turn) -> None:
        """Remember a turn that ended well, unless its run was deleted meanwhile."""
        if turn.run_id is not None:
            try:
                await self._store.find_run(turn.run_id)
            except Gone:
                return
        kept = msgspec.json.encode(turn)
        await self._store.add_turn(conversation_id, agent_id, kept, keep=MAX_TURNS, keep_bytes=MAX_TURN_BYTES)


def _decoded(turn: bytes) -> Turn | None:
    try:
        return msgspec.json.decode(turn, type=Turn)
    except msgspec.MsgspecError:
        return None  # of another release: a conversation goes on without it, rather than not at all


class _Turn(msgspec.Struct):
    run_id: str | None = None


def _run_of(turn: bytes) -> str | None:
    try:
        return msgspec.json.decode(turn, type=_Turn).run_id
    except msgspec.MsgspecError:
        return None  # no turn of a conversation

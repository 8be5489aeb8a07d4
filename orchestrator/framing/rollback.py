"""A run's state as it stood some events ago, from what it is now: a late reader need not hear all that led there.

Owns no reading. What cannot be known any more is left empty: the words of an attempt that another one has followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from ..eventlog.base import Entry
from ..events.agent import Cancelled, Done, Error, Retry, Started, Token
from ..events.base import PANEL, AgentStatus
from ..events.encoding import decode_payload, decode_to_pass_on
from ..events.run import AgentAdded, RunDone
from ..events.snapshot import AgentSnapshot, Snapshot


@dataclass(slots=True)
class _Earlier:
    """What later events tell of an agent before them; None if they leave it as it is."""

    chars: int = 0
    """Said in `Token`s of the attempt that was under way."""
    status: AgentStatus | None = None
    attempt: int | None = None
    turn: int | None = None
    has_begun_anew: bool = False
    """Whether a further attempt or turn has begun, so that the text of now is not that of then."""

    def hear(self, entry: Entry) -> None:
        """Take in one of the agent's later events, in order."""
        payload = decode_to_pass_on(entry.agent_id, entry.type, entry.data)
        match payload:
            case Token(parent=None) if self.status is None:
                self.chars += len(payload.text)
            case Retry(attempt=attempt):
                self.has_begun_anew = True
                self._was("running", attempt - 1)
            case Started(attempt=attempt, turn=turn):
                self.has_begun_anew = True
                if turn and attempt == 1:
                    self._was("done", attempt, turn - 1)
                else:
                    self._was("queued", attempt)
            case Done(attempt=attempt) | Error(attempt=attempt) | Cancelled(attempt=attempt):
                self._was("running", attempt)

    def _was(self, status: AgentStatus, attempt: int, turn: int | None = None) -> None:
        if self.status is None:
            self.status, self.attempt, self.turn = status, attempt, turn

    def of(self, agent: AgentSnapshot) -> AgentSnapshot:
        """Return *agent* as it was."""
        text = "" if self.has_begun_anew else agent.text[: len(agent.text) - self.chars]
        attempt = agent.attempt if self.attempt is None else self.attempt
        turn = agent.turn if self.turn is None else self.turn
        return replace(agent, status=self.status or agent.status, attempt=attempt, turn=turn, text=text)


def rolled_back(snapshot: Snapshot, later: Sequence[Entry]) -> Snapshot:
    """Return *snapshot* as it stood before *later*: all events of its run up to its `last_event_id`."""
    earlier: dict[str, _Earlier] = {}
    status, added = snapshot.status, set[str]()
    for entry in later:
        if entry.agent_id is None:
            match decode_payload(None, entry.type, entry.data):
                case AgentAdded(agent=info):
                    added.add(info.agent_id)
                case RunDone():
                    status = "running"
        elif entry.agent_id != PANEL:
            earlier.setdefault(entry.agent_id, _Earlier()).hear(entry)
    agents = {
        agent_id: earlier[agent_id].of(agent) if agent_id in earlier else agent
        for agent_id, agent in snapshot.agents.items()
        if agent_id not in added
    }
    return replace(snapshot, status=status, agents=agents)

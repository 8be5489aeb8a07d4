"""The agents of one run, made ready: who they are, what they remember, what they may spend, their pumps.

Starts nothing: the run owns the tasks, and says when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..agent.budget import Budget
from ..agent.mailbox import Mailbox
from ..agent.pump import Pump
from ..backends.base import AgentInput, Turn
from ..events.agent import TERMINALS
from ..events.base import Payload
from ..events.run import AgentInfo
from ..telemetry.observer import Observer
from .blind import BlindNames, BlindRecords
from .conversation import Conversations
from .merge import Batch
from .panel import TurnRequest
from .registry import AgentRegistry
from .spec import RunSpec
from .state import Participant


@dataclass(slots=True)
class AgentTask:
    """What moves one agent."""

    pump: Pump
    mailbox: Mailbox


class RunAgents:
    """Everybody who may be asked in a run.

    Args:
        blind_records: Keep the truth about a blind run.
    Attributes:
        blind_names: The names in a blind run; None in any other.
    """

    def __init__(
        self,
        spec: RunSpec,
        registry: AgentRegistry,
        conversations: Conversations,
        observer: Observer,
        *,
        blind_records: BlindRecords | None = None,
    ) -> None:
        self._spec = spec
        self._registry = registry
        self._conversations = conversations
        self._observer = observer
        self._blind_records = blind_records
        self._budget = Budget("run", max_output_tokens=spec.max_output_tokens, max_cost=spec.max_cost)
        self._budgets: dict[str, Budget] = {}
        self._history: dict[str, tuple[Turn, ...]] = {}
        self.blind_names = BlindNames(spec.agents) if spec.blind else None

    def opening(self) -> list[AgentInfo]:
        """Describe those that the run begins with."""
        if self.blind_names is not None:
            return self.blind_names.infos()
        return [self._registry.info(a) for a in self._spec.agents if a in self._registry.agents]

    def info(self, agent_id: str) -> AgentInfo:
        """Describe an agent that joins."""
        return self._registry.info(agent_id)

    def title(self, agent_id: str) -> str:
        """Return the name that people see of an agent that need not take part."""
        settings = self._registry.agents.get(agent_id)
        return agent_id if settings is None else settings.title

    def knows(self, agent_id: str) -> bool:
        """Whether the agent is configured on this worker."""
        return self._configured(agent_id) in self._registry.agents

    def may_restart(self, agent_id: str) -> bool:
        """Whether a lost attempt of the agent may be repeated."""
        settings = self._registry.agents.get(self._configured(agent_id))
        return settings is not None and settings.on_worker_lost == "restart"

    async def recall(self, agent_id: str) -> None:
        """Read what the agent remembers of the conversation. Raises LogUnavailable."""
        conversation = self._spec.conversation_id
        if conversation and agent_id not in self._history:
            turns = await self._conversations.history(conversation, self._configured(agent_id))
            self._history[agent_id] = turns

    def prepare(
        self,
        participant: Participant,
        announce: Payload | None = None,
        asked: TurnRequest | None = None,
        anchor: str | None = None,
    ) -> AgentTask:
        """Make the pump of an agent's next attempts.

        Args:
            announce: Said before anything of its own.
            asked: What a panel asks; the run's message unless given.
            anchor: What a lost worker has begun upstream.
        """
        agent_id = participant.info.agent_id
        configured = self._configured(agent_id)
        settings = self._registry.agents[configured]
        mailbox = Mailbox(agent_id, limit=settings.limits.mailbox, coalesce_s=settings.coalesce_ms / 1000)
        if announce is not None:
            mailbox.post(announce)
        spec = self._spec
        request = AgentInput(
            message=asked.message if asked else spec.message,
            run_id=spec.run_id,
            agent_id=configured,
            attempt=participant.attempt,
            conversation_id=spec.conversation_id,
            images=spec.images,
            history=self._history.get(agent_id, ()),
            part=asked.part if asked else None,
            anchor=anchor,
        )

        async def remember(turn: Turn) -> None:
            if spec.conversation_id and (asked is None or asked.remember):
                # What the user asked, not what a panel made of it; a backend's own memory holds that, too.
                memory = turn.memory if turn.message == spec.message else None
                kept = replace(turn, message=spec.message, memory=memory)
                await self._conversations.add(spec.conversation_id, configured, kept)

        pump = Pump(
            settings,
            lambda: self._registry.backend(configured),
            request,
            mailbox,
            budget=self._budget_of(agent_id),
            observer=self._observer,
            on_done=remember,
        )
        return AgentTask(pump, mailbox)

    async def seal(self, agent_id: str, terminal: Payload | None = None) -> None:
        """Keep what a blind run does not tell of an agent. Raises LogUnavailable."""
        if self.blind_names is not None and self._blind_records is not None and self.knows(agent_id):
            info = self._registry.info(self._configured(agent_id))
            await self._blind_records.seal(self._spec.run_id, agent_id, info, terminal)

    async def seal_ended(self, batches: Sequence[Batch]) -> None:
        """Keep what a blind run does not tell of endings that are about to be logged. Raises LogUnavailable."""
        for agent_id, events in batches:
            for payload in events:
                if isinstance(payload, TERMINALS):
                    await self.seal(agent_id, payload)

    def _configured(self, agent_id: str) -> str:
        return self.blind_names.configured(agent_id) if self.blind_names is not None else agent_id

    def _budget_of(self, agent_id: str) -> Budget:
        if agent_id not in self._budgets:
            limits = self._registry.agents[self._configured(agent_id)].limits
            self._budgets[agent_id] = Budget(
                "agent",
                max_output_tokens=limits.max_output_tokens,
                max_cost=limits.max_cost,
                parent=self._budget,
            )
        return self._budgets[agent_id]

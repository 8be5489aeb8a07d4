"""The agents of one run: who they are, what they remember, what they may spend, what moves them.

Starts nothing: the run owns the tasks, and says when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..agent.budget import Budget
from ..agent.mailbox import Mailbox
from ..agent.pump import Listeners, Pump
from ..backends.base import AgentInput, Turn
from ..events.agent import TERMINALS
from ..events.base import Payload
from ..events.run import AgentInfo, RunStarted
from ..telemetry.observer import Observer
from .blind import BlindNames, BlindRecords
from .content_state import ContentState
from .conversation import Conversations
from .merge import Batch
from .panel import TurnRequest, info_of
from .state import Participant, RunState
from .variants import KnownAgents


@dataclass(slots=True)
class AgentTask:
    """The pump and mailbox that move one agent through its next attempts."""

    pump: Pump
    mailbox: Mailbox


class RunAgent:
    """All that is known of one agent of a run.

    Attributes:
        participant: What its logged events say; None before it takes part.
        budget: What it may spend in this run, all attempts together.
        history: What it remembers of the conversation; None before that was read.
        asked: What a panel asks it in its newest turn; None means the run's message.
        task: What moves it; None before its first attempt is prepared.
    """

    __slots__ = ("agent_id", "asked", "budget", "history", "participant", "task")

    def __init__(self, agent_id: str, budget: Budget) -> None:
        self.agent_id = agent_id
        self.budget = budget
        self.participant: Participant | None = None
        self.history: tuple[Turn, ...] | None = None
        self.asked: TurnRequest | None = None
        self.task: AgentTask | None = None

    @property
    def is_at_rest(self) -> bool:
        """Whether it takes part, has ended, and all that it said is in the log."""
        if self.participant is None or not self.participant.ended:
            return False
        return self.task is None or self.task.mailbox.drained


class RunAgents:
    """Everybody who may be asked in a run.

    Args:
        state: Its participants are what the agents' logged events say.
        registry: Who can be asked in this run.
        blind_records: Keep the truth about a blind run.
    Attributes:
        blind_names: The names in a blind run; None in any other.
    """

    def __init__(
        self,
        state: RunState,
        registry: KnownAgents,
        conversations: Conversations,
        observer: Observer,
        *,
        blind_records: BlindRecords | None = None,
    ) -> None:
        self._state = state
        self._spec = spec = state.spec
        self._registry = registry
        self._conversations = conversations
        self._observer = observer
        self._blind_records = blind_records
        self._budget = Budget("run", max_output_tokens=spec.max_output_tokens, max_cost=spec.max_cost)
        self._agents: dict[str, RunAgent] = {}
        self._restless: RunAgent | None = None
        self.blind_names = BlindNames(spec.run_id, spec.agents) if spec.blind else None
        self._withheld: dict[str, ContentState] = {}

    def __iter__(self) -> Iterator[RunAgent]:
        """Go through all that take part, in the order in which they joined."""
        return iter([self[agent_id] for agent_id in self._state.participants])

    def __getitem__(self, agent_id: str) -> RunAgent:
        """Return what is known of an agent, whether or not it takes part yet."""
        agent = self._agents.get(agent_id)
        if agent is None:
            agent = self._agents[agent_id] = RunAgent(agent_id, self._budget_of(agent_id))
        if agent.participant is None:
            agent.participant = self._state.participants.get(agent_id)
        return agent

    @property
    def all_at_rest(self) -> bool:
        """Whether everybody that takes part has ended, and all that they said is in the log."""
        if self._restless is not None and not self._restless.is_at_rest:
            return False  # this is asked after each token, and who was at work a moment ago mostly still is
        self._restless = next(
            (agent for agent_id in self._state.participants if not (agent := self[agent_id]).is_at_rest), None
        )
        return self._restless is None

    def join(self, info: AgentInfo) -> RunAgent:
        """Let an agent take part; one that does already stays as it is."""
        self._observer.agent_state(info.configured, None, "queued")
        self._state.join(info)
        return self[info.agent_id]

    def opening(self, infos: list[AgentInfo] | None = None) -> RunStarted:
        """Return the run's first event, which says who takes part: *infos*, if they are known already."""
        spec = self._spec
        panel = None if spec.panel is None else info_of(spec.panel, spec)
        return RunStarted(
            spec.run_id, spec.channel, self.infos() if infos is None else infos, panel, spec.blind
        )

    def infos(self) -> list[AgentInfo]:
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
        if conversation and self[agent_id].history is None:
            self[agent_id].history = await self._conversations.history(
                conversation, self._configured(agent_id), self._spec.branch
            )

    def prepare(
        self, agent: RunAgent, *, announce: Payload | None = None, anchor: str | None = None
    ) -> AgentTask:
        """Make what moves an agent through its next attempts, so that it can be cancelled before it begins.

        Args:
            announce: Said before anything of its own.
            anchor: What a lost worker has begun upstream.
        """
        agent_id, asked = agent.agent_id, agent.asked
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
            attempt=1 if agent.participant is None else agent.participant.attempt,
            conversation_id=spec.conversation_id,
            images=spec.images,
            history=agent.history or (),
            part=asked.part if asked else None,
            anchor=anchor,
            depth=spec.depth,
        )

        on_done = None
        if spec.conversation_id and (asked is None or asked.remember):
            on_done = partial(self._remember, spec.conversation_id, configured)
        pump = Pump(
            settings,
            partial(self._registry.backend, configured),
            request,
            mailbox,
            budget=agent.budget,
            # What it takes, by its own name, would say before the vote who it is.
            listeners=Listeners(
                self._observer if self.blind_names is None else Observer(),
                on_done,
                traceparent=self._traceparent,
            ),
        )
        agent.task = AgentTask(pump, mailbox)
        return agent.task

    async def _remember(self, conversation_id: str, configured: str, turn: Turn) -> None:
        """Keep a turn of an agent: what the user asked, not what a panel made of it. Raises LogUnavailable."""
        # A backend's own memory holds what the panel made of it, too.
        memory = turn.memory if turn.message == self._spec.message else None
        kept = replace(turn, message=self._spec.message, memory=memory)
        await self._conversations.add(conversation_id, configured, kept)

    def _traceparent(self) -> str | None:
        return self._observer.traceparent(self._state.facts) or self._spec.traceparent

    async def seal(self, agent_id: str, terminal: Payload | None = None) -> None:
        """Keep what a blind run hides of an agent. Raises LogUnavailable."""
        if self.blind_names is not None and self._blind_records is not None and self.knows(agent_id):
            info = self._registry.info(self._configured(agent_id))
            content = self._withheld.setdefault(agent_id, ContentState())
            await self._blind_records.seal(self._spec.run_id, agent_id, info, terminal, content)

    def note_withheld(self, batches: Sequence[Batch]) -> None:
        """Take in what a blind run hides, before it is logged; once for each batch."""
        if self.blind_names is None:
            return
        for agent_id, events in batches:
            state = self._withheld.setdefault(agent_id, ContentState())
            for payload in events:
                state.fold(payload)

    async def seal_ended(self, batches: Sequence[Batch]) -> None:
        """Keep what a blind run hides of endings that are about to be logged. Raises LogUnavailable."""
        for agent_id, events in batches:
            for payload in events:
                if isinstance(payload, TERMINALS):
                    await self.seal(agent_id, payload)

    def release(self) -> None:
        """Let go of what moved them and what they remember, once the run is over here.

        All of it refers to each other, so it would stay until the garbage collector looks, which may be long after
        many such runs: histories are megabytes.
        """
        for agent in self._agents.values():
            agent.task = agent.history = agent.asked = None
        self._withheld.clear()

    def _configured(self, agent_id: str) -> str:
        return self.blind_names.configured(agent_id) if self.blind_names is not None else agent_id

    def _budget_of(self, agent_id: str) -> Budget:
        settings = self._registry.agents.get(self._configured(agent_id))
        if settings is None:
            return Budget("agent", parent=self._budget)  # it cannot be asked on this worker
        return Budget(
            "agent",
            max_output_tokens=settings.limits.max_output_tokens,
            max_cost=settings.limits.max_cost,
            parent=self._budget,
        )

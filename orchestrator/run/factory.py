"""Makes the runs that this worker executes, out of what they all share. Owns none of them."""

from __future__ import annotations

from ..eventlog.base import Store
from ..eventlog.run_store import Fence, RunRecord
from ..settings.limits import RunLimits
from ..telemetry.observer import Observer
from .agents import RunAgents
from .blind import BlindRecords
from .channels import RunChannels
from .conversation import Conversations
from .live_bytes import LiveBytes
from .registry import AgentRegistry
from .run import Run
from .spec import RunSpec, StartRequest, spec_of
from .state import RunState
from .writer import Writer


class RunFactory:
    """Makes runs of what all runs of this worker share.

    Args:
        limits: What the agents of one run may spend together is taken from it.
    Attributes:
        channels: Where they are all written.
    """

    def __init__(
        self, registry: AgentRegistry, store: Store, observer: Observer, *, limits: RunLimits
    ) -> None:
        self._registry = registry
        self.channels = RunChannels(store)
        self._observer = observer
        self._limits = limits
        self._conversations = Conversations(store)
        self._blind_records = BlindRecords(store)
        self._live_bytes = LiveBytes(limits.max_live_bytes, observer.live_bytes)

    def spec(self, record: RunRecord, request: StartRequest | None = None) -> RunSpec:
        """Return what a run was started with, and what it may spend here."""
        limits = self._limits
        return spec_of(record, request, max_output_tokens=limits.max_run_tokens, max_cost=limits.max_run_cost)

    def make(self, record: RunRecord, state: RunState) -> Run:
        """Make a run that may append as long as *record*'s token is the newest."""
        agents = RunAgents(
            state,
            self._registry.of_run(state.spec.variants),
            self._conversations,
            self._observer,
            blind_records=self._blind_records,
        )
        writer = Writer(
            state,
            self.channels,
            self._observer,
            fence=Fence(record.run_id, record.token),
            blind_names=agents.blind_names,
            live_bytes=self._live_bytes.of_run(record.run_id),
        )
        return Run(state, agents, writer, self._observer)

    def make_new(self, record: RunRecord, request: StartRequest | None = None) -> Run:
        """Make a run that has not begun; *request* is its record's, if that is known."""
        return self.make(record, RunState(self.spec(record, request), record.created_at))

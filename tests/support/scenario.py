"""Random runs: what each agent does, what callers do to them, how readers read.

A `Scenario` is drawn by hypothesis and played on the real spine; times are in its own unit, so that it runs
in virtual time or, scaled down, in real time behind HTTP.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from orchestrator.backends.base import AgentInput, Emission, Finish
from orchestrator.errors import AgentError
from orchestrator.eventlog import Entry, MemoryLog
from orchestrator.eventlog.base import Draft
from orchestrator.events import Reasoning, Status, Token, ToolCall, ToolResult
from orchestrator.run.channels import SYSTEM_CHANNEL

from .service import Event
from .spine import Script

SECRET = "sk-secret-of-an-upstream"
CALM = "calm"
CALM_WORDS = tuple(f"calm{n} " for n in range(20))
CALM_PAUSE = 0.1
TERMINALS = ("done", "error", "cancelled")
CODES = ("upstream_unavailable", "upstream_rate_limited", "upstream_rejected", "upstream_invalid")

# ── what an agent does ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Burst:
    """All said at once, without waiting in between."""

    items: tuple[Emission, ...]


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Flood:
    pieces: int


@dataclass(frozen=True)
class Fail:
    code: str
    retry_after: float | None = None


class Crash:
    pass


class Stall:
    pass


class Ignore:
    """From here on the agent swallows its first cancellation."""


Step = Burst | Pause | Flood | Fail | Crash | Stall | Ignore


@dataclass(frozen=True)
class AgentPlan:
    """`attempts`: the steps of each; the last one stands for all that follow."""

    attempts: tuple[tuple[Step, ...], ...]
    closing: float
    settings: dict[str, Any]


@dataclass(frozen=True)
class Act:
    """What a caller does, at a time."""

    at: float
    what: str
    agent: int


@dataclass(frozen=True)
class ReaderPlan:
    """How a subscriber reads: joins at `at`, is cut after each number of bytes, waits in between."""

    at: float
    cuts: tuple[int, ...]
    away: float
    agents: tuple[int, ...] | None


@dataclass(frozen=True)
class Scenario:
    agents: tuple[AgentPlan, ...]
    late: tuple[int, ...]
    acts: tuple[Act, ...]
    readers: tuple[ReaderPlan, ...]
    small_log: bool

    @property
    def names(self) -> list[str]:
        return [f"a{n}" for n in range(len(self.agents))]


texts = st.text(st.characters(), max_size=12)
times = st.floats(0, 3, allow_nan=False).map(lambda seconds: round(seconds, 2))
short = st.floats(0, 0.3, allow_nan=False).map(lambda seconds: round(seconds, 3))
said: st.SearchStrategy[Emission] = st.one_of(
    texts,
    texts,
    texts.map(Reasoning),
    texts.map(lambda text: Status("thinking", text)),
    texts.map(lambda text: Token(text, speaker="other")),
    st.just(ToolCall("c", "clock", "{}")),
    texts.map(lambda text: ToolResult("c", text, is_error=False)),
)
bursts = st.lists(said, min_size=1, max_size=8).map(lambda items: Burst(tuple(items)))
calm_steps: st.SearchStrategy[Step] = st.one_of(bursts, short.map(Pause), st.integers(1, 50).map(Flood))
steps: st.SearchStrategy[Step] = st.one_of(
    bursts,
    bursts,
    short.map(Pause),
    st.integers(1, 400).map(Flood),
    st.builds(Fail, st.sampled_from(CODES), st.none() | short),
    st.builds(Crash),
    st.builds(Stall),
    st.builds(Ignore),
)
settings = st.fixed_dictionaries(
    {
        "coalesce_ms": st.sampled_from([0, 0, 30]),
        "limits": st.fixed_dictionaries(
            {
                "mailbox": st.sampled_from([1, 2, 8, 256]),
                "max_output_chars": st.sampled_from([10, 200_000]),
                "idle_timeout_s": st.just(1.0),
                "first_token_timeout_s": st.sampled_from([0.5, 2.0]),
                "timeout_s": st.sampled_from([2.0, 10.0]),
                "max_chars_per_s": st.sampled_from([0, 0, 300]),
            }
        ),
        "retry": st.fixed_dictionaries(
            {
                "attempts": st.integers(1, 3),
                "backoff_s": st.sampled_from([0.0, 0.2]),
                "max_backoff_s": st.just(0.5),
                "after_first_token": st.booleans(),
            }
        ),
    }
)
plans = st.builds(
    AgentPlan,
    st.lists(
        st.one_of(st.lists(steps, max_size=8), st.lists(calm_steps, max_size=8)).map(tuple),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.sampled_from([0.0, 0.0, 0.1]),
    settings,
)
acts = st.builds(Act, times, st.sampled_from(["cancel", "cancel", "retry", "cancel_run"]), st.integers(0, 4))
readers = st.builds(
    ReaderPlan,
    times,
    st.lists(st.integers(1, 2500), max_size=6).map(tuple),
    short,
    st.none() | st.lists(st.integers(0, 4), max_size=3).map(tuple),
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    agents = tuple(draw(st.lists(plans, min_size=1, max_size=5)))
    late = draw(st.lists(st.integers(1, 4), unique=True, max_size=2))
    return Scenario(
        agents,
        tuple(n for n in late if n < len(agents)),
        tuple(sorted(draw(st.lists(acts, max_size=5)), key=lambda act: act.at)),
        tuple(draw(st.lists(readers, min_size=1, max_size=3))),
        draw(st.booleans()),
    )


# ── the stage ─────────────────────────────────────────────────────────────────────────────────


@dataclass
class Tried:
    """What really happened in one attempt: what was yielded, and whether its generator is closed."""

    said: list[Any] = field(default_factory=list)
    closed: bool = False


class Stage:
    """Plays the agents of a scenario; `unit` is the length of its second."""

    def __init__(self, scenario: Scenario, unit: float) -> None:
        self.scenario = scenario
        self.unit = unit
        self.tried: dict[tuple[str, int], Tried] = {}
        self.calm_took: float | None = None

    def scripts(self) -> dict[str, Script]:
        found = {
            name: self._script(plan)
            for name, plan in zip(self.scenario.names, self.scenario.agents, strict=True)
        }
        return found | {CALM: self._calm}

    def settings(self) -> dict[str, dict[str, Any]]:
        scaled = ("idle_timeout_s", "first_token_timeout_s", "timeout_s")
        found = {}
        for name, plan in zip(self.scenario.names, self.scenario.agents, strict=True):
            limits = {
                key: value * self.unit
                if key in scaled
                else value / self.unit
                if key == "max_chars_per_s"
                else value
                for key, value in plan.settings["limits"].items()
            }
            retry = plan.settings["retry"]
            retry = {**retry, "backoff_s": retry["backoff_s"] * self.unit}
            found[name] = {**plan.settings, "limits": limits, "retry": retry}
        return found

    async def _calm(self, request: AgentInput) -> AsyncGenerator[Emission, None]:
        """A sibling that must not notice anything."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for word in CALM_WORDS:
            yield word
            await asyncio.sleep(CALM_PAUSE * self.unit)
        self.calm_took = (loop.time() - began) / self.unit

    def _script(self, plan: AgentPlan) -> Script:
        async def script(request: AgentInput) -> AsyncGenerator[Emission, None]:
            tried = self.tried[request.agent_id, request.attempt] = Tried()
            try:
                async for item in self._play(plan.attempts[min(request.attempt, len(plan.attempts)) - 1]):
                    tried.said.append(item)
                    yield item
                yield Finish()
            finally:
                try:
                    if plan.closing:
                        await asyncio.sleep(plan.closing * self.unit)
                finally:
                    tried.closed = True

        return script

    async def _play(self, steps: Sequence[Step]) -> AsyncGenerator[Emission, None]:
        deaf = False
        for step in steps:
            match step:
                case Burst(items):
                    for item in items:
                        yield item
                case Flood(pieces):
                    for n in range(pieces):
                        yield f"f{n} "
                case Pause(seconds):
                    await asyncio.sleep(seconds * self.unit)
                case Fail(code, retry_after):
                    raise AgentError(code, "It failed.", retry_after=retry_after and retry_after * self.unit)  # type: ignore[arg-type]
                case Crash():
                    raise RuntimeError(SECRET)
                case Ignore():
                    deaf = True
                case Stall():
                    try:
                        await asyncio.sleep(60 * self.unit)
                    except asyncio.CancelledError:
                        if not deaf:
                            raise
                        deaf = False
                        yield "deaf "


class WatchingLog(MemoryLog):
    """A log that checks, at the moment of each append, what can only be checked then."""

    def __init__(self, stage: Stage, **options: Any) -> None:
        super().__init__(**options)
        self._stage = stage
        self.history: list[Entry] = []

    async def append(self, channel: str, drafts: Sequence[Draft], **options: Any) -> list[Entry]:
        for draft in drafts:
            if draft.type in TERMINALS and draft.agent_id not in (None, CALM):
                self._check_closed(str(draft.agent_id), json.loads(draft.data))
        entries = await super().append(channel, drafts, **options)
        if channel != SYSTEM_CHANNEL:
            self.history += entries
        return entries

    def _check_closed(self, agent_id: str, data: dict[str, Any]) -> None:
        """Promise 5: how an attempt ended is said once its stream is really closed."""
        tried = self._stage.tried.get((agent_id, data["attempt"]))
        assert tried is None or tried.closed or data.get("reason") == "abandoned", data

    def events(self) -> list[Event]:
        return [
            Event(entry.id, f"{entry.agent_id or 'run'}.{entry.type}", json.loads(entry.data))
            for entry in self.history
        ]

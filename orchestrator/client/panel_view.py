"""A run's panel as a reader knows it: its stages, its result, who was late. What its agents say is `agent_view`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..events.panel import PanelLate, PanelResult, PanelStage
from .event import Event

_KNOWN = frozenset({PanelStage.TYPE, PanelResult.TYPE, PanelLate.TYPE})
_STATE = frozenset({"stage", "round", "layer", "result", "late"})
_ENVELOPE = frozenset({"type", "t", "run_id"})


@dataclass(slots=True)
class PanelView:
    """The panel of a run, as its events have it.

    Attributes:
        info: As in `run.started`: `panel_id`, `title`, `method`, `members`, `moderator`, `fallback`, and
            `of` and `given` if it works over another run's answers.
        stage: The newest: `panel`, `review`, `final`, `round` or `layer`; None before the first.
        round, layer: Its number, if it is of that kind.
        speakers: Who speaks in it.
        missing: `agent` and `status` of those whose answers it goes without.
        result: The newest `panel.result`'s `status`, `winner`, `ranking`, `tally` …; None before the first.
        late: The `panel.late` events' `agent`, `attempt`, `status`, `chars`.
    """

    info: Mapping[str, Any]
    stage: str | None = None
    round: int | None = None
    layer: int | None = None
    speakers: list[str] = field(default_factory=list)
    missing: list[Mapping[str, Any]] = field(default_factory=list)
    result: Mapping[str, Any] | None = None
    late: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What its events call it: its id, or its method if it has none."""
        return self.info.get("panel_id") or self.method

    @property
    def title(self) -> str:
        return self.info.get("title") or self.name

    @property
    def method(self) -> str:
        return self.info.get("method") or ""

    @property
    def members(self) -> Sequence[str]:
        return self.info.get("members") or ()

    @property
    def moderator(self) -> str | None:
        """Who has the last word, if somebody has; if it fails, one of `fallback`."""
        return self.info.get("moderator")

    @property
    def fallback(self) -> Sequence[str]:
        return self.info.get("fallback") or ()

    @classmethod
    def of_snapshot(cls, state: Mapping[str, Any]) -> PanelView:
        """Make it of a snapshot's `panel`."""
        info = {key: value for key, value in state.items() if key not in _STATE}
        return cls(
            info, stage=state.get("stage"), round=state.get("round"), layer=state.get("layer"),
            result=state.get("result"), late=list(state.get("late") or ()),
        )  # fmt: skip

    def apply(self, event: Event) -> None:
        """Take one of its events; a type that is not known changes nothing."""
        data = {key: value for key, value in event.data.items() if key not in _ENVELOPE}
        match event.type:
            case PanelStage.TYPE:
                self.stage, self.round, self.layer = data.get("stage"), data.get("round"), data.get("layer")
                self.speakers = list(data.get("agents") or ())
                self.missing = list(data.get("missing") or ())
            case PanelResult.TYPE:
                self.result = data
            case PanelLate.TYPE:
                self.late.append(data)


def follow_panel(panel: PanelView | None, event: Event) -> PanelView | None:
    """Return the panel that *event* is of, which has taken it: *panel*, or a new one that begins with it."""
    name, method = event.data.get("panel"), event.data.get("method")
    if event.type not in _KNOWN or not isinstance(name, str):
        return panel
    info = event.data.get("info")  # of a panel that was called while the run was under way
    if info is not None:
        panel = PanelView(info)
    elif panel is None:
        panel = PanelView({"panel_id": None if name == method else name, "title": name, "method": method})
    panel.apply(event)
    return panel

"""Which runs hold the answers of another one, because a panel sits over them there. Owns neither panels nor answers."""

from __future__ import annotations

from ..eventlog.run_store import RunStore

_PANELS, _RUNS = "panels {}", "runs"
"""A conversation of the store that no request can name: a conversation's id holds no space."""

MAX_PANELS = 10_000


class PanelIndex:
    """The runs over each run's answers. Raises LogUnavailable where the store does not answer."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def note(self, run_id: str, panel_run_id: str) -> None:
        """Keep that *panel_run_id* holds *run_id*'s answers."""
        await self._store.add_turn(_PANELS.format(run_id), _RUNS, panel_run_id.encode(), keep=MAX_PANELS)

    async def of(self, run_id: str) -> list[str]:
        """Return the runs that hold *run_id*'s answers."""
        return [turn.decode() for turn in await self._store.turns(_PANELS.format(run_id), _RUNS)]

    async def forget(self, run_id: str) -> None:
        """Forget what is kept of *run_id*."""
        await self._store.forget_conversation(_PANELS.format(run_id))

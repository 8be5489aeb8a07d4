"""What an AG-UI agent keeps for its clients to see: its state and its activities, sent whole and then as patches."""

from __future__ import annotations

from typing import Any

from ...events.content import DATA_BYTES
from ..base import Emission
from ..media import DataReports
from .json_patch import PatchError, apply_patch, weight_of

MAX_STATE_CHARS = 4 * 1024 * 1024
"""So long may the state become by patches; of frameworks that put the conversation into it, with that."""
MAX_ACTIVITY_CHARS = 2 * DATA_BYTES
MAX_ACTIVITIES = 100
_GONE = object()
RESERVED = 2
"""Of the `data` that an attempt may have, kept for its state and its result."""


class _Document:
    """One document and about how long it is. One that becomes too long is none until it is sent whole again."""

    def __init__(self, value: Any, limit: int) -> None:
        self.value = value
        self._limit = limit
        self._length: int | None = None

    def patch(self, patch: object) -> None:
        """Apply a patch; one that does not fit leaves the document as it is, as with AG-UI's own clients."""
        if self._length is None:
            self._length = weight_of(self.value, self._limit)
        try:
            changed = apply_patch(self.value, patch)
        except PatchError:
            return
        self.value = changed
        # A document grows by no more than what a patch says, unless it copies.
        self._length += weight_of(patch, self._limit)
        if self._length > self._limit or _copies(patch):
            self._length = weight_of(changed, self._limit)
            if self._length > self._limit:
                self.value = _GONE


class SharedState:
    """The state and the activities of one run, and how much `data` it has sent.

    Args:
        state: As the run before left it.
    """

    def __init__(self, state: Any) -> None:
        self._state = _Document(state, MAX_STATE_CHARS)
        self._known = state
        self._activities: dict[str, tuple[str, _Document]] = {}
        self._reports = DataReports()

    # ── state ────────────────────────────────────────────────────────────────────────────────

    def set_state(self, state: Any) -> None:
        """Take over a state as it stands."""
        self._state = _Document(state, MAX_STATE_CHARS)

    def patch_state(self, patch: object) -> None:
        """Change the state."""
        self._state.patch(patch)

    @property
    def state(self) -> Any:
        """The state without the conversation, which frameworks put into it and which has been sent already."""
        state = self._state.value
        if isinstance(state, dict):
            return {key: value for key, value in state.items() if key != "messages"}
        return {} if state is _GONE or state is None else state

    def report_state(self) -> list[Emission]:
        """Return the state as `data`, if this run has changed it and there is one."""
        if self._state.value is self._known or not self.state:
            return []
        return self.report("state", self.state, "state", kept=0)

    # ── activities ───────────────────────────────────────────────────────────────────────────

    def set_activity(self, message_id: str, kind: object, content: Any) -> list[Emission]:
        """Take over what an activity shows, and return it."""
        if message_id not in self._activities and len(self._activities) >= MAX_ACTIVITIES:
            return []
        name = f"activity.{kind if isinstance(kind, str) else ''}"
        self._activities[message_id] = name, _Document(content, MAX_ACTIVITY_CHARS)
        return self.report(name, content, message_id or None)

    def patch_activity(self, message_id: str, patch: object) -> list[Emission]:
        """Change what an activity shows, and return that."""
        known = self._activities.get(message_id)
        if known is None:
            return []
        name, document = known
        document.patch(patch)
        return self.report(name, document.value, message_id or None)

    # ── reporting ──────────────────────────────────────────────────────────────────────────────

    def report(self, name: str, value: Any, data_id: str | None, *, kept: int = RESERVED) -> list[Emission]:
        """Return *value* as `data`; what is too large or too much to pass on is left out.

        Args:
            kept: Of what an attempt may have, left for what is sent last.
        """
        return [*self._reports.report(name, value, data_id, kept=kept)]


def _copies(patch: object) -> bool:
    return isinstance(patch, list) and any(
        isinstance(each, dict) and each.get("op") == "copy" for each in patch
    )

"""What one attempt says beyond text, as a reader knows it: progress, data, sources, files, the structured answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..events.content import Data, File, Progress, Source
from .event import Event

_HEAD = ("agent_id", "type", "t", "run_id", "stage", "round", "layer")
"""What an event says beside its payload."""


@dataclass(slots=True)
class ContentView:
    """The content of one attempt beyond its text. Each entry has the fields of its event.

    Attributes:
        progress: The newest of each `progress_id`, in the order in which they began.
        data: In order; one with a `data_id` stands in the place of the first of its name and id.
        has_output: Whether the answer is structured; `output` may be None, too.
    """

    progress: list[Mapping[str, Any]] = field(default_factory=list)
    data: list[Mapping[str, Any]] = field(default_factory=list)
    sources: list[Mapping[str, Any]] = field(default_factory=list)
    files: list[Mapping[str, Any]] = field(default_factory=list)
    output: Any = None
    has_output: bool = False

    def apply(self, event: Event) -> None:
        """Take one event in; a type that is of no concern here changes nothing."""
        said = {key: value for key, value in event.data.items() if key not in _HEAD}
        match event.type:
            case Progress.TYPE:
                _put(self.progress, said, "progress_id")
            case Data.TYPE if said.get("data_id") is not None:
                _put(self.data, said, "name", "data_id")
            case Data.TYPE:
                self.data.append(said)
            case Source.TYPE:
                self.sources.append(said)
            case File.TYPE:
                self.files.append(said)

    def end(self, data: Mapping[str, Any]) -> None:
        """Take in what a `done` says."""
        self.has_output = "output" in data
        self.output = data.get("output")

    @classmethod
    def of_snapshot(cls, state: Mapping[str, Any]) -> ContentView:
        """Make it of an agent's snapshot."""
        return cls(
            progress=list(state.get("progress") or ()),
            data=list(state.get("data") or ()),
            sources=list(state.get("sources") or ()),
            files=list(state.get("files") or ()),
            output=state.get("output"),
            has_output="output" in state,
        )


def _put(entries: list[Mapping[str, Any]], said: Mapping[str, Any], *keys: str) -> None:
    """Replace the entry that has the same *keys*, or add one."""
    for place, entry in enumerate(entries):
        if all(entry.get(key) == said.get(key) for key in keys):
            entries[place] = said
            return
    entries.append(said)

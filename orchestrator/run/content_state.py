"""The content of one attempt beyond its text, as a fold of its events: the newest of what replaces, all of the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from ..events.agent import Done, Retry, Started
from ..events.base import Payload
from ..events.content import CONTENT, Data, File, Progress, Source
from ..events.encoding import packed


def brings_content(payload: Payload) -> bool:
    """Whether there is something of *payload* to be kept here."""
    return isinstance(payload, CONTENT) or (isinstance(payload, Done) and payload.output is not UNSET)


@dataclass(slots=True)
class ContentState:
    """Progress, data, sources, files and structured answer of an agent's newest attempt.

    Values of data are the JSON that they are (`msgspec.Raw`): nobody here looks into them.
    """

    bars: dict[str | None, Progress] = field(default_factory=dict)
    data: list[Data] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    output: Any = UNSET
    _places: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def progress(self) -> list[Progress]:
        """The newest of each bar, in the order in which they began."""
        return list(self.bars.values())

    def fold(self, payload: Payload) -> None:
        """Take an event in; one that is of no concern here changes nothing."""
        match payload:
            case Progress():
                self.bars[payload.progress_id] = payload
            case Data():
                self._put(packed(payload))
            case Source():
                self.sources.append(payload)
            case File():
                self.files.append(payload)
            case Done(output=output):
                self.output = output
            case Started() | Retry():
                self.clear()
            case _:
                pass

    def clear(self) -> None:
        """Forget all: another attempt begins."""
        self.bars.clear()
        self.data.clear()
        self.sources.clear()
        self.files.clear()
        self._places.clear()
        self.output = UNSET

    def _put(self, payload: Data) -> None:
        if payload.data_id is None:
            self.data.append(payload)
            return
        place = self._places.setdefault((payload.name, payload.data_id), len(self.data))
        self.data[place : place + 1] = [payload]

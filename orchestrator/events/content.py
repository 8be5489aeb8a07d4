"""The events of an agent beyond text and tools: progress, data, sources, files; and the bounds of each."""

from __future__ import annotations

import math
import re
from typing import Any, ClassVar

from .base import Payload

DATA_BYTES = 64 * 1024
"""Size of `Data.value`, as UTF-8 of compact JSON."""
OUTPUT_BYTES = 256 * 1024
"""Size of `Done.output`, likewise."""
DATA_URL_CHARS = 256 * 1024
"""Length of a file's `data:` URL."""
TEXT_CHARS = 32 * 1024
"""Length of every other text of these events."""
NUMBER_BITS = 10_000
"""Of an integer: about 3,000 digits, and Python itself reads no more than 4,300."""
MOST_COUNTED = 2**53
"""Largest of steps and offsets: up to here all readers of JSON have the same number."""
JSON_DEPTH = 64
"""How deep lists and mappings may lie in each other."""

_NAME = re.compile(r"[a-z0-9_.-]{1,64}")
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(?:\s*;[^\r\n]{0,200})?")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]")


class Progress(Payload, frozen=True, omit_defaults=True):
    """A long task moves. A later one of the same `progress_id` replaces it; without one it is the agent's one bar.

    Args:
        fraction: From 0 to 1.
        step: Of `steps`, if the task is counted.
    """

    TYPE: ClassVar[str] = "progress"
    label: str
    fraction: float | None = None
    step: int | None = None
    steps: int | None = None
    progress_id: str | None = None
    speaker: str | None = None
    parent: str | None = None

    def check(self) -> str | None:
        """Say what is wrong with it; None if nothing is."""
        if self.fraction is not None and not 0 <= self.fraction <= 1:
            return "its fraction is not from 0 to 1"
        if max(self.step or 0, self.steps or 0) > MOST_COUNTED:
            return "its steps are more than can be counted"
        if (self.step is not None and self.step < 0) or (self.steps is not None and self.steps < 1):
            return "its steps are not counted from 0 to at least 1"
        if self.step is not None and self.steps is not None and self.step > self.steps:
            return "its step is beyond its steps"
        return too_long(self.label, self.progress_id)


class Data(Payload, frozen=True, omit_defaults=True):
    """Any JSON that an agent says in its own words. With a `data_id`, a later one of the same name replaces it."""

    TYPE: ClassVar[str] = "data"
    name: str
    value: Any
    data_id: str | None = None
    speaker: str | None = None
    parent: str | None = None

    def check(self) -> str | None:
        """Say what is wrong with all but its value, which `bound_json` checks; None if nothing is."""
        if not _NAME.fullmatch(self.name):
            return "its name is not 1 to 64 of a-z, 0-9, _, . and -"
        return too_long(self.data_id)


class Source(Payload, frozen=True, omit_defaults=True):
    """A citation: a `url` of the web, or a `document` in any words. `at` is an offset in the attempt's text."""

    TYPE: ClassVar[str] = "source"
    source_id: str
    url: str | None = None
    document: str | None = None
    title: str | None = None
    quote: str | None = None
    at: int | None = None
    speaker: str | None = None
    parent: str | None = None

    def check(self) -> str | None:
        """Say what is wrong with it; None if nothing is."""
        if (self.url is None) == (self.document is None):
            return "it has not either a url or a document"
        if self.url is not None and not _is_web(self.url, ("http://", "https://")):
            return "its url is not one of http: or https:"
        if self.at is not None and not 0 <= self.at <= MOST_COUNTED:
            return "its offset is negative, or none at all"
        return too_long(self.source_id, self.url, self.document, self.title, self.quote)


class File(Payload, frozen=True, omit_defaults=True):
    """An image or a document that the agent made. `url` is `https:`, or `data:` with the file itself."""

    TYPE: ClassVar[str] = "file"
    file_id: str
    name: str
    media_type: str
    url: str
    speaker: str | None = None
    parent: str | None = None

    def check(self) -> str | None:
        """Say what is wrong with it; None if nothing is."""
        if self.url[:5].lower() == "data:":
            if len(self.url) > DATA_URL_CHARS:
                return f"its data: URL is longer than {DATA_URL_CHARS} characters"
            if "," not in self.url or _SPACE.search(self.url):
                return "its data: URL cannot be read"
        elif not _is_web(self.url, ("https://",)) or too_long(self.url):
            return "its url is not one of https: or data:"
        if not _MEDIA_TYPE.fullmatch(self.media_type):
            return "its media type is none"
        return too_long(self.file_id, self.name)


Content = Progress | Data | Source | File
CONTENT: tuple[type[Progress] | type[Data] | type[Source] | type[File], ...] = (Progress, Data, Source, File)
MOST: dict[type[Payload], int] = {Progress: 1_000, Data: 1_000, Source: 500, File: 100}
"""How many of each an attempt may have; of `Progress`, how many `progress_id`s."""


def too_long(*texts: str | None) -> str | None:
    """Say that one of *texts* is too long; None if none is."""
    if any(text is not None and len(text) > TEXT_CHARS for text in texts):
        return f"one of its texts is longer than {TEXT_CHARS} characters"
    return None


def fault_of_json(value: object) -> str | None:
    """Say why *value*, plain as JSON gives it, cannot be passed on; None if it can. Its size is the caller's."""
    waiting = [(value, 1)]
    while waiting:
        each, depth = waiting.pop()
        if isinstance(each, float) and not math.isfinite(each):
            return "it has a number that is NaN or infinite"
        if isinstance(each, int) and each.bit_length() > NUMBER_BITS:
            return "it has a number that is too long"
        if isinstance(each, dict | list | tuple):
            if depth > JSON_DEPTH:
                return f"it is nested more than {JSON_DEPTH} deep"
            inner = each.values() if isinstance(each, dict) else each
            waiting += [(item, depth + 1) for item in inner]
    return None


def _is_web(url: str, schemes: tuple[str, ...]) -> bool:
    lowered = url[:8].lower()
    scheme = next((each for each in schemes if lowered.startswith(each)), None)
    return scheme is not None and len(url) > len(scheme) and not _SPACE.search(url)

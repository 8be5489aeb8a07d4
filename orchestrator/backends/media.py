"""What an agent says beside text, as far as it can be passed on: images and documents, and the pages that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ..events.content import DATA_BYTES, MOST, Data, File, Source, fault_of_json
from ..events.encoding import clean_values


def usable_file(
    file_id: str, name: str, media_type: str, url: str, speaker: str | None = None
) -> Iterator[File]:
    """Yield a file; nothing if it is too large or at no address of the web: the answer stands without it."""
    made = File(file_id, name, media_type, url, speaker=speaker)
    if made.check() is None:
        yield made


class Attachments:
    """Counts what one attempt has of files and pages; what is more than it may have is left out.

    Attributes:
        files: How many files there were.
    """

    def __init__(self) -> None:
        self.files = 0
        self._pages: set[str] = set()

    def file(
        self, file_id: str, name: str, media_type: str, url: str, speaker: str | None = None
    ) -> Iterator[File]:
        """Yield a file, as `usable_file` does."""
        if self.files >= MOST[File]:
            return
        for made in usable_file(file_id, name, media_type, url, speaker):
            self.files += 1
            yield made

    def add(self, made: File | Source) -> Iterator[File | Source]:
        """Yield a file or a source that is made already, if it can be passed on."""
        if isinstance(made, File):
            yield from self.file(made.file_id, made.name, made.media_type, made.url, made.speaker)
        elif len(self._pages) < MOST[Source] and made.check() is None:
            self._pages.add(made.source_id)
            yield made

    def page(
        self, url: object, *, title: str | None = None, quote: str | None = None, speaker: str | None = None
    ) -> Iterator[Source]:
        """Yield the page at *url* the first time, if that is an address of the web."""
        if not isinstance(url, str) or url in self._pages or len(self._pages) >= MOST[Source]:
            return
        found = Source(url, url=url, title=title, quote=quote, speaker=speaker)
        if found.check() is None:
            self._pages.add(url)
            yield found


class DataReports:
    """Counts what one attempt has of data in a framework's own words; what is too large or too much is left out."""

    def __init__(self) -> None:
        self._count = 0

    def report(self, name: str, value: Any, data_id: str | None = None, *, kept: int = 0) -> Iterator[Data]:
        """Yield *value*, if it can be passed on.

        Args:
            kept: Of what an attempt may have, left for what is sent last.
        """
        if self._count >= MOST[Data] - kept:
            return
        try:
            value = clean_values(
                value
            )  # of halves of characters, which only a text that goes on can complete
            fits = fault_of_json(value) is None and len(msgspec.json.encode(value)) <= DATA_BYTES
        except (TypeError, ValueError, RecursionError):
            fits = False
        if fits:
            self._count += 1
            plain_name = re.sub(r"[^a-z0-9_.-]+", "-", name.lower())[:64] or "custom"
            yield Data(plain_name, value, data_id)

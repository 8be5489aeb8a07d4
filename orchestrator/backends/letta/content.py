"""What Letta's messages hold beside text: images, pages of a web search, notices of the server's. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from json import loads
from typing import Any

import msgspec

from ...events.content import DATA_BYTES, Data, fault_of_json
from ..base import Emission
from ..media import Attachments

SEARCH = "web_search"
"""Letta's own tool, whose results are pages."""
MAX_QUOTE_CHARS = 2_000


class ContentReading:
    """Takes out of one answer's messages what is an event of its own.

    What is more than an attempt may have, or too large, is left out: the answer stands without it.
    """

    def __init__(self) -> None:
        self._attached = Attachments()

    def images(self, content: object, name: str) -> Iterator[Emission]:
        """Yield the images among the parts of a message or of a tool's result; *name* begins their ids."""
        for number, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, dict) and part.get("type") == "image":
                image = _image(part.get("source"), f"{name}.{number}")
                yield from () if image is None else self._attached.file(*image)

    def pages(self, tool: str, output: str) -> Iterator[Emission]:
        """Yield the pages that a web search found, each once."""
        for page in _results(output) if tool == SEARCH else ():
            title = page.get("title")
            yield from self._attached.page(
                page.get("url"), title=title if isinstance(title, str) else None, quote=_quote(page)
            )


def notice(name: object, value: object) -> Iterator[Emission]:
    """Yield what the server says of itself, such as that it shortens what the agent remembers."""
    try:
        fits = fault_of_json(value) is None and len(msgspec.json.encode(value)) <= DATA_BYTES
    except (TypeError, ValueError, RecursionError):
        fits = False
    said = Data(name if isinstance(name, str) else "event", value)
    if fits and said.check() is None:
        yield said


def _image(source: object, file_id: str) -> tuple[str, str, str, str] | None:
    """Return an image's id, name, media type and address."""
    if not isinstance(source, dict):
        return None
    media, data, url = source.get("media_type"), source.get("data"), source.get("url")
    kind = media if isinstance(media, str) and media else "image/png"
    if isinstance(data, str) and data:
        return file_id, "image", kind, f"data:{kind};base64,{data}"
    return (file_id, "image", kind, url) if isinstance(url, str) else None


def _results(output: str) -> list[dict[str, Any]]:
    try:
        found = loads(output)
    except (ValueError, RecursionError):
        return []
    results = found.get("results") if isinstance(found, dict) else None
    return [each for each in results if isinstance(each, dict)] if isinstance(results, list) else []


def _quote(page: dict[str, Any]) -> str | None:
    highlights = page.get("highlights")
    said = highlights[0] if isinstance(highlights, list) and highlights else page.get("summary")
    return said[:MAX_QUOTE_CHARS] if isinstance(said, str) and said else None

"""What the parts of LangChain's messages hold beside text: images and documents, citations. Imports no library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...events.content import MOST, File, Source
from ..media import usable_file

_USUAL = {
    "image": "image/png",
    "audio": "audio/mpeg",
    "video": "video/mp4",
    "file": "application/octet-stream",
}
"""Kinds of parts that are media, and what each is if it does not say so."""
_KINDS = {"image_url": "image", "document": "file", **{kind: kind for kind in _USUAL}}


class PartsReading:
    """Takes files and sources out of the parts of messages, each source once."""

    def __init__(self) -> None:
        self._files = 0
        self._cited: set[str] = set()

    def feed(self, content: Any, speaker: str | None) -> Iterator[File | Source]:
        """Yield what a message's content holds beside text."""
        for part in content if isinstance(content, list) else ():
            if not isinstance(part, Mapping):
                continue
            if part.get("type") in _KINDS and self._files < MOST[File]:
                for file in _file(part, f"file.{self._files + 1}", speaker):
                    self._files += 1
                    yield file
            notes = part.get("annotations") or part.get("citations")
            for note in notes if isinstance(notes, list) else ():
                yield from self._source(note, speaker)

    def _source(self, note: Any, speaker: str | None) -> Iterator[Source]:
        if not isinstance(note, Mapping):
            return
        inner = note.get("url_citation")
        about = inner if isinstance(inner, Mapping) else note
        url, title, quote = about.get("url"), about.get("title"), about.get("cited_text")
        if not isinstance(url, str) or url in self._cited or len(self._cited) >= MOST[Source]:
            return
        found = Source(url, url=url, title=_text(title), quote=_text(quote), speaker=speaker)
        if found.check() is None:
            self._cited.add(url)
            yield found


def words_of(content: Any) -> Any:
    """Return a tool's content with words in the place of images and documents, whose bytes nobody reads as text."""
    if not isinstance(content, list):
        return content
    if all(isinstance(part, Mapping) and part.get("type") in ("text", *_KINDS) for part in content):
        texts = [str(part.get("text") or f"[{_KINDS.get(part['type'], '')}]") for part in content]
        return "\n".join(texts)
    return content


def _file(part: Mapping[str, Any], file_id: str, speaker: str | None) -> Iterator[File]:
    kind = _KINDS[part["type"]]
    source = part.get("image_url") or part.get("source") or part
    if isinstance(source, str):
        source = {"url": source}
    if not isinstance(source, Mapping):
        return
    media = source.get("mime_type") or source.get("media_type") or part.get("mime_type")
    media_type = media if isinstance(media, str) and media else _USUAL[kind]
    data, url = source.get("base64") or source.get("data"), source.get("url")
    name = part.get("filename") or part.get("name")
    place = f"data:{media_type};base64,{data}" if isinstance(data, str) else url
    if isinstance(place, str):
        for file in usable_file(file_id, name if isinstance(name, str) and name else kind, media_type, place):
            yield File(file.file_id, file.name, file.media_type, file.url, speaker=speaker)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

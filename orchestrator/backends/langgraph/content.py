"""What LangChain's messages hold: texts and thoughts, images and documents, citations. Imports no library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...events.content import File, Source
from ..media import Attachments

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
        self._attached = Attachments()

    def feed(self, content: Any, speaker: str | None) -> Iterator[File | Source]:
        """Yield what a message's content holds beside text."""
        for part in content if isinstance(content, list) else ():
            if not isinstance(part, Mapping):
                continue
            if part.get("type") in _KINDS and (file := _file(part)) is not None:
                yield from self._attached.file(f"file.{self._attached.files + 1}", *file, speaker)
            notes = part.get("annotations") or part.get("citations")
            for note in notes if isinstance(notes, list) else ():
                yield from self._source(note, speaker)

    def _source(self, note: Any, speaker: str | None) -> Iterator[Source]:
        if not isinstance(note, Mapping):
            return
        inner = note.get("url_citation")
        about = inner if isinstance(inner, Mapping) else note
        title, quote = _text(about.get("title")), _text(about.get("cited_text"))
        yield from self._attached.page(about.get("url"), title=title, quote=quote, speaker=speaker)


def texts_of(content: Any) -> Iterator[tuple[str, bool]]:
    """Yield the texts of a message's content, and of each whether it is a thought."""
    if isinstance(content, str):
        if content:
            yield content, False
        return
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            yield part, False
        elif isinstance(part, Mapping):
            kind = part.get("type")
            if kind in ("text", "output_text") and (found := _text(part.get("text"))):
                yield found, False
            elif kind in ("thinking", "reasoning"):
                whole = [part.get("thinking") or part.get("reasoning")]
                summary = part.get("summary")  # as OpenAI's Responses have it
                for each in summary if isinstance(summary, list) else ():
                    whole.append(each.get("text") if isinstance(each, Mapping) else None)
                yield from ((thought, True) for thought in map(_text, whole) if thought)


def words_of(content: Any) -> Any:
    """Return a tool's content with words in the place of images and documents, whose bytes nobody reads as text."""
    if not isinstance(content, list):
        return content
    if all(isinstance(part, Mapping) and part.get("type") in ("text", *_KINDS) for part in content):
        texts = [str(part.get("text") or f"[{_KINDS.get(part['type'], '')}]") for part in content]
        return "\n".join(texts)
    return content


def _file(part: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return an image's or a document's name, media type and address."""
    kind = _KINDS[part["type"]]
    source = part.get("image_url") or part.get("source") or part
    if isinstance(source, str):
        source = {"url": source}
    if not isinstance(source, Mapping):
        return None
    media = source.get("mime_type") or source.get("media_type") or part.get("mime_type")
    media_type = media if isinstance(media, str) and media else _USUAL[kind]
    data, url = source.get("base64") or source.get("data"), source.get("url")
    name = part.get("filename") or part.get("name")
    place = f"data:{media_type};base64,{data}" if isinstance(data, str) else url
    return (_text(name) or kind, media_type, place) if isinstance(place, str) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

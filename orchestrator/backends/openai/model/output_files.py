"""Finds the images and other files in what a chat model says, wherever a server puts them. Owns no I/O.

OpenAI's API knows none in an answer of text, so each server has its own way: a list beside the text (OpenRouter,
LiteLLM, Vercel), or parts among it (Google, Anthropic and who passes their forms on).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .events import FileEvent

LISTS = ("images", "image", "multi_mod_content")
"""Where a delta or a message has its files, other than in its content."""
_INNER = ("image_url", "video_url", "file_url", "image", "output_image", "video", "file", "inline_data", "inlineData",
          "file_data", "fileData", "source")  # fmt: skip
_URLS = ("url", "uri", "file_uri", "fileUri")
_BYTES = ("b64_json", "base64", "image_base64", "data", "file_data", "result")
_MEDIA = ("media_type", "mime_type", "mimeType", "mediaType", "content_type")
_NAMES = ("filename", "file_name", "name")
_KINDS = frozenset({"image", "image_url", "output_image", "input_image", "image_file", "video", "video_url", "file",
                    "file_url", "output_file", "document", "media"})  # fmt: skip
_BEGINNINGS = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp",
               "JVBERi0": "application/pdf"}  # fmt: skip
"""How bytes begin in base64, by what they are."""
_ENDINGS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
            "svg": "image/svg+xml", "pdf": "application/pdf", "mp4": "video/mp4"}  # fmt: skip
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{64}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,15}:")


def with_files(said: dict[str, Any]) -> dict[str, Any]:
    """Return a delta or a message that has all its files, wherever they stood, in one list: `images`."""
    found: list[FileEvent] = []
    for key in LISTS:
        value = said.pop(key, None)
        found += files_in(value if isinstance(value, list) else [value])
        if key == "multi_mod_content" and isinstance(value, list) and not said.get("content"):
            said["content"] = "".join(text for part in value if (text := _text_of(part))) or None
    content = said.get("content")
    if isinstance(content, list):
        found += files_in([part for part in content if is_file(part)])
    if found:
        said["images"] = [
            {"url": file.url, "media_type": file.media_type, "name": file.name} for file in found
        ]
    return said


def files_in(parts: list[Any]) -> list[FileEvent]:
    """Return the files that *parts* are; what is none is passed over."""
    return [file for part in parts for file in _files_of(part)]


def is_file(part: Any) -> bool:
    """Whether a part of a content is a file, or is meant to be one."""
    if not isinstance(part, dict):
        return False
    kind = part.get("type")
    return kind in _KINDS if isinstance(kind, str) else not part.keys().isdisjoint(_INNER)


def _text_of(part: Any) -> str | None:
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else None


def _files_of(part: Any) -> Iterator[FileEvent]:
    levels = _levels(part)
    place, data = _first(levels, _URLS), _first(levels, _BYTES)
    place = place or data
    if place is None:
        return
    media = _first(levels, _MEDIA) or _media_of(place, part)
    if not _SCHEME.match(place):
        if not (_BASE64.match(place) or _known_beginning(place)):
            return  # an id, or a path
        place = f"data:{media};base64,{place}"
    kind, _, ending = media.partition("/")
    name = (
        _first(levels, _NAMES)
        or f"{kind if kind in ('image', 'video') else 'file'}.{ending.partition('+')[0]}"
    )
    yield FileEvent(place, media, name)


def _levels(part: Any) -> list[Mapping[str, Any]]:
    """Return the envelopes of a file, the innermost first."""
    levels: list[Mapping[str, Any]] = []
    for _ in range(4):  # as many as anybody's are
        if isinstance(part, str):
            part = {"url": part}
        if not isinstance(part, dict):
            break
        levels.append(part)
        part = next((part[key] for key in _INNER if part.get(key)), None)
    return levels[::-1]


def _first(levels: list[Mapping[str, Any]], keys: tuple[str, ...]) -> str | None:
    """Return the first text under one of *keys*."""
    found = (level.get(key) for level in levels for key in keys)
    return next((value for value in found if isinstance(value, str) and value), None)


def _media_of(place: str, part: Any) -> str:
    if place[:5].lower() == "data:":
        return place[5:200].partition(",")[0].partition(";")[0] or "text/plain"
    ending = place.partition("?")[0].rpartition(".")[2].lower()
    kind = part.get("type") if isinstance(part, dict) else None
    is_image = not isinstance(kind, str) or "image" in kind
    return (
        _known_beginning(place)
        or _ENDINGS.get(ending)
        or ("image/png" if is_image else "application/octet-stream")
    )


def _known_beginning(place: str) -> str | None:
    return next((media for beginning, media in _BEGINNINGS.items() if place.startswith(beginning)), None)

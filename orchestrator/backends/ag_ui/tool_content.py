"""What a tool of an AG-UI agent returns: text, or a list of parts with images and documents in it. Does no I/O."""

from __future__ import annotations

import json
from typing import Any

from ..base import Emission
from ..media import usable_file

MEDIA = frozenset({"image", "audio", "video", "document"})


def text_of(content: Any) -> str:
    """Return what a tool says in words; of what has another form, its JSON."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        return json.dumps(content, ensure_ascii=False)
    words = [part["text"] for part in content if isinstance(part.get("text"), str)]
    media = [f"[{part['type']}]" for part in content if part.get("type") in MEDIA]
    return "\n".join([*words, *media])


def files_in(content: Any, call_id: str) -> list[Emission]:
    """Return the images and documents among the parts, in order; one at an address that nobody may open is left out."""
    if not isinstance(content, list):
        return []
    found: list[Emission] = []
    for number, part in enumerate(content):
        source = part.get("source") if isinstance(part, dict) and part.get("type") in MEDIA else None
        value = source.get("value") if isinstance(source, dict) else None
        if not isinstance(source, dict) or not isinstance(value, str):
            continue
        media = source.get("mimeType")
        kind = media if isinstance(media, str) and media else _USUAL[part["type"]]
        url = value if source.get("type") == "url" else f"data:{kind};base64,{value}"
        found += usable_file(f"{call_id}.{number}", part["type"], kind, url)
    return found


_USUAL = {"image": "image/png", "audio": "audio/mpeg", "video": "video/mp4", "document": "application/pdf"}

"""Words for what an agent says beyond text: a bar, data, a source, a file. The words are not cleaned."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..client.content_view import ContentView
from ..events.content import Data, File, Progress, Source

BAR_CELLS = 12
VALUE_CHARS = 200


def describe_content(kind: str, data: Mapping[str, Any]) -> str | None:
    """Say one such event in a line; None if it is of another kind."""
    match kind:
        case Progress.TYPE:
            return f"[progress] {progress_words(data)}"
        case Data.TYPE:
            value = json.dumps(data.get("value"), ensure_ascii=False)
            return f"[data {data.get('name', '')}] {value[:VALUE_CHARS]}"
        case Source.TYPE:
            return f"[source {data.get('source_id', '')}] {source_words(data)}"
        case File.TYPE:
            return f"[file {data.get('name', '')}] {file_words(data)}"
    return None


def progress_words(data: Mapping[str, Any]) -> str:
    """Say how far a task is: its bar, if that is known, and its label."""
    fraction, step, steps = data.get("fraction"), data.get("step"), data.get("steps")
    if fraction is None and step is not None and steps:
        fraction = step / steps
    counted = "" if step is None else f"{step}/{steps}" if steps else str(step)
    if fraction is None:
        return " ".join(filter(None, [counted, str(data.get("label") or "")]))
    filled = round(min(1.0, max(0.0, fraction)) * BAR_CELLS)
    bar = "█" * filled + "░" * (BAR_CELLS - filled)
    return " ".join(filter(None, [bar, counted or f"{fraction:.0%}", str(data.get("label") or "")]))


def source_words(data: Mapping[str, Any]) -> str:
    """Say where a citation leads."""
    return " ".join(filter(None, [data.get("title"), data.get("url") or data.get("document")]))


def file_words(data: Mapping[str, Any]) -> str:
    """Say what a file is; the content of one that came whole is described by its size alone."""
    url = str(data.get("url") or "")
    where = f"{len(url)} characters" if url[:5].lower() == "data:" else url
    return f"{data.get('media_type', '')} {where}"


def content_lines(content: ContentView) -> Iterator[str]:
    """Say under a whole answer what came with it: numbered sources, files, data, a structured answer."""
    for number, source in enumerate(content.sources, start=1):
        yield f"[{number}] {source_words(source)}"
    for file in content.files:
        yield f"[file {file.get('name', '')}] {file_words(file)}"
    for data in content.data:
        yield describe_content(Data.TYPE, data) or ""
    if content.has_output:
        yield f"[output] {json.dumps(content.output, ensure_ascii=False)[:VALUE_CHARS]}"

"""What a run of the SDK has beside text: citations, images and files, structured answers, details of usage.

Owns no event of a stream and no I/O: the whole items at a response's end, and what tools return, have it all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from agents import Agent
from msgspec import UNSET
from openai.types.responses import ResponseOutputMessage, ResponseOutputText
from pydantic_core import to_jsonable_python

from ...events.agent import Usage
from ...events.content import File, Source

OUTPUT_FORMATS = frozenset({"png", "jpeg", "jpg", "webp", "gif"})
_WEB = ("https://", "http://")


# ── citations ─────────────────────────────────────────────────────────────────────────────────


def sources_in(output: Iterable[Any], said_before: int, seen: set[str]) -> Iterator[Source]:
    """Yield the citations of a response's messages, each place that is cited once.

    Args:
        said_before: Characters that the attempt had said before this response.
        seen: What was cited already; what is found is added.
    """
    offset = said_before
    for item in output:
        if item.type != "message":
            continue
        for part in item.content or ():
            text = getattr(part, "text", None) or ""
            for note in getattr(part, "annotations", None) or ():
                source = _source(note, offset, len(text))
                if source is not None and source.source_id not in seen:
                    seen.add(source.source_id)
                    yield source
            offset += len(text)


def _source(note: Any, offset: int, length: int) -> Source | None:
    kind = _of(note, "type")
    end = _of(note, "end_index", "index")
    at = offset + end if isinstance(end, int) and not isinstance(end, bool) and 0 <= end <= length else None
    if kind == "url_citation":
        url, title = _of(note, "url"), _of(note, "title")
        if not isinstance(url, str) or not url:
            return None
        titled = title if isinstance(title, str) and title else None
        if url.lower().startswith(_WEB) and not any(each.isspace() for each in url):
            return Source(url, url=url, title=titled or urlsplit(url).hostname, at=at)
        return Source(url, document=url, title=titled, at=at)
    if kind in ("file_citation", "container_file_citation", "file_path"):
        file_id, name = _of(note, "file_id"), _of(note, "filename")
        named = name if isinstance(name, str) and name else file_id
        if isinstance(file_id, str) and isinstance(named, str):
            return Source(file_id, document=named, title=named, at=at)
    return None


# ── files ─────────────────────────────────────────────────────────────────────────────────────


def files_of_item(item: Any) -> Iterator[File]:
    """Yield the images that a tool of the provider made, its image generation or its code; unchecked."""
    item_id = getattr(item, "id", None) or "image"
    if item.type == "image_generation_call":
        made, format_ = getattr(item, "result", None), getattr(item, "output_format", None) or "png"
        media = f"image/{format_ if format_ in OUTPUT_FORMATS else 'png'}"
        if isinstance(made, str) and made:
            yield File(item_id, f"image.{media.partition('/')[2]}", media, f"data:{media};base64,{made}")
    elif item.type == "code_interpreter_call":
        for number, each in enumerate(getattr(item, "outputs", None) or ()):
            url = _of(each, "url")
            if _of(each, "type") == "image" and isinstance(url, str):
                yield File(f"{item_id}.{number}", "plot.png", _media_of(url) or "image/png", url)


def files_of_result(result: object, call_id: str) -> list[File]:
    """Return the images and files that a function tool returned, in the SDK's own forms; unchecked."""
    found: list[File] = []
    for number, each in enumerate(result if isinstance(result, list | tuple) else (result,)):
        kind, file_id = _of(each, "type"), f"{call_id}.{number}"
        if kind == "image":
            url = _of(each, "image_url")
            if isinstance(url, str):
                found.append(File(file_id, "image", _media_of(url) or "image/png", url))
        elif kind == "file":
            url, data, name = _of(each, "file_url"), _of(each, "file_data"), _of(each, "filename")
            media = _media_of(data if isinstance(data, str) else url) or "application/octet-stream"
            if isinstance(data, str) and not data.startswith("data:"):
                data = f"data:{media};base64,{data}"
            place = data if isinstance(data, str) else url
            if isinstance(place, str):
                named = name if isinstance(name, str) and name else "file"
                found.append(File(file_id, named, media, place))
    return found


def without_data(result: object) -> object:
    """Return a tool's *result* with words in the place of the bytes of images and files, which nobody reads as text."""
    if isinstance(result, list | tuple):
        return [without_data(each) for each in result]
    if _of(result, "type") not in ("image", "file"):
        return result
    plain = result if isinstance(result, dict) else _dumped(result)
    return {key: _named(value) for key, value in plain.items() if value is not None}


def _named(value: object) -> object:
    if isinstance(value, str) and (value.startswith("data:") or len(value) > 2000):
        return f"({len(value):,} characters)"
    return value


def _media_of(url: Any) -> str | None:
    if not isinstance(url, str) or not url.startswith("data:"):
        return None
    return url[5:200].partition(",")[0].partition(";")[0] or None


# ── the answer ────────────────────────────────────────────────────────────────────────────────


def output_of(agent: Agent[Any], final_output: Any) -> Any:
    """Return a structured answer as JSON has it; UNSET where the answer is text."""
    if final_output is None or agent.output_type is None or agent.output_type is str:
        return UNSET
    return to_jsonable_python(final_output, fallback=str, inf_nan_mode="null")


def usage_of(usage: Any) -> Usage:
    """Return what the SDK or a response counted. The details are None where they are none: most tell 0 for that."""
    read = getattr(getattr(usage, "input_tokens_details", None), "cached_tokens", None)
    thought = getattr(getattr(usage, "output_tokens_details", None), "reasoning_tokens", None)
    return Usage(
        getattr(usage, "input_tokens", None) or 0,
        getattr(usage, "output_tokens", None) or 0,
        read if isinstance(read, int) and read > 0 else None,
        thought if isinstance(thought, int) and thought > 0 else None,
    )


def usage_of_chat(counted: Mapping[str, Any]) -> Usage:
    """Return the same of what was counted in chat completions' form."""
    read = counted["prompt_tokens_details"]["cached_tokens"]
    thought = counted["completion_tokens_details"]["reasoning_tokens"]
    return Usage(counted["prompt_tokens"], counted["completion_tokens"], read or None, thought or None)


def _of(value: Any, *names: str) -> Any:
    """Return the first of *names* that *value*, an object or a mapping, has."""
    for name in names:
        found = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
        if found is not None:
            return found
    return None


def _dumped(value: Any) -> dict[str, Any]:
    dump = getattr(value, "model_dump", None)
    plain = dump(mode="json", exclude_none=True) if callable(dump) else {}
    return plain if isinstance(plain, dict) else {}


def message_of(text: str) -> ResponseOutputMessage:
    """Return the item of a message that is *text*."""
    part = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(
        id="msg_said", type="message", role="assistant", status="completed", content=[part]
    )

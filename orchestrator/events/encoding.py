"""Bytes ↔ payloads. An event's name is spelled here and in the payloads, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from .agent import AGENT_PAYLOADS
from .base import PANEL, Payload
from .content import Data
from .panel import PANEL_PAYLOADS
from .run import RUN_PAYLOADS
from .snapshot import SNAPSHOT_TYPE, Snapshot

_encoder = msgspec.json.Encoder()


_S = TypeVar("_S", bound=msgspec.Struct)


def clean_text(text: str) -> str:
    """Return *text* with lone surrogates replaced, so that it can be encoded as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def is_first_half(text: str) -> bool:
    """Return whether *text* ends with the first half of a surrogate pair, as a cut within an emoji leaves it."""
    return "\ud800" <= text[-1:] <= "\udbff"


def joined(before: str, text: str) -> str:
    """Return *text* after *before*, with a surrogate pair that was cut between them made one character."""
    if not is_first_half(before) or not "\udc00" <= text[:1] <= "\udfff":
        return before + text
    return before[:-1] + clean_text(before[-1] + text[0]) + text[1:]


def encode_json(value: object) -> bytes:
    """Encode *value* as one line of JSON that no reader can take for two.

    JSON leaves U+2028, U+2029 and U+0085 bare, and some clients split lines at them. Lone surrogates,
    which are no Unicode, are replaced.
    """
    try:
        data = _encoder.encode(value)
    except UnicodeEncodeError:
        data = _encoder.encode(clean_values(msgspec.to_builtins(value)))
    if data.isascii():
        return data  # a fifth of the time of two searches, for nearly every event
    if b"\xe2\x80" in data:
        data = data.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    if b"\xc2\x85" in data:
        data = data.replace(b"\xc2\x85", b"\\u0085")
    return data


def clean_values(value: Any, clean: Callable[[str], str] = clean_text) -> Any:
    """Return plain *value* with every text in it cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean_values(key, clean): clean_values(item, clean) for key, item in value.items()}
    return [clean_values(item, clean) for item in value] if isinstance(value, list) else value


def check_types(value: _S) -> _S:
    """Return *value* as its own type declares it: annotations alone stop no agent from breaking them.

    Raises:
        TypeError, ValueError, RecursionError: A field is of another type, or cannot be encoded at all.
    """
    return msgspec.convert(msgspec.to_builtins(value, enc_hook=fields_of), type(value))


def fields_of(value: object) -> object:
    """Return the fields of a Pydantic model, which need not be ours to import, as JSON has them.

    Raises:
        TypeError: It is none, or cannot say them.
    """
    dump = getattr(value, "model_dump", None)
    try:
        if callable(dump) and not isinstance(value, type):
            return dump(mode="json")
    except Exception as exc:
        raise TypeError(f"{type(value).__name__} cannot be written as JSON") from exc
    raise TypeError(f"{type(value).__name__} is no JSON")


def encode_data(agent_id: str | None, payload: Payload, t: int) -> bytes:
    """Encode an event's `data`: who, what and when, then the payload's own fields.

    Args:
        agent_id: None for the run's own events, `PANEL` for its panel's.
        t: Milliseconds since the run's start.
    """
    body = encode_json(payload)
    who = "" if agent_id is None or agent_id == PANEL else f'"agent_id":"{agent_id}",'
    head = f'{{{who}"type":"{payload.TYPE}","t":{t}'.encode()
    return head + b"," + body[1:] if len(body) > 2 else head + b"}"


def decode_payload(agent_id: str | None, type_: str, data: bytes) -> Payload | None:
    """Read an event's `data` back; None for an event of a newer version, which changes no state here."""
    kinds = AGENT_PAYLOADS
    if agent_id is None or agent_id == PANEL:
        kinds = RUN_PAYLOADS if agent_id is None else PANEL_PAYLOADS
    kind = kinds.get(type_)
    return None if kind is None else msgspec.json.decode(data, type=kind)


class _Packed(msgspec.Struct):
    name: str
    value: msgspec.Raw
    data_id: str | None = None
    speaker: str | None = None
    parent: str | None = None


def decode_to_pass_on(agent_id: str | None, type_: str, data: bytes) -> Payload | None:
    """Read as `decode_payload` does, but leave the value of a `Data` the JSON that it is, a `msgspec.Raw`.

    Who only passes it on need not make objects of it, which take many times its bytes and the time to look at them.
    """
    if type_ != Data.TYPE or agent_id is None or agent_id == PANEL:
        return decode_payload(agent_id, type_, data)
    said = msgspec.json.decode(data, type=_Packed)
    return Data(said.name, said.value, said.data_id, said.speaker, said.parent)


def packed(said: Data) -> Data:
    """Return *said* with its value as JSON, for who keeps it long: objects take many times its bytes."""
    if isinstance(said.value, msgspec.Raw):
        return said
    return msgspec.structs.replace(said, value=msgspec.Raw(encode_json(said.value)))


class _Timed(msgspec.Struct):
    t: int


def decode_time(data: bytes) -> int:
    """Read back from an event's `data` when it was, in milliseconds since the run's start."""
    return msgspec.json.decode(data, type=_Timed).t


def encode_snapshot(snapshot: Snapshot, t: int) -> bytes:
    """Encode a `run.snapshot` event's `data`."""
    return f'{{"type":"{SNAPSHOT_TYPE}","t":{t},'.encode() + encode_json(snapshot)[1:]

"""JSON of a value that may be large, piece by piece, so that nobody else waits for all of it. Owns no socket."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import cache
from typing import Any

import msgspec

from .encoding import encode_json, encode_snapshot
from .snapshot import SNAPSHOT_TYPE, AgentSnapshot, Revealed, RevealedAgent, Snapshot

PIECE_BYTES = 64 * 1024
"""Beyond so many bytes a piece ends; a part that cannot be divided, such as a text, may make it larger."""

ITEM_CHARS = 1024
"""What a piece of data, a file and the like is taken for; each may have more."""

DEPTH = 7
"""How deep a value is divided: as far as the pieces of data of one agent in the answer to an MCP client."""


def is_large(snapshot: Snapshot) -> bool:
    """Whether a snapshot may be longer than a piece; cheap to say."""
    size = len(snapshot.message)
    for agent in snapshot.agents.values():
        content = len(agent.progress) + len(agent.data) + len(agent.sources) + len(agent.files)
        size += len(agent.text) + ITEM_CHARS * (content + (agent.output is not msgspec.UNSET))
        size += sum(len(turn.text) for turn in agent.turns)
    return size > PIECE_BYTES // 2


def json_pieces(value: object, depth: int = DEPTH) -> Iterator[bytes]:
    """Yield what `encode_json` returns for *value*, in pieces.

    Args:
        depth: How deep in it there may be something large; what lies deeper is encoded whole.
    """
    gathered = bytearray()
    for part in _parts(value, depth):
        gathered += part
        if len(gathered) >= PIECE_BYTES:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def snapshot_by_pieces(snapshot: Snapshot, t: int) -> Generator[bytes, None, bytes]:
    """Return what `encode_snapshot` does; yield nothing at all after each piece of it that is made."""
    if not is_large(snapshot):
        return encode_snapshot(snapshot, t)
    made = []
    for piece in snapshot_pieces(snapshot, t):
        made.append(piece)
        yield b""
    return b"".join(made)


def snapshot_pieces(snapshot: Snapshot, t: int) -> Iterator[bytes]:
    """Yield what `encode_snapshot` returns, in pieces."""
    pieces = json_pieces(snapshot)
    yield f'{{"type":"{SNAPSHOT_TYPE}","t":{t},'.encode() + next(pieces)[1:]
    yield from pieces


def _parts(value: Any, depth: int) -> Iterator[bytes]:
    if not depth or not value or not isinstance(value, _DIVIDED):
        yield encode_json(value)
        return
    if isinstance(value, list):
        before = b"["
        for each in value:
            yield before
            yield from _parts(each, depth - 1)
            before = b","
        yield b"]"
        return
    before = b"{"
    for name, each in value.items() if isinstance(value, dict) else _members(value):
        yield b"%b%b:" % (before, encode_json(name))
        yield from _parts(each, depth - 1)
        before = b","
    yield b"{}" if before == b"{" else b"}"


_DIVIDED = (list, dict, Snapshot, AgentSnapshot, Revealed, RevealedAgent)
"""Of structs only those of which one may be large; no field of theirs has another name than its own in JSON."""


def _members(value: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """Yield the members of a struct that are encoded."""
    omits = value.__struct_config__.omit_defaults
    for name, default in _defaults(type(value)):
        each = getattr(value, name)
        if each is msgspec.UNSET or (omits and type(each) is type(default) and each == default):
            continue
        yield name, each


@cache
def _defaults(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    """Return the fields of a struct with what they are if nobody has set them, `NODEFAULT` if somebody must."""
    return tuple(
        (field.name, field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory())
        for field in msgspec.structs.fields(kind)
    )

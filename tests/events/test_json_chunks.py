"""Covers `orchestrator/events/json_chunks.py`: JSON piece by piece is the JSON that is made in one go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from orchestrator.events import Data, File, Snapshot, Source
from orchestrator.events.encoding import encode_json, encode_snapshot
from orchestrator.events.json_chunks import PIECE_BYTES, is_large, json_pieces, snapshot_by_pieces
from orchestrator.events.snapshot import AgentSnapshot, EarlierTurn, Revealed, RevealedAgent

PLAIN = AgentSnapshot("queued", 1, "", {"code": "x", "message": "a\u2028b"}, None, None)
FULL = AgentSnapshot(
    "done", 2, "said \u2028 \U0001f980", None, None, None, stage="final", round=0, output=None,
    turns=[EarlierTurn(1, "first", 1, "done", "before")], data=[Data("rows", [1, {"a": []}], data_id="d")],
    sources=[Source("s", url="https://x.example")], files=[File("f", "n", "image/png", "https://x.example/y")],
)  # fmt: skip
REVEALED = Revealed("a", [RevealedAgent("a", "real", "Real", "function", None, None, None, None)], "tie")


def snapshot(**agents: AgentSnapshot) -> Snapshot:
    return Snapshot(
        "run_1", "c", None, 'so "', "running", 1, None, None, dict(agents), blind=True, revealed=REVEALED
    )


VALUES: tuple[Any, ...] = (
    snapshot(a=PLAIN, b=FULL), snapshot(), snapshot(a=FULL), {}, [], {"a": {}}, [[], {}], "x", None, 0, False,
    {"a\u2028": [{"b": [1, {"c": [[[]]]}]}]}, [None, 1.5, "\ud800"], {"raw": [msgspec.Raw(b'{"a":1}')]},
)  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:20])
def test_pieces_are_what_is_made_in_one_go(value: Any) -> None:
    assert b"".join(json_pieces(value)) == encode_json(value)


def test_no_piece_is_much_larger_than_one_part_of_the_value() -> None:
    many = [Data("rows", "x" * 1000, data_id=f"d{n}") for n in range(500)]
    large = snapshot(**{f"a{n}": msgspec.structs.replace(FULL, data=many) for n in range(3)})
    pieces = list(json_pieces(large))
    assert len(pieces) > 20
    assert max(map(len, pieces)) < PIECE_BYTES + 2000
    assert b"".join(pieces) == encode_json(large)


@pytest.mark.parametrize("size", [1, 3 * PIECE_BYTES])
def test_a_snapshot_is_made_with_pauses_if_it_is_large(size: int) -> None:
    state = snapshot(a=msgspec.structs.replace(FULL, text="x" * size), b=PLAIN)
    making = snapshot_by_pieces(state, 7)
    made: list[bytes] = []

    def gather() -> Iterator[bytes]:
        made.append((yield from making))

    pauses = list(gather())
    assert made == [encode_snapshot(state, 7)]
    assert is_large(state) == (size > 1) == bool(pauses)
    assert set(pauses) <= {b""}

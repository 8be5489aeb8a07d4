"""Covers `orchestrator/server/http/compression.py`."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.server.http import compression
from orchestrator.server.http.compression import ENCODINGS, Compressor, Encoding, choose_encoding, pack

needs_zstd = pytest.mark.skipif(
    "zstd" not in ENCODINGS, reason="zstd comes with Python 3.14 or backports.zstd"
)
EACH = [pytest.param("zstd", marks=needs_zstd), "gzip"]
FRAME = (
    b"id: k3f9-%d\nevent: skeptic.token\n"
    b'data: {"agent_id":"skeptic","type":"token","t":812,"text":" however"}\n\n'
)


def decoder(encoding: Encoding) -> Callable[[bytes], bytes]:
    """Return an incremental decoder that is not ours."""
    if encoding == "gzip":
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress
    zstd: Any = compression._zstd
    decompress: Callable[[bytes], bytes] = zstd.ZstdDecompressor().decompress
    return decompress


@pytest.mark.parametrize("encoding", EACH)
def test_each_batch_can_be_decoded_as_it_arrives(encoding: Encoding) -> None:
    """A reader must not wait for a later event to see this one."""
    compressor, decode = Compressor(encoding), decoder(encoding)
    for number in range(50):
        assert decode(compressor.compress(FRAME % number)) == FRAME % number


@pytest.mark.parametrize("encoding", EACH)
@given(batches=st.lists(st.binary(max_size=300), max_size=20))
def test_what_goes_in_comes_out(encoding: Encoding, batches: list[bytes]) -> None:
    compressor, decode = Compressor(encoding), decoder(encoding)
    assert [decode(compressor.compress(batch)) for batch in batches] == batches
    assert decode(compressor.finish()) == b""


@pytest.mark.parametrize("encoding", EACH)
def test_a_big_batch_is_decoded_whole(encoding: Encoding) -> None:
    data = b"".join(FRAME % number for number in range(20_000))
    assert decoder(encoding)(Compressor(encoding).compress(data)) == data


def test_finish_ends_a_gzip_stream_in_good_order() -> None:
    """Without the trailer a decoder must report a truncated stream."""
    compressor, decode = Compressor("gzip"), zlib.decompressobj(zlib.MAX_WBITS | 16)
    decode.decompress(compressor.compress(FRAME % 1))
    assert not decode.eof
    decode.decompress(compressor.finish())
    assert decode.eof


@needs_zstd
def test_finish_ends_a_zstd_stream_in_good_order() -> None:
    zstd: Any = compression._zstd
    compressor, decode = Compressor("zstd"), zstd.ZstdDecompressor()
    decode.decompress(compressor.compress(FRAME % 1))
    assert not decode.eof
    decode.decompress(compressor.finish())
    assert decode.eof


@pytest.mark.parametrize("encoding", EACH)
def test_single_events_shrink_to_a_fifth(encoding: Encoding) -> None:
    """Flushing costs some bytes each time; what earlier events said is still used."""
    compressor = Compressor(encoding)
    frames = [FRAME % number for number in range(500)]
    packed = sum(len(compressor.compress(frame)) for frame in frames)
    assert packed < sum(map(len, frames)) / 5


def test_zstd_is_refused_where_it_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_zstd", None)
    with pytest.raises(ValueError, match="no zstd"):
        Compressor("zstd")


BEST = ENCODINGS[0]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("br, deflate", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("gzip, deflate, br, zstd", BEST),
        ("gzip;q=1.0, zstd;q=0.1", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("gzip;q=0, *", "zstd" if "zstd" in ENCODINGS else None),
        ("*", BEST),
        ("*;q=0", None),
        ("*;q=0, gzip;q=0.5", "gzip"),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("gzip ; q=0.3", "gzip"),
        ("gzip;q=2", None),
        ("gzip;q=nan", None),
        ("gzip;level=9", None),
        (",,;q=1,", None),
    ],
)
def test_the_clients_wish_is_followed(header: str | None, expected: Encoding | None) -> None:
    assert choose_encoding(header) == expected


@given(st.text(alphabet="gzipstdquality=*;,. 01", max_size=40))
def test_any_header_can_be_read(header: str) -> None:
    assert choose_encoding(header) in (None, *ENCODINGS)


@pytest.mark.parametrize("encoding", EACH)
def test_what_is_packed_once_is_smaller_than_a_stream(encoding: Encoding) -> None:
    """And decodes to the same; gzip's header holds no date, so the same bytes are packed the same."""
    data = Path(__file__).read_bytes()
    compressor = Compressor(encoding)
    packed = pack(data, encoding)
    assert decoder(encoding)(packed) == data
    assert packed == pack(data, encoding)
    assert len(packed) < len(compressor.compress(data) + compressor.finish())

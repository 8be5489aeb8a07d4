"""Packs a screenshot more tightly: Chromium writes PNG quickly, not small. Owns no picture; the pixels stay the same.

Source: PNG (Third Edition), 9 Filtering and 10 Compression, https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from struct import pack, unpack_from

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BYTES_PER_PIXEL = {2: 3, 6: 4}
"""Colour type → bytes: RGB and RGBA of 8 bits, which is all that Chromium writes."""


def repacked(picture: bytes) -> bytes:
    """Return the same picture without filters, compressed as well as zlib can.

    Areas of one colour, of which a page has many, are smaller without a filter.

    Raises:
        ValueError: It is none of Chromium's kind.
    """
    chunks = list(_chunks(picture))
    width, _, depth, colours = unpack_from(">IIBB", chunks[0][1])
    if depth != 8 or colours not in BYTES_PER_PIXEL:
        raise ValueError(f"a PNG of {depth} bits and colour type {colours} is not expected")
    filtered = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    rows = b"".join(b"\0" + row for row in _unfiltered(filtered, width, BYTES_PER_PIXEL[colours]))
    small = [chunks[0], (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return SIGNATURE + b"".join(
        pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data)) for kind, data in small
    )


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(picture):
        (length,) = unpack_from(">I", picture, at)
        yield picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        at += length + 12


def _unfiltered(filtered: bytes, width: int, step: int) -> Iterator[bytes]:
    """Undo each row's filter: its bytes are differences from the bytes to the left and above."""
    above = bytes(width * step)
    for start in range(0, len(filtered), width * step + 1):
        row = bytearray(filtered[start + 1 : start + 1 + width * step])
        predict = _PREDICTORS[filtered[start]]
        for at in range(len(row)):
            left, corner = (row[at - step], above[at - step]) if at >= step else (0, 0)
            row[at] = (row[at] + predict(left, above[at], corner)) & 255
        above = bytes(row)
        yield above


def _paeth(left: int, up: int, corner: int) -> int:
    """Return which of the three is nearest to ``left + up - corner``; the first of equals."""
    distances = (abs(up - corner), abs(left - corner), abs(left + up - 2 * corner))
    return (left, up, corner)[distances.index(min(distances))]


_PREDICTORS: tuple[Callable[[int, int, int], int], ...] = (
    lambda left, up, corner: 0,
    lambda left, up, corner: left,
    lambda left, up, corner: up,
    lambda left, up, corner: (left + up) // 2,
    _paeth,
)
"""By the filter's number: what the specification calls None, Sub, Up, Average and Paeth."""

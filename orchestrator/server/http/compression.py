"""Compresses a stream so that each batch can be decoded as it arrives; owns no socket.

aiohttp's own `enable_compression` delivers nothing before the end of the answer, hence this.
"""

from __future__ import annotations

import gzip
import importlib
import re
import zlib
from typing import Any, Literal, Protocol, get_args

Encoding = Literal["zstd", "gzip"]
"""The content codings offered, the preferred one first."""

GZIP_LEVEL = 5
ZSTD_LEVEL = 3
ZSTD_PACK_LEVEL = 19
ZSTD_WINDOW_LOG = 18
"""256 KiB: events repeat what was just said, and each subscriber pays for a window of its own."""

_GZIP_WBITS = 31  # a 32 KiB window, with gzip's header and trailer


def _load_zstd() -> Any:
    """Return the zstd module of Python 3.14, its backport, or None."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_zstd = _load_zstd()
ENCODINGS: tuple[Encoding, ...] = tuple(e for e in get_args(Encoding) if e == "gzip" or _zstd is not None)
"""The codings that this Python can write."""

_WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)


def choose_encoding(accept_encoding: str | None) -> Encoding | None:
    """Choose the coding that a client likes best, None for none; equal ones by our own order.

    Without the header nothing is compressed: a client that cannot decode would not say so.
    Source: RFC 9110, 12.5.3.
    """
    weights = _parse_weights(accept_encoding or "")
    anything = weights.get("*", 0.0)
    best = max(ENCODINGS, key=lambda encoding: weights.get(encoding, anything))
    weight = weights.get(best, anything)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else None


def _parse_weights(header: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in header.split(","):
        name, _, parameter = part.partition(";")
        coding = name.strip().lower()
        match = _WEIGHT.fullmatch(parameter.strip())
        if coding and (match or not parameter.strip()):
            weights["gzip" if coding == "x-gzip" else coding] = float(match[1]) if match else 1.0
    return weights


class _Codec(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self, mode: int, /) -> bytes: ...


class Compressor:
    """One stream's compression state, for one reader: neither shared nor used again."""

    def __init__(self, encoding: Encoding) -> None:
        self._codec, self._sync, self._end = _open_codec(encoding)

    def compress(self, data: bytes) -> bytes:
        """Return bytes from which all of *data* can be decoded at once."""
        return self._codec.compress(data) + self._codec.flush(self._sync)

    def finish(self) -> bytes:
        """Return the bytes that end the stream; nothing may follow."""
        return self._codec.flush(self._end)


def pack(data: bytes, encoding: Encoding) -> bytes:
    """Return *data* as small as it gets: for what is packed once and sent often."""
    if encoding == "gzip":
        return gzip.compress(data, compresslevel=9, mtime=0)
    packed: bytes = _zstd.compress(data, level=ZSTD_PACK_LEVEL)
    return packed


def _open_codec(encoding: Encoding) -> tuple[_Codec, int, int]:
    """Return the codec, and its modes for a flush and for the end."""
    if encoding == "gzip":
        return zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WBITS), zlib.Z_SYNC_FLUSH, zlib.Z_FINISH
    if _zstd is None:
        raise ValueError("this Python has no zstd: choose_encoding would not have named it")
    parameters = _zstd.CompressionParameter
    options = {parameters.compression_level: ZSTD_LEVEL, parameters.window_log: ZSTD_WINDOW_LOG}
    codec = _zstd.ZstdCompressor(options=options)
    return codec, _zstd.ZstdCompressor.FLUSH_BLOCK, _zstd.ZstdCompressor.FLUSH_FRAME

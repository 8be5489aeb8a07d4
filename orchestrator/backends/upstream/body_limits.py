"""Bounds what httpx's and httpx2's clients hold of an answer: both read and unpack one whole, however large it is.

Owns no client and no request. An answer of a gigabyte, or of a megabyte that unpacks to one, would take the memory of
all agents of the process, and unpacking it all their time.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Any

from ...errors import AgentError
from .errors import PROVIDER
from .http_errors import MAX_BODY_BYTES

MAX_WHOLE_BYTES = 64 * 1024 * 1024
"""Of an answer that is no stream: images come in one. The cap is a denial-of-service guard."""
SLICE_BYTES = 64 * 1024
"""Unpacked at once; other tasks have a turn after each."""
_AUTOMATIC, _RAW = 47, -15
_UNPACKED = {"gzip", "deflate"}
_PACKED = {*_UNPACKED, "br", "zstd"}
"""What these clients unpack themselves."""


class BoundBody:
    """An event hook for responses: unpacks in slices, and bounds what is no stream.

    Of an answer with an error status no more than `MAX_BODY_BYTES` are read. One with success that is larger than
    *most* raises `upstream_invalid`, unless its request asked for a stream, or `read_as_stream` said that it is one.

    Args:
        who: Answered; begins the message.
        most: Bytes, unpacked.
    """

    def __init__(self, who: str = PROVIDER, *, most: int = MAX_WHOLE_BYTES) -> None:
        self._who = who
        self._most = most

    async def __call__(self, response: Any) -> None:
        if isinstance(response.stream, _Body) or response.is_stream_consumed:
            return
        body = _kind_of(response.stream)(response.stream)
        named = response.headers.get("content-encoding", "").lower().split(",")
        packed = [each.strip() for each in named if each.strip() in _PACKED]  # some name what is none
        if packed:
            if len(packed) > 1 or packed[0] not in _UNPACKED:
                raise AgentError(
                    "upstream_invalid", f"{self._who} packed its answer in a way that nobody asked for."
                )
            body.unpack = _Unpacking()
            del response.headers["content-encoding"]
        if response.status_code >= 400:
            body.end_at = MAX_BODY_BYTES
        elif not _asks_for_stream(response.request):
            body.most, body.who = self._most, self._who
        response.stream = body


async def ask_unpackable(request: Any) -> None:
    """Ask for what `BoundBody` unpacks: an event hook for requests."""
    request.headers["accept-encoding"] = "gzip, deflate"


def read_as_stream(response: Any) -> None:
    """Let an answer be as long as it likes: whoever reads it takes it piece by piece."""
    if isinstance(response.stream, _Body):
        response.stream.most = None


class _Unpacking:
    """Unpacks what `gzip` or `deflate` packed, in slices."""

    def __init__(self) -> None:
        self._head = b""  # until the two bytes are there that tell the bare format, which some call `deflate`
        self._inflate: Any = None

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Yield what *packed* unpacks to.

        Raises:
            zlib.error: It is not packed so.
        """
        packed = self._head + packed
        if self._inflate is None and len(packed) < 2:
            self._head = packed
            return
        self._head = b""
        while packed:
            if self._inflate is None:
                self._inflate = zlib.decompressobj(_AUTOMATIC if _has_head(packed) else _RAW)
            yield self._inflate.decompress(packed, SLICE_BYTES)
            packed = self._inflate.unconsumed_tail
            if self._inflate.eof:  # several in a row are allowed
                packed, self._inflate = self._inflate.unused_data, None
                if len(packed) < 2:
                    self._head, packed = packed, b""


def _has_head(packed: bytes) -> bool:
    is_zlib = packed[0] & 15 == 8 and (packed[0] << 8 | packed[1]) % 31 == 0
    return is_zlib or packed[:2] == b"\x1f\x8b"


class _Body:
    """What is read in the place of an answer's own stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.unpack: _Unpacking | None = None
        self.end_at: int | None = None
        self.most: int | None = None
        self.who = PROVIDER

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for packed in self._stream:
            for piece in (packed,) if self.unpack is None else self._unpacked(self.unpack, packed):
                size += len(piece)
                if self.most is not None and size > self.most:
                    raise AgentError("upstream_invalid", f"{self.who} answered with more than can be read.")
                yield piece
                if self.end_at is not None and size > self.end_at:
                    return
                if self.unpack is not None:
                    await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Close the answer's connection, or give it back."""
        await self._stream.aclose()

    def _unpacked(self, unpack: _Unpacking, packed: bytes) -> Iterator[bytes]:
        try:
            yield from unpack.feed(packed)
        except zlib.error as exc:
            raise AgentError("upstream_invalid", f"{self.who} packed its answer wrongly.") from exc


@lru_cache(maxsize=4)
def _body_class(base: type) -> Any:
    """Return `_Body` as a class that a library takes for its own."""
    return type("BoundedBody", (_Body, base), {})


def _kind_of(stream: Any) -> Any:
    base = next(each for each in type(stream).__mro__ if each.__name__ == "AsyncByteStream")
    return _body_class(base)


def _asks_for_stream(request: Any) -> bool:
    if "text/event-stream" in request.headers.get("accept", ""):
        return True
    try:
        sent = request.content
    except Exception:  # noqa: BLE001 - each library has a class of its own for a body that is not in memory
        return False
    return b'"stream":true' in sent or b'"stream": true' in sent

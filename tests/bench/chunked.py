"""Takes HTTP/1.1's chunk headers out of a body, so that a token cut by one is whole again. No I/O."""

from __future__ import annotations


class Chunked:
    """An incremental decoder of `Transfer-Encoding: chunked` (RFC 9112, 7.1), without trailers."""

    def __init__(self) -> None:
        self._left = 0
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Return what *data* adds to the body."""
        data = self._rest + data
        parts: list[bytes] = []
        at = 0
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                parts.append(piece)
                at += len(piece)
                self._left -= len(piece)
                continue
            # The line break after a chunk, then the next one's length.
            start = at + 2 if data[at : at + 2] == b"\r\n" else at
            end = data.find(b"\r\n", start)
            if end < 0 or data[at:] == b"\r":
                break
            self._left = int(data[start:end].partition(b";")[0], 16)
            at = end + 2
        self._rest = data[at:]
        return b"".join(parts)

"""Reads the events of a chat answer that are alike but for their piece of text, many at once. Owns no I/O.

A server sends each piece of an answer within the same words. What stands around a piece is learnt from an event that
was decoded whole, and proved: decoded with another piece in its place it must be the same chunk with that piece. From
then on such events cost a comparison of bytes, and the others are decoded as ever.
"""

from __future__ import annotations

import re

import msgspec

from .chunk import Chunk, is_only_text

_BEGIN, _END = b"data: ", b"\n\n"
_CONTENT = re.compile(rb'"content" ?: ?"')
_PROBE = "probe\x7f"
LEARN_AFTER = 4
"""Pieces of an answer before anything is learnt: of a few words it would cost more than it saves."""
TRIES = 4
"""Events in a row that may teach nothing: of a server that says each in other words, no more are looked at."""

_decode_chunk = msgspec.json.Decoder(Chunk).decode
_decode_text = msgspec.json.Decoder(str).decode


class BulkDecoder:
    """What stands around each piece of text in one answer's events, once that is known."""

    __slots__ = ("_after", "_before", "_between", "_tries")

    def __init__(self) -> None:
        self._before = self._after = self._between = b""
        self._tries = TRIES

    @property
    def is_known(self) -> bool:
        """Whether `take` can find anything."""
        return bool(self._before)

    def learn(self, payload: bytes, chunk: Chunk) -> None:
        """Learn from the data of an event and the *chunk* that it is, if that says a piece of text and no more."""
        if not self._tries or not is_only_text(chunk):
            return
        self._tries -= 1
        found = list(_CONTENT.finditer(payload))
        if len(found) != 1:
            return
        begin = found[0].end()
        end = payload.find(b'"', begin)
        while end > 0 and payload[end - 1] == 0x5C:  # "\\": a mark within the text, or a text that ends so
            end = payload.find(b'"', end + 1)
        before, after = payload[:begin], payload[end:]
        if end < 0 or not _is_proved(before, after, chunk):
            return
        self._before, self._after = _BEGIN + before, after + _END
        self._between = self._after + self._before

    def take(self, data: bytes) -> tuple[str, bytes]:
        """Return the text of the events that *data*, which begins where one does, begins with; and what is left."""
        before = self._before
        if not data.startswith(before):
            return "", data
        if data.endswith(self._after) and (text := _bare(data[len(before) : -len(self._after)])):
            self._tries = TRIES
            return text, b""
        pieces = data[len(before) :].split(self._between)
        last, whole, rest = pieces[-1].partition(self._after)
        if whole:
            pieces[-1] = last
        elif len(pieces) == 1:
            return "", data
        else:
            pieces.pop()
            rest = before + last
        self._tries = TRIES
        joined = b"".join(pieces)
        if b"\\" not in joined and joined.isascii():
            try:
                return _decode_text(b'"%b"' % joined), rest
            except msgspec.DecodeError:
                pass  # something else stands between two of them
        return self._one_by_one(pieces, rest)

    def _one_by_one(self, pieces: list[bytes], rest: bytes) -> tuple[str, bytes]:
        """Take pieces up to the first that is none by itself: characters and escapes may not go on in the next."""
        said: list[str] = []
        for n, piece in enumerate(pieces):
            try:
                said.append(_decode_text(b'"%b"' % piece))
            except (msgspec.DecodeError, UnicodeDecodeError):
                left = self._between.join(pieces[n:])
                return "".join(said), self._before + left + self._after + rest
        return "".join(said), rest


def _bare(piece: bytes) -> str:
    """Return the text of one event if it stands there letter by letter, as it mostly does; else nothing."""
    if b'"' in piece or b"\\" in piece or not piece.isascii():
        return ""
    text = piece.decode("ascii")
    return text if text.isprintable() else ""


def _is_proved(before: bytes, after: bytes, chunk: Chunk) -> bool:
    try:
        probed = _decode_chunk(before + _PROBE.encode() + after)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return is_only_text(probed, _PROBE) and probed.id == chunk.id

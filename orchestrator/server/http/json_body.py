"""Reads what a client sends as JSON: one object of bounded size, depth and number of members. Owns no route.

Parsing costs what a client chooses to send, so each part of it is bounded before it is paid: bytes first, then
members and depth (counted without building anything), then the object itself. What is large is parsed in a thread,
one body at a time, so that the loop and with it everybody's streams go on.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from aiohttp import hdrs, web

from .guards.request_scheduler import RequestScheduler
from .problem import MalformedJson, ProblemError

BODY_TIMEOUT_SECONDS = 30.0
"""How long a client may take to send a body; a slower one would hold a connection for nothing."""

SMALL_BODY_BYTES = 64 * 1024
"""The most that a call takes unless it says otherwise, and the most that is parsed on the loop."""

MAX_MEMBERS = 1000
"""Of all objects and lists of a body together: the largest that means anything names some hundred."""

MAX_DEPTH = 16
MAX_DIGITS = 4000
MAX_QUOTES = 4 * (MAX_MEMBERS + 1)
"""Quotation marks around strings: each member has a key and a value at most."""

MAX_ESCAPES = 500_000
"""Backslashes of a body: the longest message needs fewer, and millions hold the interpreter while they are decoded."""

READ_SECONDS = 0.001
"""CPU time after which the reading of a body goes on in another turn."""

_T = TypeVar("_T")
_CODINGS = frozenset({"", "identity", "gzip", "deflate"})
_OPENING, _CLOSING = b"{[", b"}]"


class JsonReader:
    """The bodies that are being read: how many bytes they hold, and the one thread that parses the large ones.

    Args:
        max_bytes_in_flight: Of all bodies together; who comes then is asked to come again.
        turns: What is done with a body begins in a turn of its own.
    """

    def __init__(
        self, *, max_bytes_in_flight: int = 64 * 1024 * 1024, turns: RequestScheduler | None = None
    ) -> None:
        self._turns = turns or RequestScheduler()
        self.in_flight = 0
        self._most = max_bytes_in_flight
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="json")

    async def read(
        self,
        request: web.Request,
        *,
        max_bytes: int = SMALL_BODY_BYTES,
        timeout_s: float = BODY_TIMEOUT_SECONDS,
    ) -> dict[str, Any]:
        """Read the request's body as one JSON object.

        Raises:
            ProblemError: 415 not JSON in UTF-8 or an unknown coding, 413 longer than *max_bytes* (unpacked, if
                it is compressed), 408 not here within *timeout_s*, 400 malformed: the detail says where, 503
                too many bytes of others are on their way.
        """
        _check_content_type(request)
        if request.content_length is not None and request.content_length > max_bytes:
            _too_large(max_bytes)
        with self._holding() as hold:
            try:
                async with asyncio.timeout(timeout_s):
                    body = await self._read_body(request, max_bytes, hold)
            except TimeoutError as exc:
                detail = f"The body was not complete after {timeout_s:g} s."
                raise ProblemError(408, detail, headers={"Connection": "close"}) from exc
            except web.RequestPayloadError as exc:
                raise MalformedJson("The body's transfer or content coding is broken.") from exc
            return await self.parse(body)

    async def _read_body(self, request: web.Request, max_bytes: int, hold: _Hold) -> bytes:
        chunks: list[bytes] = []
        size, begun = 0, time.thread_time()
        async for chunk in request.content.iter_any():
            hold.grow(len(chunk))
            chunks.append(chunk)
            size += len(chunk)
            if size > max_bytes:
                _too_large(max_bytes)
            if time.thread_time() - begun > READ_SECONDS:
                # All that is there already, packed say, would be read and unpacked in this one round of the loop.
                await self._turns.take()
                begun = time.thread_time()
        return b"".join(chunks)

    async def parse(self, body: bytes | str) -> dict[str, Any]:
        """Parse one JSON object, in a thread if it is large. Raises as `parse_json_object`."""
        if len(body) <= SMALL_BODY_BYTES:
            await self._turns.keep()
            return parse_json_object(body)
        return await self.in_thread(parse_json_object, body)

    async def in_thread(self, work: Callable[..., _T], *args: Any) -> _T:
        """Return what *work* makes of a large body, in the one thread for such; go on in a turn of its own.

        *work* is to let go of the interpreter every few milliseconds: the loop waits for that.
        """
        done = await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        await self._turns.take()
        return done

    def close(self) -> None:
        """Release the thread; what it parses just now is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def _holding(self) -> Iterator[_Hold]:
        hold = _Hold(self)
        try:
            yield hold
        finally:
            self.in_flight -= hold.size

    def take(self, size: int) -> None:
        """Count *size* bytes more. Raises ProblemError if that is too much."""
        if self.in_flight + size > self._most:
            detail = "The server is busy reading what others send; ask again."
            raise ProblemError(503, detail, headers={"Retry-After": "1", "Connection": "close"})
        self.in_flight += size


class _Hold:
    """The bytes that one body holds of all that may be on their way."""

    def __init__(self, reader: JsonReader) -> None:
        self._reader = reader
        self.size = 0

    def grow(self, size: int) -> None:
        self._reader.take(size)
        self.size += size


def parse_json_object(body: bytes | str) -> dict[str, Any]:
    """Parse one JSON object, more strictly than Python does by itself: no NaN, no key twice, bounded.

    Raises:
        ProblemError: 400; the detail says where.
    """
    try:
        data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
        _check_shape(data)
        value = _decoder.decode(body if isinstance(body, str) else body.decode())
    except UnicodeDecodeError as exc:
        _malformed(f"not UTF-8 at byte {exc.start}", exc)
    except json.JSONDecodeError as exc:
        _malformed(f"{exc.msg} at line {exc.lineno}, column {exc.colno}", exc)
    except RecursionError as exc:
        _malformed("nested too deeply", exc)
    except ValueError as exc:
        _malformed(str(exc), exc)
    if not isinstance(value, dict):
        raise ProblemError(400, "The body must be a JSON object.")
    return value


def _check_shape(body: bytes) -> None:
    """Count members and depth without building anything, in a handful of passes that no content makes slow.

    Raises:
        ValueError: There are too many of them.
    """
    if body.count(b"\\") > MAX_ESCAPES:
        raise ValueError(f"more than {MAX_ESCAPES} escapes")
    # Within a string a backslash escapes what follows, and outside of one it is an error, which the decoder tells.
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    if unescaped.count(b'"') > MAX_QUOTES:
        raise ValueError(f"more than {MAX_MEMBERS} members in all")
    plain = b"".join(unescaped.split(b'"')[::2])
    if plain.count(b",") + plain.count(b"{") + plain.count(b"[") > MAX_MEMBERS:
        raise ValueError(f"more than {MAX_MEMBERS} members in all")
    depth = 0
    for byte in plain.translate(None, _NOT_BRACKETS):
        depth += 1 if byte in _OPENING else -1
        if depth < 0:
            return  # the decoder says where
        if depth > MAX_DEPTH:
            raise ValueError(f"nested too deeply, more than {MAX_DEPTH}")


_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in _OPENING + _CLOSING)

JSON_TYPES = ("application/json", "application/a2a+json")
"""What no page may send without a preflight, so that none can ask in a user's name."""


def _check_content_type(request: web.Request) -> None:
    # aiohttp answers application/octet-stream if the header is absent, as RFC 9110 8.3 lets it.
    charset = (request.charset or "utf-8").lower()
    if request.content_type not in JSON_TYPES or charset not in ("utf-8", "utf8"):
        detail = "The body must be JSON: send `Content-Type: application/json`, in UTF-8."
        raise ProblemError(415, detail, headers={"Accept": "application/json"})
    codings = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING, [])).strip().lower()
    if codings not in _CODINGS:
        # aiohttp hands on what it cannot unpack, which would be called malformed JSON.
        detail = "The body's Content-Encoding must be gzip or deflate, or left out."
        raise ProblemError(415, detail, headers={"Accept-Encoding": "gzip, deflate"})


def _too_large(max_bytes: int) -> NoReturn:
    raise ProblemError(413, f"The body may have at most {max_bytes} bytes.")


def _malformed(what: str, exc: Exception) -> NoReturn:
    raise MalformedJson(f"The body is not valid JSON: {what}.") from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(literal: str) -> float:
    value = float(literal) if len(literal) <= MAX_DIGITS else math.inf
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _whole(literal: str) -> int:
    # Python's own message for a number of more than 4,300 digits speaks of Python's settings.
    if len(literal) > MAX_DIGITS:
        raise ValueError("a number has too many digits")
    return int(literal)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Which of two equal keys counts differs between parsers, so one that filtered may see another.
        raise ValueError("an object has the same key twice")
    return found


_decoder = json.JSONDecoder(
    object_pairs_hook=_distinct, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole
)

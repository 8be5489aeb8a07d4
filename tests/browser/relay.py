"""A relay between a browser and a server: Playwright neither sees nor stops what a SharedWorker asks.

It notes what is asked for; it can cut event streams, or hold them back as a proxy that buffers does.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from urllib.parse import urlsplit

REQUEST = re.compile(rb"(?ms)^(?:GET|POST|DELETE) (\S+) HTTP/1\.1\r\n(.*?)\r\n\r\n")


STREAM = b"content-type: text/event-stream"


@dataclass
class Noted:
    """The paths that were asked for, in order; both lists grow."""

    fetched: list[str] = field(default_factory=list)
    asked_whether_new: list[str] = field(default_factory=list)
    """Those of which the browser has a copy: it sends the copy's ETag along."""

    def note(self, data: bytes) -> None:
        for path, headers in REQUEST.findall(data):
            conditional = b"if-none-match:" in headers.lower()
            (self.asked_whether_new if conditional else self.fetched).append(path.decode())


@dataclass
class Trouble:
    """The event streams' troubles on the way.

    Attributes:
        cuts: After so many further bytes a stream is reset, each number once, the first one first.
        all_cut: Set once each of them has been.
        holds: Whether what comes of a stream is kept until it ends or this is false.
    """

    cuts: list[int] = field(default_factory=list)
    all_cut: Event = field(default_factory=Event)
    holds: bool = False


@contextmanager
def noting(address: str, trouble: Trouble | None = None) -> Iterator[tuple[str, Noted]]:
    """Relay to the server at *address*; give the relay's own address and what is asked through it."""
    noted = Noted()
    troubled = trouble or Trouble()
    upstream = (urlsplit(address).hostname, urlsplit(address).port)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(upstream) as server:
                back = Thread(target=_pour_back, args=(server, self.request, troubled))
                back.start()
                _pour(self.request, server, noted)
                back.join()

    class Relay(ThreadingTCPServer):
        daemon_threads = True

    with Relay(("127.0.0.1", 0), Handler) as relay:
        thread = Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{relay.server_address[1]}", noted
        finally:
            relay.shutdown()
            thread.join()


def _pour(source: socket.socket, sink: socket.socket, noted: Noted | None = None) -> None:
    try:
        while data := source.recv(65536):
            if noted is not None:
                noted.note(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # either side may leave whenever it likes


def _pour_back(source: socket.socket, sink: socket.socket, trouble: Trouble) -> None:
    streaming, held = False, b""
    source.settimeout(0.05)  # to look whether what is held may go
    try:
        while (data := _some(source)) != b"":
            streaming = streaming or STREAM in (data or b"")[:1000].lower()
            held += data or b""
            if streaming and trouble.holds:
                continue
            if streaming and trouble.cuts:
                trouble.cuts[0] -= len(held)
                if trouble.cuts[0] < 0:
                    sink.sendall(held[: trouble.cuts.pop(0)])
                    _reset(sink)
                    if not trouble.cuts:
                        trouble.all_cut.set()
                    return
            sink.sendall(held)
            held = b""
        sink.sendall(held)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # as above


def _some(source: socket.socket) -> bytes | None:
    """Return what has come; None if nothing has for a moment."""
    try:
        return source.recv(65536)
    except TimeoutError:
        return None


def _reset(sink: socket.socket) -> None:
    """End a connection as a network does that goes: with neither an end of the answer nor a farewell."""
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sink.shutdown(socket.SHUT_RD)  # ends the other direction's thread, which holds the socket too
    sink.close()

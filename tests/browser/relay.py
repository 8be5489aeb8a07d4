"""A relay that notes what a browser asks a server for: Playwright does not see what a SharedWorker asks."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import urlsplit

REQUEST = re.compile(rb"(?ms)^(?:GET|POST|DELETE) (\S+) HTTP/1\.1\r\n(.*?)\r\n\r\n")


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


@contextmanager
def noting(address: str) -> Iterator[tuple[str, Noted]]:
    """Relay to the server at *address*; give the relay's own address and what is asked through it."""
    noted = Noted()
    upstream = (urlsplit(address).hostname, urlsplit(address).port)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(upstream) as server:
                back = Thread(target=_pour, args=(server, self.request))
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

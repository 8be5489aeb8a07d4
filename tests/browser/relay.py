"""A relay that notes what a browser asks a server for: Playwright does not see what a SharedWorker asks."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import urlsplit

REQUEST = re.compile(rb"(?m)^(?:GET|POST|DELETE) (\S+) HTTP/1\.1\r$")


@contextmanager
def noting(address: str) -> Iterator[tuple[str, list[str]]]:
    """Relay to the server at *address*; give the relay's own address and the list of paths, which grows."""
    paths: list[str] = []
    upstream = (urlsplit(address).hostname, urlsplit(address).port)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(upstream) as server:
                back = Thread(target=_pour, args=(server, self.request))
                back.start()
                _pour(self.request, server, paths)
                back.join()

    class Relay(ThreadingTCPServer):
        daemon_threads = True

    with Relay(("127.0.0.1", 0), Handler) as relay:
        thread = Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{relay.server_address[1]}", paths
        finally:
            relay.shutdown()
            thread.join()


def _pour(source: socket.socket, sink: socket.socket, paths: list[str] | None = None) -> None:
    try:
        while data := source.recv(65536):
            if paths is not None:
                paths.extend(found.decode() for found in REQUEST.findall(data))
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # either side may leave whenever it likes

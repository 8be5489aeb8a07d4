"""The load's client, a process of its own: opens all its streams, reads each to its end, says what it saw.

One thread, one epoll, no parser: it counts `MARK` in the bytes, and in `stamps` mode takes the births out of
stamped tokens. It reads its job as a line of JSON from stdin and writes its findings as JSON to stdout::

    {"host": …, "port": …, "requests": ["GET …"], "mode": "count", "then": "POST …", "spread_s": 0, "limit_s": 60}

`then` is sent on a connection of its own once every stream has its headers. With `spread_s` the requests are sent
over that time, and what was born before its end is not among the delays. The mode `hold` only opens the streams, says
so, and keeps them until it is killed.
"""

from __future__ import annotations

import json
import re
import resource
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from .chunked import Chunked
from .sources import MARK

STAMP = re.compile(rb"(\d{12,20})" + MARK.encode())
TAIL_BYTES = 24
"""Longer than a stamp: what is kept of a read, as its last stamp may be cut."""

RECEIVE_BYTES = 1024 * 1024


@dataclass(eq=False)
class Stream:
    """One connection. `marks` counts tokens; `delays` are nanoseconds from birth to here."""

    sock: socket.socket
    stamped: bool
    received: int = 0
    marks: int = 0
    opened: bool = False
    head: bytes = b""
    tail: bytes = b""
    body: Chunked = field(default_factory=Chunked)
    seen: set[bytes] = field(default_factory=set)
    delays: list[int] = field(default_factory=list)
    since: int = 0
    """Births before this do not count."""
    asked: int = 0
    first: int = 0
    """When the request was sent, and when the first mark came."""

    def take(self, data: memoryview) -> None:
        now = time.monotonic_ns()
        self.received += len(data)
        piece = bytes(data)
        if not self.opened:
            self.head += piece
            head, blank, piece = self.head.partition(b"\r\n\r\n")
            if not blank:
                return
            if not head.startswith(b"HTTP/1.1 2"):
                raise RuntimeError(f"the server said {self.head[:400]!r}")
            self.opened = True
        self.marks += piece.count(MARK.encode())
        if self.marks and not self.first:
            self.first = now
        if self.stamped:
            self._stamps(self.body.feed(piece), now)

    def _stamps(self, text: bytes, now: int) -> None:
        text = self.tail + text
        for stamp in STAMP.findall(text):
            # Our own `done` events repeat the whole text.
            if stamp not in self.seen:
                self.seen.add(stamp)
                if (born := int(stamp)) >= self.since:
                    self.delays.append(now - born)
        self.tail = text[-TAIL_BYTES:]


class Load:
    """All streams of one job."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.address = (job["host"], job["port"])
        self.requests: list[str] = job["requests"]
        self.stamped = job.get("mode") == "stamps"
        self.then: str | None = job.get("then")
        self.spread_ns = int(job.get("spread_s", 0) * 1e9)
        self.deadline = time.monotonic() + job.get("limit_s", 60)
        self.streams: list[Stream] = []
        self.extra: list[socket.socket] = []
        self.selector = selectors.DefaultSelector()
        self.left = len(self.requests)
        self.unopened = len(self.requests)
        self.view = memoryview(bytearray(RECEIVE_BYTES))

    def run(self) -> dict[str, Any]:
        """Read all streams to their ends."""
        began_with = _cpu_s()
        begin = time.monotonic_ns()
        while self.left:
            self._open_due(begin)
            self._read(0.005 if len(self.streams) < len(self.requests) else 1.0)
        return {
            "begin": begin,
            "end": time.monotonic_ns(),
            "marks": sum(stream.marks for stream in self.streams),
            "bytes": sum(stream.received for stream in self.streams),
            "cpu_s": _cpu_s() - began_with,
            "delays": [delay for stream in self.streams for delay in stream.delays],
            "firsts": [stream.first - stream.asked for stream in self.streams if stream.first],
        }

    def hold(self) -> None:
        """Open all streams, say so, and keep them until the process is killed."""
        self._open_due(0)
        while self.unopened:
            self._read(1.0)
        print("held", flush=True)
        while True:
            self._read(1.0, endless=True)

    def _open_due(self, begin: int) -> None:
        """Send what is due by now: all at once, or evenly over `spread_ns`."""
        total = len(self.requests)
        due = total
        if self.spread_ns:
            due = min(total, 1 + (time.monotonic_ns() - begin) * total // self.spread_ns)
        for request in self.requests[len(self.streams) : due]:
            asked = time.monotonic_ns()
            stream = Stream(self._send(request), self.stamped, since=begin + self.spread_ns, asked=asked)
            self.streams.append(stream)
            self.selector.register(stream.sock, selectors.EVENT_READ, stream)

    def _send(self, request: str) -> socket.socket:
        sock = socket.create_connection(self.address)
        sock.sendall(request.encode())
        return sock

    def _read(self, seconds: float, *, endless: bool = False) -> None:
        if not endless and time.monotonic() > self.deadline:
            raise RuntimeError(f"{self.left} of {len(self.requests)} streams did not end in time")
        for key, _ in self.selector.select(seconds):
            stream: Stream = key.data
            was_open = stream.opened
            size = stream.sock.recv_into(self.view)
            if size:
                stream.take(self.view[:size])
            else:
                self.selector.unregister(stream.sock)
                stream.sock.close()
                self.left -= 1
            self.unopened -= stream.opened and not was_open
        if self.then is not None and not self.unopened:
            self.extra.append(self._send(self.then))
            self.then = None


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    job = json.loads(sys.stdin.readline())
    if job["mode"] == "hold":
        Load(job).hold()
    print(json.dumps(Load(job).run()))


if __name__ == "__main__":
    main()

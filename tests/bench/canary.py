"""``python -m tests.bench.canary URL``: one reader of a run of 10 tokens/s, in a process of its own.

Starts the run, prints a line once its first token is there, and at the end of its input the longest pause between
two tokens in milliseconds. No parser and no loop: what it measures is the server's, not its own.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from urllib.parse import urlsplit

MARK = b".token"


def main() -> None:
    address = urlsplit(sys.argv[1])
    body = json.dumps({"message": "sing", "agents": ["canary"]}).encode()
    head = (
        f"POST /v1/runs HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname or "", address.port or 80)) as sock:
        sock.sendall(head.encode() + body)
        while MARK not in (data := sock.recv(65536)):
            if not data:
                raise SystemExit("the stream ended before its first token")
        print("singing", flush=True)
        print(round(_longest(sock) * 1000, 1), flush=True)


def _longest(sock: socket.socket) -> float:
    """Read until the input ends; return the longest pause, the one that lasts at the end included."""
    last, longest = time.monotonic(), 0.0
    while True:
        ready, _, _ = select.select([sock, sys.stdin], [], [])
        now = time.monotonic()
        if sock in ready:
            data = sock.recv(65536)
            if not data:
                raise SystemExit("the stream ended")
            if MARK in data:
                longest, last = max(longest, now - last), now
        if sys.stdin in ready:
            return max(longest, now - last)


if __name__ == "__main__":
    main()

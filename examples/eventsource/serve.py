"""Serves a page that follows a run with the browser's own EventSource, from another origin.

Run: python examples/eventsource/serve.py

ORCHESTRATOR_SERVER names another server than http://127.0.0.1:8080.

The page comes from another port than the orchestrator, as a front end often does, so the orchestrator has to
be told that this page may call it: `orchestrator serve --allow-origin <what this program prints>`.
"""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
ORCHESTRATOR = os.environ.get("ORCHESTRATOR_SERVER", "http://127.0.0.1:8080")


class Handler(SimpleHTTPRequestHandler):
    """Files of this folder, never from a cache: they are meant to be edited. `/server` says where to ask."""

    def do_GET(self) -> None:
        if self.path != "/server":
            super().do_GET()
            return
        body = ORCHESTRATOR.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    with ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(HERE))) as server:
        page = f"http://127.0.0.1:{server.server_port}"
        print(f"Open {page} and start: orchestrator serve --allow-origin {page}", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()

"""An Ollama as far as one is looked for: it lists its models and shows what each can do. In a thread of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Ollama:
    """What it has, and what it was asked. `hold` makes it silent until it is set."""

    models: Mapping[str, dict[str, Any]]
    asked: list[str] = field(default_factory=list)
    hold: threading.Event | None = None
    host: str = ""


@contextmanager
def ollama(models: Mapping[str, dict[str, Any]], *, hold: threading.Event | None = None) -> Iterator[Ollama]:
    """Serve *models*, names with what `/api/show` says of them, the newest first."""
    here = Ollama(models, hold=hold)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            here.asked.append(self.path)
            if here.hold is not None:
                here.hold.wait()
            self._say({"models": [{"name": name} for name in here.models]})

        def do_POST(self) -> None:
            wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]
            here.asked.append(f"{self.path} {wanted}")
            self._say(here.models[wanted])

        def _say(self, found: object) -> None:
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        here.host = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield here
        finally:
            if here.hold is not None:
                here.hold.set()
            server.shutdown()
            thread.join()

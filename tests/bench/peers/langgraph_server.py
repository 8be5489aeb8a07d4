"""LangGraph's own server, as `langgraph dev` runs it: the graph beside this file, everything in memory."""

from __future__ import annotations

import argparse
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

JOBS = 64
"""Runs that it works on at a time; as it comes it is one."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def announce(address: str, to: int) -> None:
    """Print the address once the server answers."""
    while True:
        try:
            with urllib.request.urlopen(f"{address}/ok", timeout=5):
                break
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    os.write(to, f"{address}\n".encode())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--upstream", required=True)
    os.environ["BENCH_UPSTREAM"] = parser.parse_args().upstream
    os.environ.update(
        LANGGRAPH_NO_VERSION_CHECK="true", LANGSMITH_TRACING="false", LANGGRAPH_CLI_NO_ANALYTICS="1"
    )
    from langgraph_api.cli import run_server

    stdout = os.dup(1)
    os.dup2(2, 1)  # it logs there
    port = free_port()
    threading.Thread(target=announce, args=(f"http://127.0.0.1:{port}", stdout), daemon=True).start()
    graph = Path(__file__).with_name("langgraph_graph.py")
    run_server(
        "127.0.0.1", port,
        graphs={"fanin": f"{graph}:graph"}, n_jobs_per_worker=JOBS, disable_persistence=True, allow_blocking=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()

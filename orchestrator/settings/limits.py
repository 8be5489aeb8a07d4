"""Bounds on what one process carries. Owns numbers only; who keeps to them is the supervisor's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Bounds on what one process carries.

    Args:
        max_runs: Runs at once. retention_s: How long an ended run stays.
        abandon_after_s: With `on_disconnect: cancel`, seconds without any subscriber.
        max_subscribers: Streams at once on one run or channel.
        max_log_bytes: Of all runs; beyond it ended runs go, the oldest first, then the oldest events.
        max_live_bytes: Of what running runs have said and keep in memory; beyond it the one that holds most is ended.
        max_kept_runs: Ended runs; beyond it the oldest go.
        conversation_retention_s: How long an unused conversation stays. max_conversation_bytes: Of all turns.
        max_tombstones: Forgotten runs that are still answered with 410.
        max_run_tokens, max_run_cost: What the agents of one run may spend together.
    """

    max_runs: int = 1000
    retention_s: float = 3600.0
    abandon_after_s: float = 10.0
    max_subscribers: int = 1000
    max_log_bytes: int = 512 * 1024 * 1024
    max_live_bytes: int = 256 * 1024 * 1024
    max_kept_runs: int = 100_000
    conversation_retention_s: float = 30 * 24 * 3600.0
    max_conversation_bytes: int = 256 * 1024 * 1024
    max_tombstones: int = 100_000
    max_run_tokens: int | None = None
    max_run_cost: float | None = None


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds on what all clients of one process hold together.

    Args:
        max_streams: Server-Sent-Events streams. max_websockets: WebSockets.
        max_answer_bytes: Of answers that wait for their clients to take them.
        max_request_bytes: Of bodies that are being read.
    """

    max_connections: int = 10_000
    max_streams: int = 8_000
    max_websockets: int = 2_000
    max_answer_bytes: int = 64 * 1024 * 1024
    max_request_bytes: int = 64 * 1024 * 1024

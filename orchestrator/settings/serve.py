"""The settings of `orchestrator serve`: names, defaults, what fits together. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
LogFormat = Literal["json", "console"]
Images = Literal["none", "data", "https"]
IMAGES: tuple[Images, ...] = ("none", "data", "https")
LOG_FORMATS: tuple[LogFormat, ...] = ("json", "console")

_ROOT_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9_.~-]+)+", re.ASCII)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?[smhd])+")


@dataclass(frozen=True)
class ServeSettings:
    """The options of `serve`; the one place that holds their defaults.

    Args:
        config: Folder of agents' files. offline: Whether no model is looked for, for agents with `backend: auto`.
        port: 0 picks a free one. admin_port: Where alone `/metrics`, `/readyz` and `/docs` are; None: on `port`.
        uds: A Unix socket to listen on, in place of host and port.
        root_path: The path under which a proxy shows the service, as `/chat`; empty: at the root.
        log: ``memory:``, ``sqlite:///path.db``, ``redis://host:port/db``.
        token: Wanted from every request under `/v1`; None: nobody needs one. token_file: Further ones, one a line.
        metrics_token: Wanted on `/metrics` and `/readyz`.
        trusted_proxies: Networks whose `X-Forwarded-…` is believed; `unix`: whoever comes over the Unix socket.
        allow_hosts, allow_origins: Beside the loopback's, and the server's own.
        retention_s: Seconds an ended run stays.
        max_runs: Runs at once.
        max_kept_runs, max_log_bytes: Ended runs, and bytes of all runs, beyond which the oldest ended ones go.
        max_live_bytes: Bytes that running runs keep in memory, beyond which the largest is ended.
        conversation_retention_s, max_conversation_bytes, max_tombstones: As `RunLimits`.
        max_run_tokens, max_run_cost: What the agents of one run may spend together.
        images: `none`, `data` or `https`. image_hosts: The only ones that images' addresses may name.
        max_connections, max_streams, max_websockets, max_answer_bytes, max_request_bytes: As `ConnectionLimits`.
        workers: Processes; more than one need a log that they share.
        passed_over: Variables that Kubernetes set, and no person.
        drain_s: After SIGTERM, seconds that runs may take to end by themselves.

    Raises:
        ValueError: An option is wrong, or two do not fit; its message names the option.
    """

    config: Path = Path("agents_config")
    offline: bool = False
    host: str = "127.0.0.1"
    port: int = 8080
    admin_port: int | None = None
    uds: Path | None = None
    root_path: str = ""
    log: str = "memory:"
    token: str | None = None
    token_file: Path | None = None
    metrics_token: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    retention_s: float = 3600.0
    max_runs: int = 1000
    max_kept_runs: int = 100_000
    max_log_bytes: int = 512 * 1024 * 1024
    max_live_bytes: int = 256 * 1024 * 1024
    conversation_retention_s: float = 30 * 24 * 3600.0
    max_conversation_bytes: int = 256 * 1024 * 1024
    max_tombstones: int = 100_000
    max_run_tokens: int | None = None
    max_run_cost: float | None = None
    images: Images = "https"
    image_hosts: tuple[str, ...] = ()
    max_connections: int = 10_000
    max_streams: int = 8_000
    max_websockets: int = 2_000
    max_answer_bytes: int = 64 * 1024 * 1024
    max_request_bytes: int = 64 * 1024 * 1024
    workers: int = 1
    log_format: LogFormat = "console"
    log_level: str = "info"
    drain_s: float = 15.0
    passed_over: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.root_path and not _ROOT_PATH.fullmatch(self.root_path):
            raise ValueError(f"--root-path {self.root_path!r} is no path such as /chat")
        if self.uds is None and not is_loopback(self.host) and not (self.token or self.token_file):
            raise ValueError(
                f"--host {self.host} is open to other machines; set ORCHESTRATOR_TOKEN, or stay on 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach *host*. A name other than localhost may resolve to anything."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_duration(text: str) -> float:
    """Return the seconds in ``90s``, ``30m``, ``1h30m``, ``2d`` or a bare number of seconds.

    Raises:
        ValueError: It is none of these.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", text):
        return float(text)
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no duration such as 90s, 30m or 1h")
    return sum(float(part[:-1]) * _UNITS[part[-1]] for part in re.findall(r"[0-9.]+[smhd]", text))

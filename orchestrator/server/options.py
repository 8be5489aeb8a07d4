"""The options of the HTTP side beside its agents. The commands' options are `serve`'s own."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..settings.limits import ConnectionLimits
from .http.images import ImageRule


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Bounds on requests, by their names in the protocol.

    Args:
        root_path: The path under which a proxy shows the service; requests may come with it or without.
    """

    root_path: str = ""
    max_message_chars: int = 100_000
    max_agents_per_run: int = 32
    max_images: int = 8
    images: ImageRule = field(default_factory=ImageRule)
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    max_body_bytes: int = 8 * 1024 * 1024

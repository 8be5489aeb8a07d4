"""The Python client: starts runs on a server, follows them, steers them. Imports nothing of the server."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent_view import AgentView as AgentView
    from .agent_view import ToolView as ToolView
    from .agent_view import TurnView as TurnView
    from .channel import Channel as Channel
    from .client import Client as Client
    from .event import Event as Event
    from .http import ClientError as ClientError
    from .panel_view import PanelView as PanelView
    from .run import Run as Run
    from .run_view import RunView as RunView
    from .sync import SyncChannel as SyncChannel
    from .sync import SyncClient as SyncClient
    from .sync import SyncRun as SyncRun
    from .sync import ask as ask

_PLACES = {
    "agent_view": ("AgentView", "ToolView", "TurnView"),
    "channel": ("Channel",),
    "client": ("Client",),
    "event": ("Event",),
    "http": ("ClientError",),
    "panel_view": ("PanelView",),
    "run": ("Run",),
    "run_view": ("RunView",),
    "sync": ("SyncChannel", "SyncClient", "SyncRun", "ask"),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = sorted(_PLACE_OF)


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACE_OF[name]}", __name__), name)

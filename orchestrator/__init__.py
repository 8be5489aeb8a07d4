"""Runs several AI agents at once and merges what they say into one resumable stream.

These are the public names; each is imported when it is first asked for, so that a command loads
only what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backends.base import AgentInput as AgentInput
    from .backends.base import Backend as Backend
    from .backends.base import Finish as Finish
    from .backends.base import Spent as Spent
    from .backends.base import Turn as Turn
    from .backends.base import current_input as current_input
    from .client import Client as Client
    from .client import SyncClient as SyncClient
    from .config import Config as Config
    from .config import load_config as load_config
    from .errors import AgentError as AgentError
    from .errors import ConfigError as ConfigError
    from .errors import OrchestratorError as OrchestratorError
    from .errors import ToolError as ToolError
    from .events.agent import ApprovalRequest as ApprovalRequest
    from .events.agent import Handoff as Handoff
    from .events.agent import Reasoning as Reasoning
    from .events.agent import Status as Status
    from .events.agent import Token as Token
    from .events.agent import ToolCall as ToolCall
    from .events.agent import ToolResult as ToolResult
    from .events.agent import Usage as Usage
    from .events.content import Data as Data
    from .events.content import File as File
    from .events.content import Progress as Progress
    from .events.content import Source as Source
    from .events.hops import nesting_headers as nesting_headers
    from .server.app import create_app as create_app
    from .server.embedding import run_app as run_app
    from .server.http.runner import ProblemRunner as ProblemRunner

_PLACES = {
    "backends.base": ("AgentInput", "Backend", "Finish", "Spent", "Turn", "current_input"),
    "client": ("Client", "SyncClient"),
    "config": ("Config", "load_config"),
    "errors": ("AgentError", "ConfigError", "OrchestratorError", "ToolError"),
    "events": (
        "ApprovalRequest",
        "Data",
        "File",
        "Handoff",
        "Progress",
        "Reasoning",
        "Source",
        "Status",
        "Token",
        "ToolCall",
        "ToolResult",
        "Usage",
    ),
    "events.hops": ("nesting_headers",),
    "server.app": ("create_app",),
    "server.embedding": ("run_app",),
    "server.http.runner": ("ProblemRunner",),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = sorted(_PLACE_OF)


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACE_OF[name]}", __name__), name)

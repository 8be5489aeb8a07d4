"""The events of agents, runs and panels: payloads and their bytes. The only place that spells an event's name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent import AGENT_PAYLOADS as AGENT_PAYLOADS
    from .agent import TERMINAL_TYPES as TERMINAL_TYPES
    from .agent import TERMINALS as TERMINALS
    from .agent import AgentMetrics as AgentMetrics
    from .agent import Approval as Approval
    from .agent import ApprovalRequest as ApprovalRequest
    from .agent import Cancelled as Cancelled
    from .agent import Done as Done
    from .agent import Error as Error
    from .agent import Handoff as Handoff
    from .agent import InputRef as InputRef
    from .agent import Missing as Missing
    from .agent import Reasoning as Reasoning
    from .agent import Retry as Retry
    from .agent import Started as Started
    from .agent import Status as Status
    from .agent import Token as Token
    from .agent import ToolCall as ToolCall
    from .agent import ToolResult as ToolResult
    from .agent import Usage as Usage
    from .base import AGENT_ID_PATTERN as AGENT_ID_PATTERN
    from .base import PANEL as PANEL
    from .base import RESERVED_IDS as RESERVED_IDS
    from .base import RUN as RUN
    from .base import AgentStatus as AgentStatus
    from .base import Payload as Payload
    from .base import RunStatus as RunStatus
    from .content import Data as Data
    from .content import File as File
    from .content import Progress as Progress
    from .content import Source as Source
    from .encoding import check_types as check_types
    from .encoding import clean_text as clean_text
    from .encoding import decode_payload as decode_payload
    from .encoding import decode_time as decode_time
    from .encoding import encode_data as encode_data
    from .encoding import encode_json as encode_json
    from .encoding import encode_snapshot as encode_snapshot
    from .panel import PANEL_PAYLOADS as PANEL_PAYLOADS
    from .panel import Given as Given
    from .panel import PanelInfo as PanelInfo
    from .panel import PanelLate as PanelLate
    from .panel import PanelResult as PanelResult
    from .panel import PanelStage as PanelStage
    from .panel import PanelState as PanelState
    from .panel import Score as Score
    from .run import RUN_PAYLOADS as RUN_PAYLOADS
    from .run import AgentAdded as AgentAdded
    from .run import AgentInfo as AgentInfo
    from .run import AgentOutcome as AgentOutcome
    from .run import RunDone as RunDone
    from .run import RunGap as RunGap
    from .run import RunMetrics as RunMetrics
    from .run import RunStarted as RunStarted
    from .snapshot import SNAPSHOT_TYPE as SNAPSHOT_TYPE
    from .snapshot import AgentSnapshot as AgentSnapshot
    from .snapshot import EarlierTurn as EarlierTurn
    from .snapshot import Revealed as Revealed
    from .snapshot import RevealedAgent as RevealedAgent
    from .snapshot import Snapshot as Snapshot

_PLACES = {
    "base": ("AGENT_ID_PATTERN", "AgentStatus", "PANEL", "Payload", "RESERVED_IDS", "RUN", "RunStatus"),
    "agent": (
        "AGENT_PAYLOADS",
        "AgentMetrics",
        "Approval",
        "ApprovalRequest",
        "Cancelled",
        "Done",
        "Error",
        "Handoff",
        "InputRef",
        "Missing",
        "Reasoning",
        "Retry",
        "Started",
        "Status",
        "TERMINALS",
        "TERMINAL_TYPES",
        "Token",
        "ToolCall",
        "ToolResult",
        "Usage",
    ),
    "run": (
        "AgentAdded",
        "AgentInfo",
        "AgentOutcome",
        "RUN_PAYLOADS",
        "RunDone",
        "RunGap",
        "RunMetrics",
        "RunStarted",
    ),
    "snapshot": ("AgentSnapshot", "EarlierTurn", "Revealed", "RevealedAgent", "SNAPSHOT_TYPE", "Snapshot"),
    "panel": (
        "Given",
        "PANEL_PAYLOADS",
        "PanelInfo",
        "PanelLate",
        "PanelResult",
        "PanelStage",
        "PanelState",
        "Score",
    ),
    "content": ("Data", "File", "Progress", "Source"),
    "encoding": (
        "check_types",
        "clean_text",
        "decode_payload",
        "decode_time",
        "encode_data",
        "encode_json",
        "encode_snapshot",
    ),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = sorted(_PLACE_OF)


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACE_OF[name]}", __name__), name)

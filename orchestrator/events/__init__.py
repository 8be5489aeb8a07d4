"""What agents, runs and panels say: payloads and their bytes. The only place that spells an event's name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import AGENT_ID_PATTERN as AGENT_ID_PATTERN
    from .base import AGENT_PAYLOADS as AGENT_PAYLOADS
    from .base import PANEL as PANEL
    from .base import PANEL_PAYLOADS as PANEL_PAYLOADS
    from .base import RESERVED_IDS as RESERVED_IDS
    from .base import RUN as RUN
    from .base import RUN_PAYLOADS as RUN_PAYLOADS
    from .base import SNAPSHOT_TYPE as SNAPSHOT_TYPE
    from .base import TERMINAL_TYPES as TERMINAL_TYPES
    from .base import TERMINALS as TERMINALS
    from .base import AgentAdded as AgentAdded
    from .base import AgentInfo as AgentInfo
    from .base import AgentMetrics as AgentMetrics
    from .base import AgentOutcome as AgentOutcome
    from .base import AgentSnapshot as AgentSnapshot
    from .base import AgentStatus as AgentStatus
    from .base import ApprovalRequest as ApprovalRequest
    from .base import Cancelled as Cancelled
    from .base import Done as Done
    from .base import EarlierTurn as EarlierTurn
    from .base import Error as Error
    from .base import Given as Given
    from .base import Handoff as Handoff
    from .base import InputRef as InputRef
    from .base import Missing as Missing
    from .base import PanelInfo as PanelInfo
    from .base import PanelLate as PanelLate
    from .base import PanelResult as PanelResult
    from .base import PanelStage as PanelStage
    from .base import PanelState as PanelState
    from .base import Payload as Payload
    from .base import Reasoning as Reasoning
    from .base import Retry as Retry
    from .base import Revealed as Revealed
    from .base import RevealedAgent as RevealedAgent
    from .base import RunDone as RunDone
    from .base import RunGap as RunGap
    from .base import RunMetrics as RunMetrics
    from .base import RunStarted as RunStarted
    from .base import RunStatus as RunStatus
    from .base import Score as Score
    from .base import Snapshot as Snapshot
    from .base import Started as Started
    from .base import Status as Status
    from .base import Token as Token
    from .base import ToolCall as ToolCall
    from .base import ToolResult as ToolResult
    from .base import Usage as Usage
    from .base import check_types as check_types
    from .base import clean_text as clean_text
    from .base import decode_payload as decode_payload
    from .base import decode_time as decode_time
    from .base import encode_data as encode_data
    from .base import encode_json as encode_json
    from .base import encode_snapshot as encode_snapshot

_PLACES = {
    "base": (
        "AGENT_ID_PATTERN",
        "AGENT_PAYLOADS",
        "AgentAdded",
        "AgentInfo",
        "AgentMetrics",
        "AgentOutcome",
        "AgentSnapshot",
        "AgentStatus",
        "ApprovalRequest",
        "Cancelled",
        "Done",
        "EarlierTurn",
        "Error",
        "Given",
        "Handoff",
        "InputRef",
        "Missing",
        "PANEL",
        "PANEL_PAYLOADS",
        "PanelInfo",
        "PanelLate",
        "PanelResult",
        "PanelStage",
        "PanelState",
        "Payload",
        "RESERVED_IDS",
        "RUN",
        "RUN_PAYLOADS",
        "Reasoning",
        "Retry",
        "Revealed",
        "RevealedAgent",
        "RunDone",
        "RunGap",
        "RunMetrics",
        "RunStarted",
        "RunStatus",
        "SNAPSHOT_TYPE",
        "Score",
        "Snapshot",
        "Started",
        "Status",
        "TERMINALS",
        "TERMINAL_TYPES",
        "Token",
        "ToolCall",
        "ToolResult",
        "Usage",
        "check_types",
        "clean_text",
        "decode_payload",
        "decode_time",
        "encode_data",
        "encode_json",
        "encode_snapshot",
    )
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = sorted(_PLACE_OF)


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACE_OF[name]}", __name__), name)

"""Events in words, a line each; panels' and richer events' words are in `panel_words` and `content_words`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..client.agent_view import AgentView
from ..client.event import Event
from ..events.agent import (
    Approval,
    ApprovalRequest,
    Cancelled,
    Done,
    Error,
    Handoff,
    Retry,
    Started,
    Status,
    ToolCall,
    ToolResult,
)
from ..events.base import RUN
from ..events.content import Data, File, Progress, Source
from ..events.run import AgentAdded, RunDone, RunGap, RunStarted
from .content_words import describe_content
from .panel_words import panel_words, reading_words
from .text import one_line, speed


def asked_words(asked: Mapping[str, Any]) -> str:
    """Say which call waits for an answer, and by which id it is answered."""
    return f"[waits for approval {asked['call_id']}] {asked['name']} {asked['arguments']}"


def describe(event: Event) -> str | None:
    """Say an agent's event, that is no text, in a line; None if it is not worth one."""
    data = event.data
    match event.type:
        case Started.TYPE:
            return _describe_start(data)
        case Status.TYPE:
            return one_line(f"[{data.get('status', '')}] {data.get('detail', '')}")
        case ToolCall.TYPE:
            return one_line(f"[tool {data['name']}] {data['arguments']}")
        case ToolResult.TYPE:
            outcome = "failed" if data.get("is_error") else "result"
            return one_line(f"[tool {outcome}] {data.get('output', '')}")
        case Handoff.TYPE:
            return one_line(f"[hands over to {data.get('to', '')}]")
        case ApprovalRequest.TYPE:
            return one_line(asked_words(data))
        case Approval.TYPE:
            word = "approved" if data.get("approve") else "refused"
            by = f" by {data['by']}" if data.get("by") else ""
            return one_line(f"[{word} {data['call_id']}{by}] {data.get('reason') or ''}")
        case Progress.TYPE | Data.TYPE | Source.TYPE | File.TYPE:
            said = describe_content(event.type, data)
            return None if said is None else one_line(said)
        case Retry.TYPE:
            when = f"attempt {data['attempt']} in {data.get('delay_s', 0):.1f} s after {data.get('code', '')}"
            return one_line(f"[retry] {when}; what it said before is void")
        case Done.TYPE:
            return f"[done] {speed(data.get('metrics') or {})}"
        case Error.TYPE:
            return one_line(f"[error {data.get('code', '')}] {data.get('message', '')}")
        case Cancelled.TYPE:
            return one_line(f"[cancelled] {data.get('reason', '')}")
    return None


def _describe_start(data: Mapping[str, Any]) -> str | None:
    read = reading_words(data.get("inputs") or (), data.get("missing") or ())
    if read:
        return one_line(f"[{read}]")
    # Another turn of a panel is another attempt too, but nothing failed.
    again = data.get("attempt", 1) > 1 and data.get("turn") is None
    return f"[attempt {data['attempt']}]" if again else None


def describe_run(event: Event) -> str | None:
    """Say one of the run's own events in a line; None if it is not worth one."""
    data = event.data
    if event.name != f"{RUN}.{event.type}":
        return None
    match event.type:
        case RunStarted.TYPE:
            names = ", ".join(info["agent_id"] for info in data.get("agents", ()))
            panel = data.get("panel")
            panel_part = f"; {panel_words(panel)}" if panel else ""
            return one_line(f"{data.get('run_id', '')} starts{names and f': {names}'}{panel_part}")
        case AgentAdded.TYPE:
            return one_line(f"{data['agent']['agent_id']} joins")
        case RunGap.TYPE:
            return one_line(f"some events were missed ({data.get('reason', '')}); the texts are whole again")
        case RunDone.TYPE:
            seconds = (data.get("metrics") or {}).get("duration_ms", event.t) / 1000
            return one_line(f"{data.get('status', '')} after {seconds:.1f} s")
    return None


def state_word(view: AgentView) -> str:
    """Say in a word or two what an agent does."""
    if view.approvals:
        return "waits for approval"
    if view.status == "running":
        if view.text:
            return "streaming"
        return one_line(view.note, 40) or "thinking"
    if view.status == "queued" and view.note:
        return one_line(view.note, 40)
    if view.status == "done" and view.finish_reason not in (None, "stop"):
        return f"done ({one_line(str(view.finish_reason), 20)})"
    return view.status

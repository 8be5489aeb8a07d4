"""Words for a panel: its stages, who read whom, its result. Cleans nothing, draws nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..client.event import Event
from ..events.panel import PanelLate, PanelResult, PanelStage

MEMBERS_STAGE = "panel"
"""In it members simply answer, as without a panel; every other stage is named."""

MAX_TALLY = 8
MAX_CHOICE_CHARS = 60


def panel_words(info: Mapping[str, Any]) -> str:
    """Say which panel a run is, and over whose answers if they were given before."""
    method = "" if info["method"] == info["title"] else f" ({info['method']})"
    said = f"panel {info['title']}{method}"
    given = ", ".join(one["agent"] for one in info.get("given") or ())
    return f"{said} over {info['of']}: {given}" if info.get("of") else said


def stage_words(stage: str | None, round: int | None = None, layer: int | None = None) -> str:
    """Name a stage with its number: `review`, `round 2`; nothing if members simply answer."""
    if stage is None or stage == MEMBERS_STAGE:
        return ""
    number = round if round is not None else layer
    return stage if number is None else f"{stage} {number}"


def stage_of(data: Mapping[str, Any]) -> str:
    """Name the stage of an event's data."""
    return stage_words(data.get("stage"), data.get("round"), data.get("layer"))


def reading_words(inputs: Iterable[Mapping[str, Any]], missing: Iterable[Mapping[str, Any]]) -> str:
    """Say whose answers an agent was given, and without whose it speaks."""
    read = [
        f"{one['agent']} (cut to {one['chars']} of {one['of_chars']})"
        if one.get("of_chars")
        else one["agent"]
        for one in inputs
    ]
    parts = [f"reads {', '.join(read)}"] if read else []
    return "; ".join([*parts, *filter(None, [missing_words(missing)])])


def missing_words(missing: Iterable[Mapping[str, Any]]) -> str:
    """Say whose answers are missing, and why."""
    absent = ", ".join(f"{one['agent']} ({one['status']})" for one in missing)
    return f"without {absent}" if absent else ""


def result_words(result: Mapping[str, Any]) -> str:
    """Say what came of a panel in a line."""
    parts = [_outcome(result)]
    if result.get("ranking"):
        parts.append("scores " + ", ".join(f"{one['agent']} {one['score']:g}" for one in result["ranking"]))
    tally = list((result.get("tally") or {}).items())
    if tally:
        counts = [f"{_short(choice)} × {count:g}" for choice, count in tally[:MAX_TALLY]]
        parts.append("tally " + ", ".join(counts) + (" …" if len(tally) > MAX_TALLY else ""))
    if result.get("by"):
        parts.append(f"last word: {result['by']}")
    parts.append(missing_words(result.get("missing") or ()))
    if result.get("revision"):
        parts.append(f"revision {result['revision']}")
    return "; ".join(filter(None, parts))


def _short(choice: str) -> str:
    return choice if len(choice) <= MAX_CHOICE_CHARS else choice[: MAX_CHOICE_CHARS - 1] + "…"


def _outcome(result: Mapping[str, Any]) -> str:
    said = str(result.get("status", ""))
    if result.get("answer") is not None:
        said += f": {_short(result['answer'])!r}"
    if result.get("winner"):
        said += f": {result['winner']} wins" if result.get("answer") is None else f", by {result['winner']}"
    return said


def describe_panel(event: Event) -> str | None:
    """Say one of a panel's events in a line; None if it is not worth one."""
    data = event.data
    match event.type:
        case PanelStage.TYPE:
            stage = stage_of(data) or "answers"
            parts = [
                f"{stage}: {', '.join(data.get('agents') or ())}",
                missing_words(data.get("missing") or ()),
            ]
            return "; ".join(filter(None, parts))
        case PanelResult.TYPE:
            return f"result: {result_words(data)}"
        case PanelLate.TYPE:
            return f"late: {data.get('agent')} ({data.get('status')}), {data.get('chars')} characters"
    return None

"""A council as its events tell it: two members answer, one fails, a moderator sums up, one answer comes late."""

from __future__ import annotations

from typing import Any

from tests.support.scripted_server import METRICS

Said = tuple[str, dict[str, Any]]

INFO: dict[str, Any] = {
    "panel_id": "council",
    "title": "Council",
    "method": "moderator",
    "members": ["ann", "bob", "cid"],
    "moderator": "mod",
    "fallback": ["sub"],
}
MISSING = [{"agent": "bob", "status": "error"}, {"agent": "cid", "status": "running"}]
INPUTS = [{"agent": "ann", "attempt": 1, "chars": 4, "of_chars": 9}]
RESULT: dict[str, Any] = {
    "panel": "council",
    "method": "moderator",
    "status": "decided",
    "winner": None,
    "ranking": [],
    "tally": {},
    "by": "mod",
    "attempt": 1,
    "missing": MISSING,
}


def agent_info(agent_id: str) -> dict[str, Any]:
    return {"agent_id": agent_id, "title": agent_id.title(), "backend": "offline", "model": f"{agent_id}-1"}


def started(agent_id: str, stage: str = "panel", *, attempt: int = 1, turn: int = 1, **more: Any) -> Said:
    return f"{agent_id}.started", {"attempt": attempt, "stage": stage, "turn": turn, **more}


def token(agent_id: str, text: str, stage: str = "panel", **more: Any) -> Said:
    return f"{agent_id}.token", {"text": text, "stage": stage, **more}


def done(agent_id: str, text: str, stage: str = "panel", *, attempt: int = 1, **more: Any) -> Said:
    usage = {"input_tokens": 3, "output_tokens": 2}
    return f"{agent_id}.done", {
        "text": text, "usage": usage, "finish_reason": "stop", "metrics": METRICS,
        "attempt": attempt, "stage": stage, **more,
    }  # fmt: skip


def failed(agent_id: str, stage: str = "panel", *, attempt: int = 1) -> Said:
    return f"{agent_id}.error", {
        "code": "upstream_auth", "message": "no key", "error_id": "e1", "retryable": False,
        "metrics": METRICS, "attempt": attempt, "stage": stage,
    }  # fmt: skip


def opening(*members: str, **info: Any) -> Said:
    told = INFO | {"members": list(members)} | info
    agents = [agent_info(member) for member in members]
    return "run.started", {
        "run_id": "run_scripted",
        "channel": "run_scripted",
        "agents": agents,
        "panel": told,
    }


def stage(name: str, *agents: str, **more: Any) -> Said:
    return "panel.stage", {
        "panel": "council", "method": "moderator", "stage": name, "agents": list(agents), **more,
    }  # fmt: skip


def ending(status: str, **agents: str) -> Said:
    outcomes = {agent_id: {"status": state, "attempt": 1} for agent_id, state in agents.items()}
    return "run.done", {"status": status, "agents": outcomes, "metrics": {"duration_ms": 1600}}


def council() -> list[Said]:
    """Return the whole run, event by event."""
    return [
        opening("ann", "bob", "cid"),
        stage("panel", "ann", "bob", "cid"),
        started("ann"), started("bob"), started("cid"),
        token("ann", "It is\n"), token("ann", "so."), done("ann", "It is\nso."),
        failed("bob"),
        ("run.agent_added", {"agent": agent_info("mod")}),
        stage("final", "mod", missing=MISSING),
        started("mod", "final", inputs=INPUTS, missing=MISSING),
        token("mod", "Ann says ", "final"), token("mod", "so.", "final"),
        done("cid", "Late."),
        ("panel.late", {"panel": "council", "agent": "cid", "attempt": 1, "status": "done", "chars": 5}),
        done("mod", "Ann says so.", "final"),
        ("panel.result", RESULT),
        ending("partial", ann="done", bob="error", cid="done", mod="done"),
    ]  # fmt: skip

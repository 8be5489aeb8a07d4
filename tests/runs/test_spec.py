"""Covers `orchestrator/run/spec.py`: what a run was started with survives the store."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator.eventlog.run_store import RunRecord
from orchestrator.panels.settings import PanelSettings
from orchestrator.run.spec import GivenAnswer, StartRequest, spec_of


def record(request: bytes = b"", **keys: Any) -> RunRecord:
    return RunRecord(
        **{
            "run_id": "run_1", "channel": "room", "message": "hi", "agents": ["a", "b"], "conversation_id": "c",
            "on_disconnect": "cancel", "created_at": 1, "owner": "w", "request": request, "traceparent": "00-x",
            **keys,
        }
    )  # fmt: skip


def test_all_that_was_asked_for_is_there_again() -> None:
    panel = PanelSettings(method="vote", members=["a", "b"])
    given = (GivenAnswer("a", "A", "done", "x", 2),)
    request = StartRequest(
        "hi", ("a", "b"), "c", "room", "cancel", ("https://x/y.png",),
        panel.model_dump(mode="json", exclude_none=True), given, "run_0", blind=True,
    )  # fmt: skip
    spec = spec_of(record(msgspec.json.encode(request)))
    assert (spec.run_id, spec.channel, spec.message, spec.agents) == ("run_1", "room", "hi", ("a", "b"))
    assert (spec.conversation_id, spec.on_disconnect, spec.images) == ("c", "cancel", ("https://x/y.png",))
    assert (spec.given, spec.of, spec.blind, spec.traceparent) == (given, "run_0", True, "00-x")
    assert spec.panel is not None
    assert (spec.panel.method, list(spec.panel.members)) == ("vote", ["a", "b"])
    assert (spec.max_output_tokens, spec.max_cost) == (None, None), (
        "what it may spend is this worker's to say"
    )


def test_a_record_of_an_older_version_has_no_request() -> None:
    spec = spec_of(record())
    assert (spec.message, spec.panel, spec.given, spec.blind) == ("hi", None, (), False)


def test_a_request_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    assert spec_of(record(b'{"message": "hi", "images": ["data:x"], "unheard_of": 1}')).images == ("data:x",)


def test_a_broken_request_is_no_silent_default() -> None:
    with pytest.raises(msgspec.DecodeError):
        spec_of(record(b"{"))

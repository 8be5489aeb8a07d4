"""Covers `orchestrator/run/spec.py`: what a run was started with survives the store."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator.errors import UnreadableRequest
from orchestrator.eventlog.run_list import RunSummary
from orchestrator.eventlog.run_store import RunRecord
from orchestrator.panels.settings import PanelSettings
from orchestrator.run.spec import GivenAnswer, StartRequest, known_spec_of, spec_of, without_images


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


@pytest.mark.parametrize("request_", [b"{", b'{"message": 1}', b'{"message": "hi", "panel": {"method": 7}}'])
def test_a_broken_request_is_no_silent_default(request_: bytes) -> None:
    """Executed as a plain run it would ask others, other things, and say who they are."""
    with pytest.raises(UnreadableRequest):
        spec_of(record(request_))
    with pytest.raises(UnreadableRequest):
        spec_of(record(readable=False))


@pytest.mark.parametrize(
    ("summary", "blind"), [(None, True), (RunSummary(), False), (RunSummary(blind=True), True)]
)
def test_of_a_broken_request_is_told_what_is_known(summary: RunSummary | None, blind: bool) -> None:
    spec = known_spec_of(record(b"{", summary=summary))
    assert (spec.message, spec.agents, spec.panel) == ("hi", ("a", "b"), None)
    assert spec.blind is blind, "who takes part may be a secret"


def test_a_broken_request_has_no_images_to_drop() -> None:
    assert without_images(record(b"{")) is None

"""Covers `orchestrator/events/encoding.py`: payloads to bytes and back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from orchestrator.errors import GapReason
from orchestrator.events.agent import (
    AGENT_PAYLOADS,
    AgentMetrics,
    Approval,
    ApprovalRequest,
    Cancelled,
    Done,
    Error,
    Handoff,
    InputRef,
    Missing,
    Reasoning,
    Retry,
    Started,
    Status,
    Token,
    ToolCall,
    ToolResult,
    Usage,
)
from orchestrator.events.base import PANEL, Payload
from orchestrator.events.content import Data, File, Progress, Source
from orchestrator.events.encoding import (
    check_types,
    clean_text,
    decode_payload,
    decode_time,
    decode_to_pass_on,
    encode_data,
    encode_json,
    encode_snapshot,
)
from orchestrator.events.panel import (
    PANEL_PAYLOADS,
    Given,
    PanelInfo,
    PanelLate,
    PanelResult,
    PanelStage,
    Score,
)
from orchestrator.events.run import (
    RUN_PAYLOADS,
    AgentAdded,
    AgentInfo,
    AgentOutcome,
    RunDone,
    RunGap,
    RunMetrics,
    RunStarted,
)
from orchestrator.events.snapshot import Snapshot

METRICS = AgentMetrics(1, None, 2, 3, 4.5, 0)
INFO = AgentInfo("a", "Ann", "openai", None)
TRIMMED: GapReason = "trimmed"
OF_AGENTS: list[Payload] = [
    Started(1), Started(2, "round", 1, None, 3, [InputRef("b", 1, 5, 9)], [Missing("c", "error")]),
    Status("thinking"), Status("tool", "clock", "up-1"), Token("x"), Token("y", "Bob", "call"), Reasoning("hm"),
    ToolCall("c", "clock", "{}"), ToolResult("c", "noon", False), Handoff("Bob"),
    ApprovalRequest("c", "rm", "{}"), Approval("c", True, "Yes.", "ann"), Retry(2, 0.5, "timeout_idle"),
    Done("x", Usage(1, 2, 3, None), "stop", METRICS, 1, {"a": [None]}), Error("internal", "No.", "e1", True, None, 1),
    Cancelled("user", METRICS, 2), Progress("Reading", 0.5, 1, 2, "p"), Data("d", [1, {"x": None}], "i"),
    Source("s", "https://x", None, "T", "Q", 3), File("f", "n", "a/b", "https://x"),
]  # fmt: skip
PANEL_INFO = PanelInfo("p", "P", "vote", ["a"], None, [], "run_0", [Given("a", "Ann", 1, 5)])
OF_RUNS: list[Payload] = [
    RunStarted("run_1", "c", [INFO], PANEL_INFO, True), AgentAdded(INFO),
    RunDone("partial", {"a": AgentOutcome("done", 2)}, RunMetrics(1, 2, None, 3, 0, 0.25)),
    RunGap(TRIMMED, "x-1", None, "x-9"),
]  # fmt: skip
OF_PANELS: list[Payload] = [
    PanelStage("p", "debate", "round", ["a"], 1, None, [Missing("b", "error")], PANEL_INFO),
    PanelResult("p", "vote", "tie", None, [Score("a", 1)], {"x": 2.5}, [], "yes", "a", 1, 1),
    PanelLate("p", "a", 1, "done", 5),
]  # fmt: skip


@pytest.mark.parametrize(
    ("agent_id", "payload"),
    [("a", p) for p in OF_AGENTS] + [(None, p) for p in OF_RUNS] + [(PANEL, p) for p in OF_PANELS],
    ids=lambda value: type(value).__name__ if isinstance(value, Payload) else "",
)
def test_each_event_is_read_back_as_it_was(agent_id: str | None, payload: Payload) -> None:
    data = encode_data(agent_id, payload, 812)
    found = json.loads(data)
    assert list(found)[:1] == (["agent_id"] if agent_id == "a" else ["type"])
    assert (found["type"], found["t"]) == (payload.TYPE, 812)
    assert found.get("agent_id") == ("a" if agent_id == "a" else None)
    assert decode_payload(agent_id, payload.TYPE, data) == payload
    assert decode_time(data) == 812


def test_no_kind_of_event_was_left_out_above() -> None:
    assert {p.TYPE for p in OF_AGENTS} == AGENT_PAYLOADS.keys()
    assert {p.TYPE for p in OF_RUNS} == RUN_PAYLOADS.keys()
    assert {p.TYPE for p in OF_PANELS} == PANEL_PAYLOADS.keys()


def test_an_event_of_a_newer_version_changes_no_state() -> None:
    assert decode_payload("a", "hologram", b'{"type":"hologram","t":1}') is None
    assert decode_payload(None, "token", encode_data("a", Token("x"), 1)) is None
    assert decode_payload("a", "token", b'{"type":"token","t":1,"text":"x","of_tomorrow":1}') == Token("x")


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_no_reader_takes_one_line_for_two(separator: str) -> None:
    """Some clients split lines at these, which JSON leaves as they are."""
    data = encode_json({"text": f"a{separator}b\n"})
    assert len(data.decode().splitlines()) == 1
    assert json.loads(data) == {"text": f"a{separator}b\n"}


@pytest.mark.parametrize("text", ["", "plain", "ä€😀"])
def test_whole_text_stays(text: str) -> None:
    assert clean_text(text) == text


def test_lone_surrogates_are_replaced_wherever_they_are() -> None:
    """A model's broken token must not fail its agent: they are no Unicode, so UTF-8 has no bytes for them."""
    assert clean_text("a\ud83db") == "a\ufffdb"
    value: Any = {"k\udc00": ["\ud800", {"x": "\ud83d\ude00"}]}
    assert json.loads(encode_json(value)) == {"k\ufffd": ["\ufffd", {"x": "😀"}]}
    assert json.loads(encode_data("a", Token("x\ud800"), 1))["text"] == "x\ufffd"


def test_what_breaks_its_own_annotations_is_refused() -> None:
    assert check_types(Token("x")) == Token("x")
    with pytest.raises(msgspec.ValidationError):
        check_types(Token(5))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        check_types(Data("d", object()))


def test_a_snapshot_is_an_event_of_the_run() -> None:
    snapshot = Snapshot("run_1", "c", None, "hi", "running", 1, None, "e-1", {})
    found = json.loads(encode_snapshot(snapshot, 5))
    assert (found.pop("type"), found.pop("t")) == ("snapshot", 5)
    assert msgspec.convert(found, Snapshot) == snapshot


@pytest.mark.parametrize("value", [None, 0, "a\u2028b", {"a": [1, {"b": "\u00e9"}]}])
def test_data_that_is_only_passed_on_stays_the_json_that_it_was(value: Any) -> None:
    said = Data("n", value, data_id="i", speaker="s")
    data = encode_data("a", said, 7)
    read = decode_to_pass_on("a", "data", data)
    assert isinstance(read, Data)
    assert isinstance(read.value, msgspec.Raw)
    assert encode_data("a", read, 7) == data
    assert decode_payload("a", "data", data) == said
    assert decode_to_pass_on("a", "progress", encode_data("a", Progress("x"), 1)) == Progress("x")

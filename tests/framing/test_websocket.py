"""Covers `orchestrator/framing/websocket.py`: entries as messages, and messages as operations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.errors import InvalidRequest
from orchestrator.eventlog.base import Cursor, Entry
from orchestrator.eventlog.gap import Gap
from orchestrator.events import RunGap, RunStarted, Snapshot
from orchestrator.framing.base import Subscriber
from orchestrator.framing.websocket import OPS, WebSocketFraming, encode_problem, operation_of


def entry(
    agent_id: str | None = "a", type_: str = "token", data: bytes = b'{"type":"token","text":"x"}'
) -> Entry:
    return Entry("epoch", 7, "run_1", agent_id, type_, data)


STARTED = entry(None, RunStarted.TYPE, b'{"type":"started","run_id":"run_1"}')


def message(one: Entry, ref: object = None) -> bytes:
    return WebSocketFraming(Subscriber("run_1", ref=ref)).entries([one])


def test_a_message_has_its_id_and_its_run_in_front() -> None:
    assert json.loads(message(entry())) == {
        "id": "epoch-7", "run_id": "run_1", "type": "token", "text": "x"
    }  # fmt: skip
    assert message(entry()).startswith(b'{"id":"epoch-7","run_id":"run_1",')


@pytest.mark.parametrize("ref", ["mine", 7, {"deep": [1]}, False])
def test_only_the_start_repeats_what_the_client_called_it(ref: object) -> None:
    assert json.loads(message(STARTED, ref))["ref"] == ref
    assert "ref" not in json.loads(message(STARTED))
    assert "ref" not in json.loads(message(entry(), ref))


def test_of_a_gap_only_the_last_state_is_a_cursor() -> None:
    """The notice says of what it is."""
    state = Snapshot(
        run_id="run_1", channel="c", conversation_id=None, message="hi", status="running", created_at=1,
        ended_at=None, last_event_id="epoch-7", agents={}, panel=None,
    )  # fmt: skip
    framing = WebSocketFraming(Subscriber(None, "c"))
    notice = RunGap("trimmed", "epoch-1", "epoch-3", "epoch-9")
    told, first, last = map(json.loads, framing.gap(Gap(notice, [state, state], Cursor("epoch", 9), {}), 5))
    assert (told["channel"], told["type"], "id" in told) == ("c", "gap", False)
    assert "id" not in first
    assert last.pop("id") == "epoch-9"
    assert first == last
    assert (first["run_id"], first["status"]) == ("run_1", "running")


def test_a_refusal_answers_to_its_ref() -> None:
    told = json.loads(encode_problem("mine", {"status": 404}))
    assert told == {"op": "error", "ref": "mine", "problem": {"status": 404}}


def test_an_operation_is_read_with_its_other_members() -> None:
    asked = operation_of({"op": "attach", "ref": 3, "run_id": "run_1", "agents": ["a", "b", "a"]})
    assert (asked.op, asked.ref) == ("attach", 3)
    assert asked.text("run_id") == "run_1"
    assert asked.names("agents") == {"a", "b"}
    assert asked.names("runs") is None
    assert asked.text("after", required=False) is None
    asked.check()


@pytest.mark.parametrize("op", [None, 7, "", "START", ["start"], "delete"])
def test_an_unknown_operation_is_refused_by_name(op: object) -> None:
    asked = operation_of({"op": op, "ref": "r"})
    with pytest.raises(InvalidRequest, match="attach") as refused:
        asked.check()
    assert refused.value.fields[0].at == "op"
    assert asked.ref == "r", "so that the refusal can be told apart"


@pytest.mark.parametrize("op", OPS)
def test_known_operations_pass(op: str) -> None:
    operation_of({"op": op}).check()


@pytest.mark.parametrize("wrong", ["a", {"a": 1}, [1], ["a", None], 0])
def test_a_filter_that_is_no_list_of_names_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidRequest):
        operation_of({"op": "attach", "agents": wrong}).names("agents")


@pytest.mark.parametrize("wrong", [None, "", 7, ["x"]])
def test_a_missing_text_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidRequest):
        operation_of({"op": "attach", "run_id": wrong}).text("run_id")

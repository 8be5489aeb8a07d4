"""Covers `orchestrator/eventlog/run_store.py`: records; the Protocol has its contract suite."""

from __future__ import annotations

import msgspec

from orchestrator.eventlog.run_store import RunRecord, record_bytes, unreadable_record


def record(**keys: object) -> RunRecord:
    plain = RunRecord("run_1", "c", "hi", ["a"], None, "continue", 5, "w")
    return msgspec.structs.replace(plain, **keys)


def test_a_record_of_an_older_release_is_read_with_what_it_lacks_left_open() -> None:
    old = b"""{"run_id":"run_1","channel":"c","message":"hi","agents":["a"],"conversation_id":null,
        "on_disconnect":"continue","created_at":5,"owner":"w","of_yesterday":1}"""
    found = msgspec.json.decode(old, type=RunRecord)
    assert found == record()
    assert (found.token, found.status, found.summary, found.readable, found.digest) == (
        1,
        "running",
        None,
        True,
        "",
    )


def test_a_record_that_cannot_be_read_is_known_by_what_stands_beside_it() -> None:
    """Its events can still be followed, and it can be forgotten."""
    found = unreadable_record("run_1", "c", 5)
    assert (found.run_id, found.channel, found.created_at, found.readable) == ("run_1", "c", 5, False)
    assert (found.message, found.agents, found.owner) == ("", [], "")


def test_what_a_record_takes_grows_with_what_was_asked() -> None:
    small = record_bytes(record())
    assert record_bytes(record(message="x" * 1000)) - small == 998
    assert record_bytes(record(request="y" * 1000)) - small == 1000
    assert small > len(msgspec.json.encode(record())) / 2

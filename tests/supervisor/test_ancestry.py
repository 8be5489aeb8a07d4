"""Covers `orchestrator/supervisor/ancestry.py`: a run knows what led to it in its conversation, and no other branch."""

from __future__ import annotations

from ..support.service import Puppet, Serve


async def test_a_branch_of_a_conversation_knows_only_what_led_to_it(serve: Serve) -> None:
    """first → second → third; second asked anew → followed up; first asked anew."""
    puppets = {"a": Puppet()}
    ids: dict[str, str] = {}
    asked = {
        "first": None, "second": None, "third": None,
        "second anew": "first", "third anew": "second anew", "first anew": "start", "fourth": "third",
    }  # fmt: skip
    service = await serve(dict(puppets))
    for message, after in asked.items():
        run = {} if after is None else {"after": ids.get(after, after)}
        ids[message] = await service.start(message, conversation_id="c", **run)
        puppets["a"].say(f"to {message}")
        puppets["a"].end()
        await service.ended(ids[message])
    listed = await service.call("GET", "/v1/runs?conversation_id=c")
    await service.start("elsewhere", conversation_id="d")
    wrong = [
        await service.call("POST", "/v1/runs", json={"message": "x", **body})
        for body in (
            {"conversation_id": "d", "after": ids["first"]},
            {"conversation_id": "d", "after": "run_unknown"},
            {"conversation_id": "d", "after": 7},
            {"after": "start"},
        )
    ]
    known = {request.message: [turn.message for turn in request.history] for request in puppets["a"].requests}
    assert known == {
        "first": [],
        "second": ["first"],
        "third": ["first", "second"],
        "second anew": ["first"],
        "third anew": ["first", "second anew"],
        "first anew": [],
        "fourth": ["first", "second", "third"],
        "elsewhere": [],
    }
    told = {run["title"]: run.get("after") for run in listed.json["runs"]}
    assert told == {
        message: None if after is None else ids.get(after, after) for message, after in asked.items()
    }
    assert [answer.status for answer in wrong] == [422] * 4
    assert all(answer.problem["errors"][0]["at"] == "after" for answer in wrong)

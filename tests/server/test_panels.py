"""Panels over HTTP: what is listed and refused, a panel over answers that are there, resume at every event."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from orchestrator.panels.methods.registry import METHODS
from orchestrator.panels.settings import PanelSettings
from tests.support.patience import eventually

from ..panels.test_methods import echo, fails, hangs, saying
from ..support.service import Event, Serve, Service, events_in, words
from ..support.spine import Script

AGENTS: dict[str, Script] = {
    "a": saying("alpha beta"),
    "b": saying("gamma delta"),
    "bad": fails,  # type: ignore[dict-item]  # a generator function
    "slow": hangs,  # type: ignore[dict-item]
    "chair": echo,  # type: ignore[dict-item]
}
COUNCIL = {"method": "moderator", "members": ["a", "b"], "moderator": "chair"}


def of(events: list[Event], name: str) -> list[dict[str, Any]]:
    return [event.data for event in events if event.name == name]


async def finished(service: Service, **body: Any) -> tuple[str, list[Event]]:
    run_id = await service.start("Who?", **body)
    return run_id, await service.events(run_id)


async def test_panels_are_listed_as_they_are_configured(serve: Serve) -> None:
    council = PanelSettings.model_validate(COUNCIL | {"panel_id": "council", "title": "Council"})
    service = await serve(AGENTS)
    service.supervisor.registry.panels["council"] = council
    (listed,) = (await service.call("GET", "/v1/panels")).json["panels"]
    assert listed == {
        "panel_id": "council",
        "title": "Council",
        "description": "",
        "method": "moderator",
        "members": ["a", "b"],
        "moderator": "chair",
        "fallback": [],
        "start_when": {"all": True, "quorum": None, "deadline_s": None},
        "revise": False,
    }
    _, events = await finished(service, panel="council")
    assert events[0].data["panel"]["panel_id"] == "council"
    assert of(events, "panel.result")[0]["panel"] == "council"


@pytest.mark.parametrize("method", ["moderator", "judge", "rank", "vote", "layers", "debate"])
async def test_resuming_after_any_event_of_a_panel_gives_exactly_the_rest(serve: Serve, method: str) -> None:
    panel: dict[str, Any] = {"method": method, "members": ["a", "b", "c"]}
    if method != "vote":
        panel["moderator"] = "chair"
    service = await serve(AGENTS | {"c": words("e ", "f")})
    run_id, events = await finished(service, panel=panel)
    assert of(events, "panel.stage")
    for n, event in enumerate(events):
        head = {"Last-Event-ID": str(event.id)}
        answer = await service.call("GET", f"/v1/runs/{run_id}/events", headers=head)
        rest = [] if answer.status == 204 else events_in(answer.body)
        assert rest == events[n + 1 :]
    only = await service.events(run_id, "?agents=chair")
    kept = [e for e in events if e.name and e.name.split(".")[0] in ("run", "panel", "chair")]
    assert only == kept


async def test_data_of_panel_events_has_no_agent_id(serve: Serve) -> None:
    """Whoever groups events by `agent_id` must not find an agent "panel"."""
    service = await serve(AGENTS)
    run_id, events = await finished(service, panel=COUNCIL)
    for event in events:
        if event.name and event.name.startswith("panel."):
            assert "agent_id" not in event.data
            assert event.data["type"] == event.name.removeprefix("panel.")
            assert event.data["panel"] == "moderator"
    plain = await service.events(run_id, "?framing=message")
    assert [event.data for event in plain] == [event.data for event in events]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"panel": "nobody"}, "panel"),
        ({"panel": {"method": "judge"}}, "panel.moderator"),
        ({"panel": {"method": "moderator", "moderator": "who"}}, "panel"),
        ({"panel": {"method": "os:system"}}, "panel.method"),
        ({"panel": {"method": "race", "members": ["a", "a"]}}, "panel.members"),
        ({"panel": COUNCIL | {"limits": {"max_input_chars": 0}}}, "panel.limits.max_input_chars"),
    ],
)
async def test_wrong_panel_is_refused_before_anything_starts(
    serve: Serve, body: dict[str, Any], at: str
) -> None:
    service = await serve(AGENTS)
    answer = await service.call("POST", "/v1/runs", json={"message": "hi"} | body)
    assert answer.status == 422
    assert [problem["at"] for problem in answer.json["errors"]] == [at]
    assert (await service.call("GET", "/v1/runs")).json["runs"] == []


async def test_panel_over_an_ended_run_sits_in_a_new_one(serve: Serve) -> None:
    service = await serve(AGENTS)
    run_id, _ = await finished(service, agents=["a", "b", "bad"])
    path = f"/v1/runs/{run_id}/panel"
    answer = await service.call("POST", path, json={"panel": {"method": "moderator", "moderator": "chair"}})
    assert answer.status == 202
    new = answer.json["run_id"]
    assert new != run_id
    assert answer.headers["Location"].endswith(new)
    events = await service.events(new)
    info = events[0].data["panel"]
    assert (info["of"], info["members"]) == (run_id, ["a", "b", "bad"])
    assert [given["agent"] for given in info["given"]] == ["a", "b", "bad"]
    started = of(events, "chair.started")[0]
    assert [each["agent"] for each in started["inputs"]] == ["a", "b"]
    assert started["missing"] == [{"agent": "bad", "status": "error"}]
    said = of(events, "chair.done")[0]["text"]
    assert "alpha beta" in said
    assert "gamma delta" in said
    assert not of(events, "a.started")
    # And over that one's, the same answers again.
    again = (await service.call("POST", f"/v1/runs/{new}/panel", json={"panel": COUNCIL})).json["run_id"]
    assert (await service.events(again))[0].data["panel"]["of"] == run_id


async def test_panel_over_an_open_run_sits_in_it(serve: Serve) -> None:
    service = await serve(AGENTS)
    run_id = await service.start("Who?", agents=["a", "slow"])
    run = await service.find(run_id)
    await eventually(lambda: run.participants["a"].status == "done")
    path = f"/v1/runs/{run_id}/panel"
    answer = await service.call("POST", path, json={"panel": {"method": "moderator", "moderator": "chair"}})
    assert answer.status == 202
    assert answer.json["run_id"] == run_id
    await eventually(lambda: run.state.panel is not None and run.state.panel.result is not None)
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
    events = await service.events(run_id)
    stage = of(events, "panel.stage")[0]
    assert stage["info"]["members"] == ["a", "slow"]
    assert stage["missing"] == [{"agent": "slow", "status": "running"}]
    assert "alpha beta" in of(events, "chair.done")[0]["text"]
    assert events[-1].name == "run.done"


async def test_panel_over_a_run_that_is_just_ending_sits_in_a_new_one(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has seen `run.done` on one worker may ask another one that has not."""
    gate = asyncio.Event()
    service = await serve(AGENTS)
    run_id = await service.start("Who?", agents=["a", "slow"])
    run = await service.find(run_id)
    finish = run._finish

    async def held_back() -> None:
        await gate.wait()
        await finish()

    monkeypatch.setattr(run, "_finish", held_back)
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
    await eventually(lambda: not run.open)
    path = f"/v1/runs/{run_id}/panel"
    asking = asyncio.create_task(
        service.call("POST", path, json={"panel": {"method": "moderator", "moderator": "chair"}})
    )
    await asyncio.sleep(0.1)
    assert not asking.done()
    gate.set()
    answer = await asking
    assert answer.status == 202
    assert answer.json["run_id"] != run_id


async def test_second_panel_of_a_run_waits_for_the_first(serve: Serve) -> None:
    service = await serve(AGENTS)
    run_id = await service.start("Who?", panel=COUNCIL | {"members": ["a", "slow"]})
    run = await service.find(run_id)
    await eventually(lambda: run.participants["a"].status == "done")
    answer = await service.call(
        "POST", f"/v1/runs/{run_id}/panel", json={"panel": COUNCIL | {"members": ["a"]}}
    )
    assert answer.status == 409
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
    await service.ended(run_id)


async def test_panel_that_only_waits_for_who_is_late_makes_room_for_another(serve: Serve) -> None:
    """A member that hangs must not keep the answers of the others from being judged."""
    service = await serve(AGENTS | {"judge": saying("Winner: A")})
    run_id = await service.start("Who?", agents=["a", "b", "slow"])
    run = await service.find(run_id)
    path = f"/v1/runs/{run_id}/panel"
    await eventually(lambda: run.participants["a"].status == run.participants["b"].status == "done")
    for panel in (
        {"method": "moderator", "moderator": "chair", "members": ["a", "slow"]},
        {"method": "judge", "moderator": "judge"},
    ):
        assert (await service.call("POST", path, json={"panel": panel})).status == 202
        await eventually(
            lambda: (
                run.state.panel is not None
                and run.state.panel.method == panel["method"]  # noqa: B023 - of this turn
                and run.state.panel.result is not None
            )
        )
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
    events = await service.events(run_id)
    results = of(events, "panel.result")
    assert [(each["method"], each["status"]) for each in results] == [
        ("moderator", "decided"), ("judge", "tie"),
    ]  # fmt: skip
    # The second one hears everybody again, and neither moderator is taken for somebody who has answered.
    assert of(events, "panel.stage")[1]["info"]["members"] == ["a", "b", "slow"]
    assert events[-1].name == "run.done"


async def test_panel_that_may_revise_is_not_interrupted(serve: Serve) -> None:
    service = await serve(AGENTS)
    panel = COUNCIL | {"members": ["a", "slow"], "start_when": {"quorum": 1}, "revise": True}
    run_id = await service.start("Who?", panel=panel)
    run = await service.find(run_id)
    await eventually(lambda: run.state.panel is not None and run.state.panel.result is not None)
    answer = await service.call(
        "POST", f"/v1/runs/{run_id}/panel", json={"panel": COUNCIL | {"members": ["a"]}}
    )
    assert answer.status == 409
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
    await service.ended(run_id)


async def test_panel_over_no_answers_is_refused(serve: Serve) -> None:
    service = await serve(AGENTS)
    run_id, _ = await finished(service, agents=["bad"])
    answer = await service.call(
        "POST", f"/v1/runs/{run_id}/panel", json={"panel": COUNCIL | {"members": ["bad"]}}
    )
    assert answer.status == 409
    missing = await service.call("POST", "/v1/runs/run_none/panel", json={"panel": COUNCIL})
    assert missing.status == 404
    empty = await service.call("POST", f"/v1/runs/{run_id}/panel", json={})
    assert empty.status == 422


async def test_members_may_rank_answers_that_are_there(serve: Serve) -> None:
    service = await serve(AGENTS | {"c": words("A > B")})
    run_id, _ = await finished(service, agents=["a", "b", "c"])
    answer = await service.call("POST", f"/v1/runs/{run_id}/panel", json={"panel": {"method": "rank"}})
    events = await service.events(answer.json["run_id"])
    assert [data["stage"] for data in of(events, "panel.stage")] == ["review"]
    assert {data["stage"] for data in of(events, "c.started")} == {"review"}


@pytest.mark.parametrize(("method", "stage"), [("debate", "round"), ("layers", "layer")])
async def test_answers_that_are_there_are_the_first_round_or_layer(
    serve: Serve, method: str, stage: str
) -> None:
    """Nobody is asked the question itself once more."""
    service = await serve(AGENTS)
    run_id, _ = await finished(service, agents=["a", "b"])
    answer = await service.call(
        "POST", f"/v1/runs/{run_id}/panel", json={"panel": {"method": method, "moderator": "chair"}}
    )
    events = await service.events(answer.json["run_id"])
    assert [(data["stage"], data.get(stage)) for data in of(events, "panel.stage")] == [
        (stage, 2), ("final", None),
    ]  # fmt: skip
    (started,) = of(events, "a.started")
    assert sorted(each["agent"] for each in started["inputs"]) == ["a", "b"]


async def test_open_blind_run_takes_no_panel_and_goes_on(serve: Serve) -> None:
    """Its agents have no names there that a moderator could be asked beside."""
    service = await serve(AGENTS)
    run_id = await service.start("Who?", agents=["a", "slow"], blind=True)
    run = await service.find(run_id)
    await eventually(lambda: any(p.status == "done" for p in run.participants.values()))
    answer = await service.call(
        "POST", f"/v1/runs/{run_id}/panel", json={"panel": {"method": "moderator", "moderator": "chair"}}
    )
    assert answer.status == 409
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
    events = await service.events(run_id)
    endings = [e.name.partition(".")[2] for e in events if e.name and e.name.startswith("agent-")]
    assert "error" not in endings
    assert {"done", "cancelled"} <= set(endings)


async def test_agent_that_the_panel_will_ask_cannot_be_added_by_hand(serve: Serve) -> None:
    service = await serve(AGENTS)
    run_id = await service.start("Who?", panel=COUNCIL | {"members": ["a", "slow"]})
    run = await service.find(run_id)
    await eventually(lambda: run.participants["a"].status == "done")
    path = f"/v1/runs/{run_id}/agents"
    assert (await service.call("POST", path, json={"agent_id": "chair"})).status == 409
    assert (await service.call("POST", path, json={"agent_id": "b"})).status == 202
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
    await service.ended(run_id)


async def test_unknown_key_beside_the_panel_is_named(serve: Serve) -> None:
    service = await serve(AGENTS)
    run_id, _ = await finished(service, agents=["a", "b"])
    answer = await service.call("POST", f"/v1/runs/{run_id}/panel", json={"panel": COUNCIL, "membres": ["a"]})
    assert answer.status == 422
    assert [problem["at"] for problem in answer.json["errors"]] == ["membres"]


async def test_retry_of_a_moderator_asks_it_the_same_again(serve: Serve) -> None:
    service = await serve(AGENTS)
    run_id = await service.start(
        "Who?", panel=COUNCIL | {"members": ["a", "slow"], "start_when": {"quorum": 1}}
    )
    run = await service.find(run_id)
    await eventually(lambda: run.state.panel is not None and run.state.panel.result is not None)
    assert (await service.call("POST", f"/v1/runs/{run_id}/agents/chair/retry")).status == 202
    await eventually(lambda: run.participants["chair"].attempt == 2 and run.participants["chair"].ended)
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
    events = await service.events(run_id)
    first, second = of(events, "chair.done")
    assert first["text"] == second["text"]
    assert [data["turn"] for data in of(events, "chair.started")] == [1, 1]


async def test_conversation_keeps_the_question_and_not_the_prompt(serve: Serve) -> None:
    """A follow-up shows the moderator what the user asked and what it answered, not the panel's own words."""
    heard: list[Any] = []

    async def remembers(request: Any) -> Any:
        heard.append([(turn.message, turn.text) for turn in request.history])
        yield "final"

    service = await serve(AGENTS | {"chair": remembers})
    await finished(service, panel=COUNCIL, conversation_id="c1")
    await finished(service, panel=COUNCIL, conversation_id="c1")
    assert heard == [[], [("Who?", "final")]]


async def test_snapshot_says_which_round_it_is(serve: Serve) -> None:
    service = await serve(AGENTS)
    run_id, _ = await finished(service, panel={"method": "debate", "members": ["a", "b"], "rounds": 3})
    panel = (await service.call("GET", f"/v1/runs/{run_id}")).json["panel"]
    assert (panel["stage"], panel["round"]) == ("round", 3)
    assert "layer" not in panel


async def test_snapshot_of_a_panel_is_whole(serve: Serve) -> None:
    service = await serve(AGENTS | {"judge": saying("Winner: A")})
    run_id, events = await finished(
        service, panel={"method": "judge", "members": ["a", "b"], "moderator": "judge"}
    )
    snapshot = (await service.call("GET", f"/v1/runs/{run_id}")).json
    panel = snapshot["panel"]
    assert (panel["method"], panel["stage"], panel["result"]["status"]) == ("judge", "final", "tie")
    judge = snapshot["agents"]["judge"]
    assert (judge["turn"], judge["attempt"], len(judge["turns"])) == (2, 2, 1)
    assert judge["turns"][0]["text"] == "Winner: A"
    assert json.dumps(panel["result"]["tally"], sort_keys=True) == '{"a": 1, "b": 1}'
    assert snapshot["agents"]["a"]["stage"] == "panel"
    assert (
        events[-1].data["metrics"]["output_chars"] == sum(len(t) for t in ("alpha beta", "gamma delta")) + 18
    )


async def test_methods_are_listed_with_what_their_rows_say(serve: Serve) -> None:
    """The page offers what is listed here: it has no list of its own."""
    service = await serve(AGENTS)
    methods = (await service.call("GET", "/v1/panels")).json["methods"]
    assert [each["method"] for each in methods] == list(METHODS)
    for each in methods:
        kind = METHODS[each["method"]]
        assert (each["moderator"], each["least_members"]) == (kind.moderator, kind.least_members)
        assert each["title"]
        assert each["description"]
    debate = next(each for each in methods if each["method"] == "debate")
    prompt, rounds = debate["keys"]
    assert "{answers}" in prompt["default"]
    assert rounds == {"name": "rounds", "type": "integer", "default": 2, "minimum": 1, "maximum": 16}

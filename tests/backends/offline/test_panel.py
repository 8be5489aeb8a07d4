"""Offline agents in panels: real runs through the real Agents SDK runner, for every method."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.agent.attempt import Stop
from orchestrator.backends.base import Part, QuotedAnswer
from orchestrator.backends.offline.compare_answers import Compared, compare, compare_answers
from orchestrator.backends.offline.script import Scene, answer, next_call, think
from orchestrator.config import load_config
from orchestrator.eventlog import MemoryLog
from orchestrator.events import Missing
from orchestrator.panels.choice_parser import read_choice, read_ranking
from orchestrator.panels.prompts import letter
from orchestrator.run.registry import AgentRegistry
from orchestrator.supervisor.supervisor import Supervisor

from ...panels.test_methods import fails, hangs, panel, result, saying, stages
from ...support.patience import PATIENCE_SECONDS
from ...support.spine import Script, ScriptedBackend, Seen, of, read, settings, start, text_of

SHIPPED = Path(__file__).parents[3] / "agents_config"
THREE = ["skeptic", "optimist", "analyst"]
QUESTION = "Is 17 * 23 prime, and why do people ask?"


@asynccontextmanager
async def house(scripts: dict[str, Script] | None = None, **keys: Any) -> AsyncIterator[Supervisor]:
    """The agents that ship, quickly, beside scripted ones; *keys* change the offline agents' settings."""
    config = load_config(SHIPPED, {})
    agents: dict[str, Any] = {
        agent_id: each.model_copy(update={"tokens_per_s": 3000} | keys)
        for agent_id, each in config.agents.items()
    }
    scripts = scripts or {}
    agents |= {name: settings(name, retry={"attempts": 1}) for name in scripts}
    backends = {name: ScriptedBackend(script) for name, script in scripts.items()}
    registry = AgentRegistry(agents, backends=backends, panels=config.panels)
    await registry.load()
    async with Supervisor(registry, MemoryLog()) as supervisor:
        yield supervisor


async def sit(supervisor: Supervisor, message: str = QUESTION, **keys: Any) -> list[Seen]:
    run = await start(supervisor, message, panel=panel(**keys))
    return await read(supervisor, run)


def texts(events: list[Seen], agent_id: str) -> list[str]:
    return [event.data["text"] for event in of(events, agent_id, "done")]


def last_line(text: str) -> str:
    return text.splitlines()[-1]


# ── the moderator ─────────────────────────────────────────────────────────────────────────────


async def test_the_shipped_council_answers_from_what_was_said() -> None:
    """It compares with a real tool, takes the sum from who worked it out, and says what it is."""
    async with house() as supervisor:
        run = await start(
            supervisor, QUESTION, panel=load_config(SHIPPED, {}).panels["council"].model_dump(mode="json")
        )
        events = await read(supervisor, run)
    assert stages(events) == [("panel", 0), ("final", 0)]
    called = [event.data for event in of(events, "moderator", "tool_call")]
    assert [call["name"] for call in called] == ["compare_answers", "calculator"]
    given = json.loads(called[0]["arguments"])
    assert given["question"] == QUESTION
    for told, agent_id in zip(given["answers"], THREE, strict=True):
        assert told.startswith(f"{agent_id.title()}: ")
        assert told.endswith(text_of(events, agent_id)[-20:]), "the whole of what it said"
    said = text_of(events, "moderator")
    assert "17 * 23 = 391: so says Analyst." in said
    assert "offline stand-in" in said
    assert "no language model" in said
    assert result(events)["status"] == "decided"


async def test_the_moderator_thinks_then_speaks_token_by_token() -> None:
    async with house(tokens_per_s=30) as supervisor:
        events = await sit(supervisor, method="moderator", members=["skeptic"], moderator="moderator")
    kinds = [event.type for event in of(events, "moderator")]
    assert kinds.index("reasoning") < kinds.index("token") < kinds.index("tool_call")
    assert kinds.count("token") > 10
    moments = [event.data["t"] for event in of(events, "moderator", "token")]
    assert moments[-1] - moments[0] > 300, "at its pace, not at once"


async def test_the_moderator_follows_its_calculator_and_not_the_loudest() -> None:
    scripts = {"right": saying("2+3 = 5."), "wrong": saying("Everybody knows that 2+3 = 6.")}
    async with house(scripts) as supervisor:
        events = await sit(
            supervisor, "What is 2+3?", method="moderator", members=["right", "wrong"], moderator="moderator"
        )
    said = text_of(events, "moderator")
    assert "2+3 = 5: so says right." in said
    assert "wrong says 2+3 = 6 (it is 5)" in said


async def test_the_moderator_works_out_what_nobody_did() -> None:
    async with house({"idle": saying("No idea.")}) as supervisor:
        events = await sit(
            supervisor, "What is 2+3?", method="moderator", members=["idle"], moderator="moderator"
        )
    assert "2+3 = 5: nobody says so." in text_of(events, "moderator")


async def test_without_sums_the_best_sentence_is_taken_with_its_author() -> None:
    scripts = {"far": saying("I like trains."), "near": saying("Hm. Cats purr because they are content.")}
    async with house(scripts) as supervisor:
        events = await sit(
            supervisor,
            "Why do cats purr?",
            method="moderator",
            members=["far", "near"],
            moderator="moderator",
        )
    said = text_of(events, "moderator")
    assert "What carries most is near’s word: “Cats purr because they are content.”" in said


@pytest.mark.parametrize("when", [{"quorum": 1, "deadline_s": 2}, {"quorum": 3, "deadline_s": 1}])
async def test_who_is_missing_is_named_with_the_reason_within_time(when: dict[str, float]) -> None:
    """Issue 6: one fails, one hangs, one answers; the moderator's first token comes within 2.5 s."""
    scripts: dict[str, Script] = {"good": saying("17 * 23 = 391."), "bad": fails, "slow": hangs}  # type: ignore[dict-item]
    async with house(scripts, tokens_per_s=36) as supervisor:
        asked = panel(method="moderator", members=list(scripts), moderator="moderator", start_when=when)
        run = await start(supervisor, QUESTION, panel=asked)

        def stop(event: Seen) -> None:
            if event.name == "panel.result":
                run.cancel(Stop("requested"))

        events = await read(supervisor, run, on_event=stop)
    assert of(events, "moderator", "token")[0].data["t"] < 2500
    said = text_of(events, "moderator")
    assert "17 * 23 = 391: so says good" in said
    assert "Missing here: bad (error), slow (running)." in said


async def test_any_offline_agent_can_moderate_and_judge_without_the_tool() -> None:
    async with house() as supervisor:
        events = await sit(
            supervisor, method="moderator", members=["skeptic", "analyst"], moderator="optimist"
        )
        assert "17 * 23 = 391: so says Analyst" in text_of(events, "optimist")
        events = await sit(supervisor, method="judge", members=["skeptic", "analyst"], moderator="optimist")
        assert result(events)["winner"] == "analyst"


# ── the other methods ─────────────────────────────────────────────────────────────────────────


async def test_the_judge_chooses_the_same_in_both_orders_and_says_why() -> None:
    scripts = {
        "vague": saying("It depends on many things."),
        "exact": saying("Nobody doubts it: 17 * 23 = 391, so it is not prime."),
        "false": saying("17 * 23 = 390 is prime, and why people ask is plain."),
    }
    async with house(scripts) as supervisor:
        events = await sit(supervisor, method="judge", members=list(scripts), moderator="moderator")
    verdict = result(events)
    assert (verdict["status"], verdict["winner"]) == ("decided", "exact")
    assert verdict["tally"] == {"vague": 0, "exact": 2, "false": 0}
    first, second = texts(events, "moderator")
    assert last_line(first) == "Winner: B"
    assert last_line(second) == "Winner: B"
    assert "I choose B by rule: no wrong sum, then most of the question’s key words" in first


async def test_equal_answers_are_a_tie() -> None:
    async with house({"a": saying("The same."), "b": saying("The same.")}) as supervisor:
        events = await sit(supervisor, method="judge", members=["a", "b"], moderator="moderator")
    assert result(events)["status"] == "tie"
    assert [last_line(text) for text in texts(events, "moderator")] == ["Winner: tie"] * 2


async def test_members_rank_each_other_by_the_same_rule() -> None:
    async with house() as supervisor:
        events = await sit(supervisor, method="rank", members=THREE)
    reviews = [texts(events, agent_id)[1] for agent_id in THREE]
    assert all(re.fullmatch(r"Ranking: [AB] > [AB]", last_line(review)) for review in reviews)
    verdict = result(events)
    assert verdict["winner"] == "analyst", "a sum is a fact, and the others have none"
    assert verdict["tally"][verdict["winner"]] == 2, "first for both of the others"


async def test_a_vote_on_a_sum_is_decided_by_its_result() -> None:
    async with house() as supervisor:
        events = await sit(supervisor, "What is 6 * 7?", method="vote", members=THREE)
    verdict = result(events)
    assert (verdict["status"], verdict["answer"]) == ("decided", "42")
    assert {last_line(text) for agent_id in THREE for text in texts(events, agent_id)} == {"Answer: 42"}


async def test_a_vote_without_a_sum_is_on_the_word_it_turns_on() -> None:
    async with house() as supervisor:
        verdict = result(await sit(supervisor, "Why do cats purr?", method="vote", members=THREE))
    assert (verdict["status"], verdict["answer"]) == ("decided", "cats")


async def test_a_race_is_won_and_the_rest_is_cancelled() -> None:
    async with house({"slow": hangs}) as supervisor:  # type: ignore[dict-item]
        events = await sit(supervisor, method="race", members=["slow", "analyst"], valid="391")
    assert result(events)["winner"] == "analyst"
    assert of(events, "slow", "cancelled")[0].data["reason"] == "lost_race"


@pytest.mark.parametrize(("method", "word"), [("debate", "round"), ("layers", "layer")])
async def test_later_turns_refer_to_the_others_and_to_their_own(method: str, word: str) -> None:
    async with house() as supervisor:
        events = await sit(supervisor, method=method, members=["skeptic", "analyst"], moderator="moderator")
    assert stages(events) == [(word, 1), (word, 2), ("final", 0)]
    first, second = texts(events, "skeptic")
    assert "said:" not in first
    assert "Last time I said: “" in second
    assert "Analyst said: “17 * 23 = 391.”" in second
    quoted = re.search(r"Last time I said: “(.+?[.?])”", second)
    assert quoted is not None
    assert quoted[1] in first
    calls = [event.data["call_id"] for event in of(events, "analyst", "tool_call")]
    assert len(set(calls)) == len(calls) == 2, "a call's id is its own, in every turn"
    assert "so says Analyst" in text_of(events, "moderator")


@pytest.mark.parametrize("method", ["moderator", "judge", "rank", "vote", "race", "layers", "debate"])
async def test_every_method_ends_well_on_shipped_agents(method: str) -> None:
    moderator = {"moderator": "moderator"} if method in ("moderator", "judge", "layers") else {}
    async with house() as supervisor:
        events = await sit(
            supervisor, "Привет 😀 what's 1/0 and the time?", method=method, members=THREE, **moderator
        )
    assert result(events)["status"] in ("decided", "tie", "undecided")
    assert not [event for event in events if event.type == "error"]
    for agent_id in [*THREE, *moderator.values()]:
        for text in texts(events, agent_id):
            assert "offline stand-in" in text, "it says what it is, whatever it is asked"


async def test_equal_runs_say_the_same() -> None:
    async def once() -> list[str]:
        async with house() as supervisor:
            events = await sit(supervisor, method="debate", members=THREE[::2], moderator="moderator")
        return [text for agent_id in ("skeptic", "analyst", "moderator") for text in texts(events, agent_id)]

    assert await once() == await once()


# ── the rules by themselves ───────────────────────────────────────────────────────────────────

SAYINGS = st.lists(
    st.sampled_from(
        ["cats", "purr", "2+2 = 4.", "2+2 = 5.", "It is 12:00:00 in UTC.", "7 trains", "\n", "é", "=", "“"]
    )
    | st.text(max_size=12)
).map(" ".join)


def scene(task: Any, said: list[str], question: str = "Why do 2+2 cats purr?") -> Scene:
    heard = tuple(QuotedAnswer(f"a{n}", 1, letter(n), text, len(text)) for n, text in enumerate(said))
    part = Part(question, "final", task, heard=heard, missing=(Missing("gone", "error"),))
    return Scene(question, title="T", agent_id="t", part=part)


@given(st.lists(SAYINGS, min_size=1, max_size=6, unique=True), st.randoms())
@hypothesis_settings(deadline=None)
def test_the_place_of_an_answer_decides_nothing(said: list[str], random: Any) -> None:
    """The same answers in any order: the same winner, the same ranking."""
    labels = [letter(n) for n in range(len(said))]
    shuffled = random.sample(said, len(said))

    def choice(order: list[str]) -> str | None:
        found = read_choice(last_line(answer(scene("judge", order))), labels)
        return order[found] if isinstance(found, int) else found

    def ranking(order: list[str]) -> list[str]:
        return [order[index] for index in read_ranking(last_line(answer(scene("review", order))), labels)]

    assert choice(said) == choice(shuffled) is not None
    assert ranking(said) == ranking(shuffled)
    assert sorted(ranking(said)) == sorted(said)


@given(
    SAYINGS, st.lists(SAYINGS, max_size=4), st.sampled_from(["moderate", "judge", "review", "vote", "answer"])
)
@hypothesis_settings(deadline=None)
def test_whatever_was_said_something_is_answered(question: str, said: list[str], task: str) -> None:
    now = scene(task, said, question)
    assert think(now, next_call(now))
    assert "offline stand-in" in answer(now)


def test_a_tool_of_that_name_that_says_something_else_is_not_believed() -> None:
    """It may be the user's own; then the agent compares by itself."""
    plain = scene("judge", ["cats purr", "dogs"])
    call = next_call(
        Scene(
            **{**fields(plain), "tools": {"compare_answers": {"properties": {"question": {}, "answers": {}}}}}
        )
    )
    assert call is not None
    for output in ("", "{}", "sunny", compare_answers("x", ["only: one"])):
        assert answer(Scene(**{**fields(plain), "findings": ((call, output),)})) == answer(plain)


def fields(of_scene: Scene) -> dict[str, Any]:
    return {name: getattr(of_scene, name) for name in ("message", "title", "agent_id", "part")}


def test_arguments_of_a_tool_stay_small_whatever_was_said() -> None:
    """They become an event that every client gets."""
    big = scene("moderate", ["x" * 200_000] * 16)
    call = next_call(
        Scene(
            **{**fields(big), "tools": {"compare_answers": {"properties": {"question": {}, "answers": {}}}}}
        )
    )
    assert call is not None
    assert len(json.dumps(dict(call.arguments))) < 9_000


# ── the tool ──────────────────────────────────────────────────────────────────────────────────


def test_the_comparison_tells_what_each_says_of_the_question() -> None:
    first, second = compare(
        "Why do cats purr?",
        [
            ("A", "So. Cats purr at 25 hertz, say vets."),
            ("B", "Some dogs bark. I am an offline stand-in that hears cats purr."),
        ],
    )
    assert (first.key_words, first.gist) == (["cats", "purr"], "Cats purr at 25 hertz, say vets.")
    assert (second.key_words, second.gist) == ([], "Some dogs bark."), (
        "what it says of itself counts for nothing"
    )
    assert first.merit > second.merit


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        ("17*23 = 391.", ["17*23 = 391"], []),
        ("6 times 7 = 42, so", ["6 * 7 = 42"], []),
        ("1/3 = 0.33", ["1/3 = 0.33"], []),
        ("sqrt(16) = 4; (1+2)*3=9", ["sqrt(16) = 4", "(1+2)*3 = 9"], []),
        ("1,000 * 2 = 2,000", ["1000 * 2 = 2000"], []),
        ("2+2 = 5", [], ["2+2 = 5 (it is 4)"]),
        ("10/4 = 2.6", [], ["10/4 = 2.6 (it is 2.5)"]),
        ("x = 5, y=3, 5 = 5, 1/0 = 7", [], []),
    ],
)
def test_sums_are_worked_out_anew(text: str, right: list[str], wrong: list[str]) -> None:
    (one,) = compare("?", [("A", text)])
    assert (one.right, one.wrong) == (right, wrong)


def test_the_tool_returns_what_can_be_read_back() -> None:
    output = compare_answers("Why do cats purr?", ["Ann: Cats purr.", "no name", "Bob: Dogs: bark."])
    found = msgspec.json.decode(output, type=list[Compared])
    assert [(one.name, one.gist) for one in found] == [
        ("Ann", "Cats purr."),
        ("", "no name"),
        ("Bob", "Dogs: bark."),
    ]
    with pytest.raises(ValueError, match="no answer to compare"):
        compare_answers("x", [])


@pytest.mark.parametrize("unit", ["1+", "(", "1+1=2 ", "9", "12:00:00 in a ", ".\n", "“", "sqrt("])
@pytest.mark.timeout(PATIENCE_SECONDS)
def test_a_flood_of_answers_is_compared_to_its_end(unit: str) -> None:
    """An agent without the tool compares in the event loop, so no expression may run wild."""
    compare("1+1 " * 30_000, [("n", unit * 50_000)] * 32)

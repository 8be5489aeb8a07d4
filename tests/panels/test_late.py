"""Panels whose members fail, are asked once more, or come late: who is heard, and who is told to be missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from orchestrator.backends.base import AgentInput
from orchestrator.errors import AgentError
from orchestrator.run.run import Run
from tests.support.patience import eventually
from tests.support.spine import Script, Seen, of, read, start, supervised, text_of

from .test_methods import echo, panel, result, saying, sit, spoke, stages

WORTH = ["delta", "beta", "gamma", "alpha"]
"""The answers of a contest, the best first."""


class Gate:
    """Agents that wait until the test lets them speak."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()

    def saying(self, text: str) -> Script:
        async def say(request: AgentInput) -> AsyncIterator[str]:
            await self.opened.wait()
            yield text

        return say  # type: ignore[return-value]  # a generator function


def failing_first(then: Script) -> Script:
    """Fails at its first attempt, and does as *then* at the next."""

    async def say(request: AgentInput) -> AsyncIterator[str]:
        if request.attempt == 1:
            raise AgentError("upstream_unavailable", "The upstream is away.", retryable=False)
        async for text in then(request):
            yield str(text)

    return say  # type: ignore[return-value]  # a generator function


async def retried(run: Run, agent_id: str) -> None:
    await eventually(lambda: agent_id in run.participants and run.participants[agent_id].ended)
    await eventually(lambda: run.at_rest(run.participants[agent_id]))
    await run.retry(agent_id)


def results(events: list[Seen]) -> list[dict[str, Any]]:
    return [event.data for event in events if event.name == "panel.result"]


def late(events: list[Seen]) -> list[tuple[str, int]]:
    return [(e.data["agent"], e.data["attempt"]) for e in events if e.name == "panel.late"]


CHAIR: Script = echo  # type: ignore[assignment]  # a generator function
COUNCIL: dict[str, Any] = {"method": "moderator", "members": ["a", "b"], "moderator": "chair"}

# ── a person asks a member once more ──────────────────────────────────────────────────────────


async def test_member_that_is_retried_in_time_is_heard() -> None:
    """It has answered before the moderator is asked; nobody may call it missing then."""
    gate = Gate()
    scripts: dict[str, Script] = {"a": gate.saying("one"), "b": failing_first(saying("two")), "chair": CHAIR}
    async with supervised(scripts) as supervisor:
        run = await start(supervisor, panel=panel(**COUNCIL))
        await retried(run, "b")
        await eventually(lambda: run.participants["b"].status == "done")
        gate.opened.set()
        events = await read(supervisor, run)
    started = of(events, "chair", "started")[0].data
    assert [(i["agent"], i["attempt"]) for i in started["inputs"]] == [("a", 1), ("b", 2)]
    assert "missing" not in started
    assert result(events)["missing"] == []


async def test_all_waits_for_a_member_that_is_retried() -> None:
    members, answer = Gate(), Gate()
    scripts: dict[str, Script] = {
        "a": members.saying("one"), "b": failing_first(answer.saying("two")), "chair": CHAIR,
    }  # fmt: skip
    async with supervised(scripts) as supervisor:
        run = await start(supervisor, panel=panel(**COUNCIL))
        await retried(run, "b")
        members.opened.set()
        await eventually(lambda: run.participants["a"].status == "done")
        answer.opened.set()
        events = await read(supervisor, run)
    assert "two" in text_of(events, "chair")
    assert len(of(events, "chair", "started")) == 1


async def test_member_that_is_retried_after_the_last_word_has_begun_is_late() -> None:
    gate = Gate()
    scripts: dict[str, Script] = {"a": saying("one"), "b": failing_first(saying("two"))}

    async def slow_chair(request: AgentInput) -> AsyncIterator[str]:
        await gate.opened.wait()
        yield request.message

    async with supervised(scripts | {"chair": slow_chair}) as supervisor:  # type: ignore[arg-type]
        run = await start(supervisor, panel=panel(**COUNCIL, revise=True))
        await eventually(lambda: "chair" in run.participants)
        await retried(run, "b")
        await eventually(lambda: run.participants["b"].status == "done")
        gate.opened.set()
        events = await read(supervisor, run)
    assert late(events) == [("b", 2)]
    first, second = (event.data["text"] for event in of(events, "chair", "done"))
    assert "two" not in first
    assert "two" in second
    assert [(r["missing"], r.get("revision")) for r in results(events)] == [
        ([{"agent": "b", "status": "error"}], None), ([], 1),
    ]  # fmt: skip


# ── late answers ──────────────────────────────────────────────────────────────────────────────


async def test_result_names_who_was_missing_though_the_answer_came_before_it() -> None:
    """`missing` is whose answers a result goes without, not who is silent when it is told."""
    gate, chair = Gate(), Gate()
    scripts: dict[str, Script] = {"a": saying("one"), "b": gate.saying("two"), "chair": chair.saying("sum")}
    async with supervised(scripts) as supervisor:
        run = await start(supervisor, panel=panel(**COUNCIL, start_when={"quorum": 1}))
        await eventually(lambda: "chair" in run.participants)
        gate.opened.set()
        await eventually(lambda: run.participants["b"].status == "done")
        chair.opened.set()
        events = await read(supervisor, run)
    assert late(events) == [("b", 1)]
    assert result(events)["missing"] == [{"agent": "b", "status": "running"}]


async def ranks(request: AgentInput) -> AsyncIterator[str]:
    """Ranks the others by worth."""
    assert request.part is not None
    best = sorted(request.part.heard, key=lambda heard: WORTH.index(heard.text))
    yield "Ranking: " + " > ".join(heard.label for heard in best)


def contestant(answer: Script) -> Script:
    async def say(request: AgentInput) -> AsyncIterator[str]:
        review = request.part is not None and request.part.task == "review"
        async for text in ranks(request) if review else answer(request):
            yield str(text)

    return say  # type: ignore[return-value]  # a generator function


async def test_late_answer_is_ranked_with_the_others_anew() -> None:
    """Reviews of the first ranking say nothing of letters that stand for other answers now."""
    gate = Gate()
    scripts = {name: contestant(saying(text)) for name, text in zip("abc", WORTH[1:], strict=True)}
    async with supervised(scripts | {"d": contestant(gate.saying("delta"))}) as supervisor:
        keys = {"members": ["a", "b", "c", "d"], "start_when": {"quorum": 3}, "revise": True}
        run = await start(supervisor, panel=panel(method="rank", **keys))
        await eventually(lambda: run.state.panel is not None and run.state.panel.result is not None)
        gate.opened.set()
        events = await read(supervisor, run)
    assert late(events) == [("d", 1)]
    first, second = results(events)
    assert [(r["agent"], r["score"]) for r in first["ranking"]] == [("a", 2), ("b", 1), ("c", 0)]
    assert [(r["agent"], r["score"]) for r in second["ranking"]] == [("d", 6), ("a", 4), ("b", 2), ("c", 0)]
    assert stages(events) == [("panel", 0), ("review", 0), ("review", 0)]


# ── members that drop out on the way ──────────────────────────────────────────────────────────


async def test_moderator_of_a_debate_hears_of_who_dropped_out_early() -> None:
    scripts: dict[str, Script] = {
        "a": saying("one"), "b": saying("two"), "bad": failing_first(saying("three")), "chair": CHAIR,
    }  # fmt: skip
    async with supervised(scripts) as supervisor:
        events = await sit(
            supervisor, method="debate", members=["a", "b", "bad"], rounds=3, moderator="chair"
        )
    assert of(events, "chair", "started")[0].data["missing"] == [{"agent": "bad", "status": "error"}]
    assert "Without an answer: bad failed. Say in your answer who is missing." in text_of(events, "chair")


async def test_moderator_of_layers_hears_of_who_failed_in_an_earlier_one() -> None:
    scripts: dict[str, Script] = {
        "a": saying("one"), "bad": failing_first(saying("two")), "c": CHAIR, "chair": CHAIR,
    }  # fmt: skip
    async with supervised(scripts) as supervisor:
        events = await sit(supervisor, method="layers", layers=[["a", "bad"], ["c"]], moderator="chair")
    assert events[0].data["panel"]["members"] == ["a", "bad", "c"]
    assert of(events, "chair", "started")[0].data["missing"] == [{"agent": "bad", "status": "error"}]
    assert "one" in spoke(events, "c", "layer")


# ── a moderator that cannot take in so much ───────────────────────────────────────────────────


async def test_prompt_is_halved_until_the_moderator_takes_it() -> None:
    """What is too long is no failure of the moderator's: it costs none of its attempts."""

    async def small(request: AgentInput) -> AsyncIterator[str]:
        assert request.part is not None
        if sum(heard.chars for heard in request.part.heard) > 4000:
            raise AgentError("upstream_rejected", "The provider rejected the request (HTTP 400).")
        yield "It fits."

    scripts: dict[str, Script] = {"a": saying("x" * 30_000), "b": saying("y" * 30_000), "chair": small}  # type: ignore[dict-item]
    async with supervised(scripts) as supervisor:
        events = await sit(supervisor, **COUNCIL | {"moderator": {"agent": "chair", "attempts": 1}})
    told = [event.data["inputs"] for event in of(events, "chair", "started")]
    assert [sum(i["chars"] for i in inputs) for inputs in told] == [60_000, 30_000, 15_000, 7_500, 3_750]
    assert all(i["of_chars"] == 30_000 for i in told[-1])
    assert result(events)["status"] == "decided"

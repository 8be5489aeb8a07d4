"""Offline agents, run by the real Agents SDK runner: what they call, what they say, at which pace."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import subprocess
import sys
from contextlib import aclosing
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

import pytest
from agents import ModelSettings, ModelTracing
from openai.types.responses import ResponseCompletedEvent

from orchestrator.backends.base import AgentInput, Emission, Finish, Turn
from orchestrator.backends.offline.backend import OfflineBackend
from orchestrator.backends.offline.model import OfflineModel
from orchestrator.backends.offline.script import Scene
from orchestrator.backends.offline.settings import OfflineSettings
from orchestrator.backends.openai.model.events import SummaryDelta, TextDelta
from orchestrator.backends.registry import create_backend
from orchestrator.errors import ConfigError
from orchestrator.events import Reasoning, Token, ToolCall, ToolResult
from tests.support.patience import PATIENCE_SECONDS

TOOLS = "orchestrator.tools:"
CALCULATOR, CLOCK, STATISTICS, KEY_WORDS = (
    TOOLS + name for name in ("calculator", "clock", "text_statistics", "key_words")
)
PERSONAS = {
    "analyst": ("You measure everything and answer in figures.", (CALCULATOR, STATISTICS)),
    "skeptic": ("You doubt every claim and look for the risk in it.", (CLOCK, CALCULATOR)),
    "optimist": ("You are an optimist.", (CALCULATOR, KEY_WORDS)),
}
SECRET = f"{random.Random(7).getrandbits(64):x}"


def build(*tools: str, **settings: Any) -> OfflineBackend:
    given = {"agent_id": "offline", "tools": tools, "tokens_per_s": 2000, **settings}
    return OfflineBackend(OfflineSettings(**given), {})


def persona(agent_id: str) -> OfflineBackend:
    instructions, tools = PERSONAS[agent_id]
    return build(*tools, agent_id=agent_id, title=agent_id.title(), instructions=instructions)


async def ask(backend: OfflineBackend, message: str, *history: Turn) -> list[Emission]:
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        aclosing(backend.stream(AgentInput(message, history=history))) as stream,
    ):
        return [emission async for emission in stream]


def text_of(emissions: list[Emission]) -> str:
    return "".join(e.text for e in emissions if isinstance(e, Token))


def calls_of(emissions: list[Emission]) -> list[tuple[str, dict[str, str]]]:
    return [(e.name, json.loads(e.arguments)) for e in emissions if isinstance(e, ToolCall)]


def results_of(emissions: list[Emission]) -> list[ToolResult]:
    return [e for e in emissions if isinstance(e, ToolResult)]


# ── tools of a user ───────────────────────────────────────────────────────────────────────────


def weather() -> str:
    """Tell the weather."""
    return f"{SECRET} degrees"


def shout(words: str) -> str:
    """Say it louder."""
    return words.upper()


def route(start: str, goal: str) -> str:
    """Find a way."""
    raise AssertionError("nobody told the agent what to give here")


def leaks() -> str:
    """Fail with something private in the message."""
    raise RuntimeError("password=hunter2")


not_a_tool = 7


# ── tools, and the use of what they return ────────────────────────────────────────────────────


async def test_a_sum_goes_to_the_calculator_and_its_result_into_the_answer() -> None:
    """The issue's own example: the tool is called with that sum, and the answer holds its result."""
    emissions = await ask(build(CALCULATOR), "What is 17*23?")
    assert calls_of(emissions) == [("calculator", {"expression": "17*23"})]
    assert [(r.output, r.is_error) for r in results_of(emissions)] == [("391", False)]
    assert "17*23 = 391" in text_of(emissions)


async def test_the_answer_says_what_the_tool_returned_and_not_what_is_known() -> None:
    """A value that only the tool knows shows that the tool's output is what is used."""
    emissions = await ask(build(f"{__name__}:weather"), "How warm is it?")
    assert f"weather answered: {SECRET} degrees" in text_of(emissions)


async def test_the_time_comes_from_the_clock() -> None:
    """The answer repeats the clock's own words, second by second."""
    emissions = await ask(build(CLOCK), "What time is it in Tokyo?")
    assert calls_of(emissions) == [("clock", {"place": "Tokyo"})]
    (result,) = results_of(emissions)
    assert re.search(r"\d\d:\d\d:\d\d in Asia/Tokyo \(UTC\+09:00\)", result.output)
    assert f"It is {result.output}." in text_of(emissions)


async def test_words_are_counted_only_where_somebody_asks() -> None:
    backend = build(CALCULATOR, STATISTICS)
    assert calls_of(await ask(backend, "Tell me about slow trains")) == []
    emissions = await ask(backend, 'How many words are in "one two three"?')
    assert calls_of(emissions) == [("text_statistics", {"text": "one two three"})]
    assert '"words": 3' in text_of(emissions)


async def test_a_tool_that_fails_is_told_as_an_error_and_explained() -> None:
    """The calculator's own sentence reaches the reader."""
    emissions = await ask(build(CALCULATOR), "What is 1/0?")
    (result,) = results_of(emissions)
    assert result.is_error
    assert "division by zero" in result.output
    assert "My calculator could not: division by zero." in text_of(emissions)


async def test_a_tool_that_breaks_tells_no_secret() -> None:
    """The text of an unforeseen exception may hold anything."""
    emissions = await ask(build(f"{__name__}:leaks"), "How are you?")
    assert results_of(emissions)[0].is_error
    assert "hunter2" not in repr(emissions)
    assert "My leaks could not" in text_of(emissions)


async def test_a_tool_of_the_users_gets_the_message_where_it_takes_one_string() -> None:
    """A user's tool is called where it is plain what to give it, and left alone where it is not."""
    emissions = await ask(build(f"{__name__}:route", f"{__name__}:shout"), "good morning")
    assert calls_of(emissions) == [("shout", {"words": "good morning"})]
    assert "shout answered: GOOD MORNING" in text_of(emissions)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [("What is 17*23?", "I have no calculator for 17*23."), ("What time is it?", "I have no clock.")],
)
async def test_an_agent_without_the_tool_says_so_and_does_not_guess(message: str, sentence: str) -> None:
    """An agent that cannot know is worth more than one that makes it up."""
    emissions = await ask(build(), message)
    assert calls_of(emissions) == []
    assert sentence in text_of(emissions)
    assert "391" not in text_of(emissions)


# ── the shape of an answer ────────────────────────────────────────────────────────────────────


async def test_it_reasons_first_then_speaks_then_calls_and_ends_with_its_usage() -> None:
    """Each column on the page shows a thought, a word, a tool and its result, an answer, in this order."""
    emissions = await ask(persona("analyst"), "What is 17*23?")
    kinds = [type(e) for e in emissions]
    assert kinds[0] is Reasoning
    assert kinds.index(Token) < kinds.index(ToolCall) < kinds.index(ToolResult) < len(kinds) - 2
    assert kinds[kinds.index(ToolResult) + 1] is Reasoning
    finish = emissions[-1]
    assert isinstance(finish, Finish)
    assert finish.reason == "stop"
    assert finish.usage is not None
    assert finish.usage.output_tokens == kinds.count(Token) + kinds.count(Reasoning)


async def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no connection, and no trace that is uploaded."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    attempts: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: attempts.append(address))
    monkeypatch.setattr(socket.socket, "connect_ex", lambda self, address: attempts.append(address))
    assert "391" in text_of(await ask(persona("analyst"), "What is 17*23?"))
    assert attempts == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("message", ["What is 17*23?", "Why do cats purr?", "😀", "Привет, как дела?"])
async def test_every_answer_says_plainly_and_shortly_what_it_is(seed: int, message: str) -> None:
    """Whatever the phrase of the day, nobody may take it for a language model."""
    said = text_of(await ask(build(KEY_WORDS, seed=seed), message)).lower()
    assert "offline stand-in" in said
    assert "no language model" in said
    assert len(said.split()) <= 50


async def test_three_personas_differ_visibly() -> None:
    """The page shows them side by side, so they must not read alike."""
    message = "Should our team rewrite the billing service in Rust?"
    texts = [text_of(await ask(persona(agent_id), message)) for agent_id in PERSONAS]
    said = [
        text.rpartition(f" {name.title()} is an offline")[0]
        for name, text in zip(PERSONAS, texts, strict=True)
    ]
    for i, one in enumerate(said):
        assert "Rust" in one or "billing" in one or "service" in one or "rewrite" in one
        assert not re.search(r"\b\d+ (words|characters)", one), "nobody asked to count"
        for other in said[i + 1 :]:
            assert SequenceMatcher(None, one.split(), other.split(), autojunk=False).ratio() < 0.4


async def test_equal_questions_get_equal_answers() -> None:
    """Deterministic down to the pieces and the ids, also from another instance."""
    history = Turn("What are trains?", "Long.")
    first = await ask(persona("optimist"), "How long are trains?", history)
    assert first == await ask(persona("optimist"), "How long are trains?", history)


async def test_seed_and_message_and_instructions_change_the_words() -> None:
    """Else the answers would be the same sentence with other nouns."""
    answers = {
        text_of(await ask(build(KEY_WORDS, **settings), message))
        for settings in ({}, {"seed": 1}, {"instructions": "You are a skeptic."})
        for message in ("Why do cats purr?", "Why do dogs bark?")
    }
    assert len(answers) == 6


# ── conversations ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("remembered", [True, False])
async def test_a_follow_up_goes_on_from_the_last_result(remembered: bool) -> None:
    """Also where only the text of the earlier turn is left."""
    backend = build(CALCULATOR)
    first = await ask(backend, "What is 17*23?")
    finish = first[-1]
    assert isinstance(finish, Finish)
    turn = Turn("What is 17*23?", text_of(first), finish.memory if remembered else None)
    second = await ask(backend, "And times 2?", turn)
    assert calls_of(second) == [("calculator", {"expression": "391 * 2"})]
    assert "391 * 2 = 782" in text_of(second)
    assert "Earlier you asked “What is 17*23?”; I go on from its result." in text_of(second)


async def test_a_follow_up_names_the_question_before_it() -> None:
    """So that a reader sees that the agent knows the conversation."""
    said = text_of(await ask(build(), "Are trains slow?", Turn("What are trains?", "Long.")))
    assert "Earlier you asked “What are trains?”." in said


async def test_earlier_tool_results_are_not_taken_for_this_answers() -> None:
    """Each question gets its own calls, though the model sees all items of the conversation."""
    backend = build(CALCULATOR)
    first = await ask(backend, "What is 2+3?")
    finish = first[-1]
    assert isinstance(finish, Finish)
    second = await ask(backend, "What is 4*5?", Turn("What is 2+3?", text_of(first), finish.memory))
    assert [r.output for r in results_of(second)] == ["20"]
    assert "2+3 = 5" not in text_of(second)


# ── odd messages ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "message",
    [
        " ", "?", "\x00", "\ud800", "{topic} %s {0}", "a\u2028b\r\n",
        "😀👩‍👩‍👧‍👦", "مرحبا كيف الحال", "天気はどうですか", "नमस्ते दुनिया",
    ],
)  # fmt: skip
async def test_any_message_gets_an_answer(message: str) -> None:
    """Whatever a browser can send is read without stumbling."""
    emissions = await ask(persona("analyst"), message)
    assert "offline stand-in" in text_of(emissions)
    assert not any(result.is_error for result in results_of(emissions))


@pytest.mark.parametrize("unit", ["word ", "(", "1+", "你", " ", "and "])
async def test_a_message_of_the_greatest_length_stays_cheap(unit: str) -> None:
    """100,000 characters must neither block the loop nor come back as an event of that size."""
    message = (unit * 100_000)[:100_000]
    emissions = await ask(persona("analyst"), message)
    assert max((len(e.arguments) for e in emissions if isinstance(e, ToolCall)), default=0) < 5_000
    assert len(text_of(emissions)) < 2_000


# ── the model by itself ───────────────────────────────────────────────────────────────────────


def request_of(message: str) -> dict[str, Any]:
    return {
        "system_instructions": None,
        "input": message,
        "model_settings": ModelSettings(),
        "tools": [],
        "output_schema": None,
        "handoffs": [],
        "tracing": ModelTracing.DISABLED,
        "previous_response_id": None,
        "conversation_id": None,
        "prompt": None,
    }


@pytest.mark.looptime
async def test_it_speaks_at_its_pace_after_a_short_thought() -> None:
    """On virtual time: the words come evenly, and the first of them well within a second."""
    model = OfflineModel(Scene("", title="T"), tokens_per_s=4)
    loop = asyncio.get_running_loop()
    started = loop.time()
    thoughts: list[float] = []
    said: list[float] = []
    async for event in model.stream_response(**request_of("Why do cats purr?")):
        if isinstance(event, SummaryDelta):
            thoughts.append(loop.time() - started)
        elif isinstance(event, TextDelta):
            said.append(loop.time() - started)
    assert thoughts[0] == pytest.approx(0, abs=0.01)
    assert len(thoughts) > 5
    assert said[0] == pytest.approx(0.4, abs=0.05)
    gaps = [later - earlier for earlier, later in pairwise(said)]
    assert len(gaps) > 20
    assert gaps == pytest.approx([0.25] * len(gaps), abs=0.01)


async def test_both_ways_to_call_the_model_say_the_same() -> None:
    """`Runner.run` asks for a whole response, `run_streamed` for its events."""
    model = OfflineModel(Scene("", title="T"), tokens_per_s=5000)
    whole = await model.get_response(**request_of("Why do cats purr?"))
    events = [event async for event in model.stream_response(**request_of("Why do cats purr?"))]
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent)
    assert last.response.output == whole.output
    assert last.response.usage is not None
    assert whole.usage.output_tokens == last.response.usage.output_tokens > 20


# ── how it is configured ──────────────────────────────────────────────────────────────────────


def test_it_is_found_by_its_kind_and_names_its_model() -> None:
    """`backend: offline` in a file is enough."""
    backend = create_backend(OfflineSettings(agent_id="offline"), {})
    assert isinstance(backend, OfflineBackend)
    assert backend.model == "offline"


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        ("nowhere_at_all:tool", "cannot import"),
        (f"{__name__}:absent", "has no 'absent'"),
        (f"{__name__}:not_a_tool", "is int"),
    ],
)
def test_a_tool_that_cannot_be_loaded_is_named(tool: str, reason: str) -> None:
    """The problem says which of the tools it is."""
    with pytest.raises(ConfigError, match=reason) as caught:
        build(CALCULATOR, tool)
    assert caught.value.problems[0].key == "tools[1]"


def test_only_the_backend_itself_loads_the_sdk() -> None:
    """It takes seconds, so it must not come with the Protocol, the tools or the words."""
    names = (
        "base",
        "registry",
        "function.backend",
        "letta.settings",
        "openai.settings",
        "offline.settings",
        "builtin_tools",
        "offline.reading",
        "offline.script",
        "offline.compare_answers",
    )
    imports = ", ".join(f"orchestrator.backends.{name}" for name in names)
    code = f"import sys, {imports}; print(sorted({{'agents', 'openai'}} & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    assert run.stdout.strip() == "[]"

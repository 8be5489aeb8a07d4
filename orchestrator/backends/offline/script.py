"""Makes the thoughts, calls and words of an offline agent: rules in place of a language model.

Pure functions of a `Scene`, so equal scenes give equal words. Knows no SDK, no clock and no pace.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..base import Part
from ..builtin_tools import calculator, find_key_words
from .compare_answers import RULE, Compared, compare
from .reading import find_expression, find_place, shorten

MAX_CALLS = 2
KNOWN_TOOLS = frozenset({"calculator", "clock", "text_statistics", "key_words", "compare_answers"})
"""Tools that ship; any other is the user's own."""
TOOL_TEXT_CHARS = 2_000
COMPARED_CHARS = 6_000
"""How much goes into a tool's arguments: they become an event that every client gets."""
ERROR_PREFIX = "The tool failed: "
"""How a tool's failure is reported to a model, which has nothing but the text."""

_MANNERS = (
    ("skepti|sceptic|doubt|critic|risk", "A skeptic asks: what can go wrong with {topic}, and who would notice first?",
     "A skeptic asks: who says so about {topic}, and what do they gain if it is believed?"),
    ("optimis|encourag|hope|friendl|coach", "An optimist begins: take one small step for {topic} before the day ends.",
     "An optimist begins: keep what works about {topic}, and try one thing more this week."),
    ("analy|number|measur|figure|data", "An analyst asks: what is the cost of {topic}, and what was it last year?",
     "An analyst fixes a unit first: how would you count {topic}, and what would change your mind?"),
    ("$", "Of {topic} I know no more than your own words; ask me for a sum or the time instead.",
     "I can’t judge {topic}: I only follow rules, such as working out sums and reading the clock."),
)  # fmt: skip
"""Words of the instructions that ask for a manner, and how it speaks of a topic."""
_ASKS_TO_COUNT = re.compile(r"\bhow (?:many|long)\b|\bcount\b|\bstatistics\b", re.IGNORECASE)
_QUOTED = re.compile(r"[“\"](.+)[”\"]", re.DOTALL)
_ANSWERED = {"time", "date", "clock", "times", "plus", "minus", "divided", "percent", "calculate", "compute"}
"""Words of questions that a tool answers; nobody wants a view of them."""


class Call(NamedTuple):
    """A tool to call and its arguments."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """All that the agent's words depend on.

    `tools` maps each tool's name to the JSON schema of its parameters; `earlier` holds the conversation's questions
    and answers, oldest first; `findings` this answer's calls and what they returned; `part` what is asked in a panel,
    whose question `message` then is.
    """

    message: str
    instructions: str = ""
    title: str = "Offline agent"
    seed: int = 0
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    earlier: Sequence[tuple[str, str]] = ()
    findings: Sequence[tuple[Call, str]] = ()
    agent_id: str = ""
    part: Part | None = None

    @property
    def sum(self) -> str | None:
        """The sum that the message asks for, be it on top of the last answer's."""
        return find_expression(self.message, self.earlier[-1][1] if self.earlier else "")


def next_call(scene: Scene) -> Call | None:
    """Return the tool to call now, None once it is time to speak; one of a known name may take other arguments."""
    made = {call.name for call, _ in scene.findings}
    for call in _wishes(scene) if len(made) < MAX_CALLS else ():
        is_open = call.name in scene.tools and call.name not in made
        if is_open and call.arguments.keys() <= scene.tools[call.name].get("properties", {}).keys():
            return call
    return None


def think(scene: Scene, call: Call | None) -> str:
    """Return the reasoning before *call*, or before the words if it is None."""
    if scene.findings:
        made, output = scene.findings[-1]
        return f"{made.name} says: {shorten(output, 60)}"
    plan = f"I {purpose(call)}" if call else "no tool of mine fits, so I go by the words alone"
    return f"There is no language model here, so rules decide: {plan}."


def answer(scene: Scene) -> str:
    """Return what is said once no tool is to be called any more, and that an offline stand-in says it."""
    part, last = scene.part, ""
    if part is None or part.task == "answer":
        said = [*(_replies(scene, part) if part else ()), *_facts(scene), *_view(scene)]
        on = "; I go on from its result" if scene.sum != find_expression(scene.message) else ""
        said += [f"Earlier you asked “{shorten(asked, 70)}”{on}." for asked, _ in scene.earlier[-1:]]
    elif part.task == "vote":
        topics = find_key_words(part.question[:TOOL_TEXT_CHARS]) or ["nothing"]
        choice = _reckoned(scene.sum) if scene.sum else topics[0]
        said, last = ["I vote by rule, not by opinion."], f"Answer: {shorten(choice, 60)}"
    elif not part.heard:
        said, last = ["Nobody has answered."], "Winner: tie" if part.task == "judge" else ""
    else:
        # Compared anew, be the tool there or not: one of that name may be the user's own.
        found = compare(part.question, [(heard.label, heard.text) for heard in part.heard])
        said, last = (_sum_up(scene, found), "") if part.task == "moderate" else _choose(part, found)
    missing = [f"{each.agent} ({each.status})" for each in part.missing] if part else []
    said += [f"Missing here: {', '.join(missing)}."] if missing else []
    said.append(f"{scene.title} is an offline stand-in with no language model.")
    return " ".join(said) + (f"\n\n{last}" if last else "")


def _wishes(scene: Scene) -> list[Call]:
    """Return the calls that would serve this message, the most telling first."""
    text, part, calls = scene.message[:TOOL_TEXT_CHARS], scene.part, list[Call]()
    task = part.task if part else "answer"
    if part and part.heard and task in ("moderate", "judge", "review"):
        share = COMPARED_CHARS // len(part.heard)
        said = [f"{heard.label}: {heard.text[:share]}" for heard in part.heard]
        calls.append(Call("compare_answers", {"question": text, "answers": said}))
    if task not in ("judge", "review") and (expression := scene.sum):
        calls.append(Call("calculator", {"expression": expression}))
    if task != "answer":
        return calls
    if place := find_place(text):
        calls.append(Call("clock", {"place": place}))
    if _ASKS_TO_COUNT.search(text):
        quoted = _QUOTED.search(text)
        calls.append(Call("text_statistics", {"text": quoted[1] if quoted else text}))
    for name in sorted(scene.tools.keys() - KNOWN_TOOLS):
        properties = scene.tools[name].get("properties", {})
        strings = [key for key, value in properties.items() if value.get("type") == "string"]
        if len(strings) == len(properties) <= 1:  # it needs nothing, or one string: the message
            calls.append(Call(name, dict.fromkeys(strings, text)))
    return calls or [Call("key_words", {"text": text})]


def purpose(call: Call) -> str:
    """Return what *call* is for, as a part of a sentence."""
    if call.name == "compare_answers":
        return "compare the answers"
    verb = {"calculator": "work out", "clock": "look at the clock for"}.get(call.name)
    return f"{verb} {shorten(next(iter(call.arguments.values())), 40)}" if verb else f"ask {call.name}"


def _facts(scene: Scene) -> list[str]:
    """Say what each tool found, and which one would have helped: an agent that guesses instead is of no use."""
    said = [_fact(call, output) for call, output in scene.findings]
    if scene.sum and "calculator" not in scene.tools:
        said.append(f"I have no calculator for {shorten(scene.sum, 40)}.")
    if find_place(scene.message) and "clock" not in scene.tools:
        said.append("I have no clock.")
    return said


def _fact(call: Call, output: str) -> str:
    if output.startswith(ERROR_PREFIX.rstrip(": ")):
        reason = output.removeprefix(ERROR_PREFIX).removesuffix(".")
        return f"My {call.name} could not: {shorten(reason, 160)}."
    if call.name == "calculator":
        return f"{shorten(call.arguments['expression'], 60)} = {shorten(output, 120)}."
    return f"It is {output}." if call.name == "clock" else f"{call.name} answered: {shorten(output, 160)}."


def _view(scene: Scene) -> list[str]:
    """Speak of what no tool has answered, in the manner that the title and the instructions ask for first."""
    asked = find_key_words(scene.message[:TOOL_TEXT_CHARS])
    topics = [f"“{word}”" for word in asked if word.lower() not in _ANSWERED]
    if not topics:
        return [] if _facts(scene) else ["Ask me for a sum or the time."]
    stated = f"{scene.title}. {scene.instructions}"
    _, views = min(
        (cue.start(), views) for words, *views in _MANNERS if (cue := re.search(words, stated, re.I))
    )
    key = f"{scene.message}\0{scene.part.turn if scene.part else 1}".encode("utf-8", "replace")
    return [views[(scene.seed + zlib.crc32(key)) % len(views)].format(topic=" and ".join(topics[:2]))]


def _replies(scene: Scene, part: Part) -> list[str]:
    """Quote what the agent itself and the others said last time."""
    found = compare(part.question, [(heard.label, heard.text) for heard in part.heard])
    names = ["Last time I" if each.agent_id == scene.agent_id else each.label for each in part.heard]
    return [f"{name} said: “{one.gist}”" for name, one in list(zip(names, found, strict=True))[:6]]


def _sum_up(scene: Scene, found: Sequence[Compared]) -> list[str]:
    """Give the sum of the question with who said so, else the sentence that carries most; then what is wrong."""
    if expression := scene.sum:
        stated = f"{expression} = {_reckoned(expression)}"
        plain = stated.replace(" ", "")
        who = [one.name for one in found if plain in [each.replace(" ", "") for each in one.right]]
        said = [f"{shorten(stated, 120)}: {'so says ' + ', '.join(who) if who else 'nobody says so'}."]
    else:
        best = max(found, key=lambda one: (*one.merit, one.gist))
        said = [f"What carries most is {best.name}’s word: “{best.gist}”"]
    wrong = [f"{one.name} says {stated}" for one in found for stated in one.wrong]
    return [*said, *([f"I do not follow what is wrong: {'; '.join(wrong[:6])}."] if wrong else ())]


def _reckoned(expression: str) -> str:
    try:
        return calculator(expression)
    except ValueError as exc:
        return f"none ({exc})"


def _choose(part: Part, found: Sequence[Compared]) -> tuple[list[str], str]:
    """Choose the best answer, or rank all; if the rule finds no difference, texts decide: they know no place."""
    pairs = zip(part.heard, found, strict=True)
    order = sorted(pairs, key=lambda pair: (pair[1].merit, pair[0].text), reverse=True)
    names, merits = [heard.label for heard, _ in order], [one.merit for _, one in order]
    if part.task == "review":
        return [f"I rank by rule: {RULE}."], f"Ranking: {' > '.join(names)}"
    if merits[0] in merits[1:]:
        return [f"By my rule ({RULE}) the best are equal."], "Winner: tie"
    return [f"I choose {names[0]} by rule: {RULE}."], f"Winner: {names[0]}"

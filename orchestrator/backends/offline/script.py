"""Makes the thoughts, calls and words of an offline agent: rules in place of a language model.

Pure functions of a `Scene`, so equal scenes give equal words. Knows no SDK, no clock and no pace.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..base import Part
from .reading import asks_the_time, find_expression, find_place, foreign_script, shorten
from .tools import find_key_words, words
from .voices import Voice, choose_voice

MAX_CALLS = 2
KNOWN_TOOLS = frozenset({"calculator", "clock", "text_statistics", "key_words", "compare_answers"})
"""Tools of `offline_tools` and `offline_comparison`; any other is the user's own."""

TOOL_TEXT_CHARS = 2_000
"""How much of a message goes into a tool's arguments: they become an event that every client gets."""

ERROR_PREFIX = "The tool failed: "
"""How `openai_tools` reports to a model that a tool failed; a model has nothing but the text, either."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool to call and its arguments."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """A call that was made and what the tool returned."""

    call: Call
    output: str

    @property
    def failure(self) -> str | None:
        """What went wrong, None if nothing did."""
        failed = self.output.startswith(ERROR_PREFIX.rstrip(": "))
        return self.output.removeprefix(ERROR_PREFIX).removesuffix(".") if failed else None


@dataclass(frozen=True, slots=True)
class Scene:
    """All that the agent's words depend on.

    `tools` maps each tool's name to the JSON schema of its parameters; `earlier` holds the
    conversation's questions and answers, oldest first; `findings` this answer's tool results; `part`
    what is asked in a panel, whose question `message` then is.
    """

    message: str
    instructions: str = ""
    title: str = "Offline agent"
    seed: int = 0
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    earlier: Sequence[tuple[str, str]] = ()
    findings: Sequence[Finding] = ()
    agent_id: str = ""
    part: Part | None = None

    @property
    def voice(self) -> Voice:
        return choose_voice(f"{self.title}. {self.instructions}", self.seed)

    def pick(self, purpose: str, options: Sequence[str]) -> str:
        """Choose one of *options* by seed and message (and turn in a panel), the same one every time."""
        again = f"\0{self.part.turn}" if self.part is not None and self.part.turn > 1 else ""
        key = f"{self.seed}\0{purpose}\0{self.message}{again}"
        digest = hashlib.sha256(key.encode("utf-8", "replace")).digest()
        return options[int.from_bytes(digest[:4], "big") % len(options)]


# ── which tool ────────────────────────────────────────────────────────────────────────────────


def next_call(scene: Scene) -> Call | None:
    """Return the tool to call now, None once it is time to answer."""
    if len(scene.findings) >= MAX_CALLS:
        return None
    made = {finding.call.name for finding in scene.findings}
    return next((call for call in _wishes(scene) if can_call(scene, call) and call.name not in made), None)


def can_call(scene: Scene, call: Call) -> bool:
    """Return whether the agent has this tool; one of the same name may take other arguments."""
    schema = scene.tools.get(call.name)
    return schema is not None and call.arguments.keys() <= schema.get("properties", {}).keys()


def _wishes(scene: Scene) -> list[Call]:
    """Return the calls that would serve this message, the most telling first."""
    text = scene.message[:TOOL_TEXT_CHARS]
    calls: list[Call] = []
    if expression := sum_of(scene):
        calls.append(Call("calculator", {"expression": expression}))
    if asks_the_time(scene.message):
        calls.append(Call("clock", {"place": find_place(scene.message)}))
    calls += _unknown_tools(scene, text)
    if find_key_words(text) or not scene.findings:
        calls += [Call("text_statistics", {"text": text}), Call("key_words", {"text": text})]
    if seconds := _reading_time(scene.findings):
        calls.append(Call("calculator", {"expression": seconds}))
    if not scene.findings:
        calls.append(Call("clock", {"place": "UTC"}))
    return calls


def sum_of(scene: Scene) -> str | None:
    """Return the sum that the message asks for, be it on top of the last answer's."""
    return find_expression(scene.message, scene.earlier[-1][1] if scene.earlier else "")


def _unknown_tools(scene: Scene, text: str) -> list[Call]:
    """Return calls of the user's own tools: those that need nothing, or one string, the message."""
    calls = []
    for name in scene.tools.keys() - KNOWN_TOOLS:
        properties = scene.tools[name].get("properties", {})
        strings = [key for key, value in properties.items() if value.get("type") == "string"]
        if len(strings) == len(properties) <= 1:
            calls.append(Call(name, dict.fromkeys(strings, text)))
    return sorted(calls, key=lambda call: call.name)


def _reading_time(findings: Sequence[Finding]) -> str | None:
    """Return the sum that turns a word count, once known, into seconds at 200 words a minute."""
    for finding in findings:
        if finding.call.name == "text_statistics" and (count := _count(_statistics(finding), "words")):
            return f"{count} / 200 * 60"
    return None


# ── what it thinks ────────────────────────────────────────────────────────────────────────────


def think(scene: Scene, call: Call | None) -> str:
    """Return the reasoning before *call*, or before the answer if it is None."""
    if scene.findings:
        last = scene.findings[-1]
        got = (
            f"{last.call.name} failed"
            if last.failure
            else f"{last.call.name} returned {shorten(last.output, 60)}"
        )
        return f"{got}. " + (f"Next: {_purpose(scene, call)}." if call else "That is enough to answer with.")
    plan = f"I will {_purpose(scene, call)}." if call else "No tool of mine fits, so I go by the words alone."
    return f"{_shape(scene.message)}, read as {scene.voice.role}. {plan}"


def _shape(message: str) -> str:
    # Counted as `text_statistics` does: the two stand side by side.
    count = len(words(message[: TOOL_TEXT_CHARS * 10]))
    kind = "A question" if "?" in message or "？" in message else "A message"
    return f"{kind} of {counted(count, 'word')}"


def _purpose(scene: Scene, call: Call) -> str:
    match call:
        case Call("calculator", {"expression": expression}) if expression != sum_of(scene):
            return "turn the word count into a reading time"
        case Call("calculator", {"expression": expression}):
            return f"work out {shorten(expression, 40)} with the calculator"
        case Call("clock", {"place": place}):
            return f"ask the clock for the time in {shorten(place, 40)}"
        case Call("text_statistics"):
            return "measure the message"
        case Call("key_words"):
            return "look for the words it turns on"
        case Call("compare_answers", {"answers": list(answers)}):
            return f"compare {counted(len(answers), 'answer')}"
    return f"ask {call.name}"


# ── what it says ──────────────────────────────────────────────────────────────────────────────


def announce(scene: Scene, call: Call) -> str:
    """Return the sentence said before the first tool is called, so that nobody waits in silence."""
    opening = scene.pick("announce", scene.voice.announcements)
    return f"{opening.format(purpose=_purpose(scene, call))}\n\n"


def answer(scene: Scene, *opening: str) -> str:
    """Return the answer: what the tools found, a view, what was said earlier, and what this is."""
    parts = [
        *opening,
        *facts(scene),
        _missing_tool(scene),
        _view(scene),
        _recall(scene),
        _script_note(scene),
        disclosure(scene),
    ]
    return in_voice(scene, parts)


def in_voice(scene: Scene, parts: Sequence[str]) -> str:
    """Join *parts* as the agent's voice does."""
    return scene.voice.separator.join(scene.voice.prefix + part for part in parts if part)


def facts(scene: Scene) -> list[str]:
    """Say what each tool found, the remark on it never twice the same; a failure gets none."""
    remark = scene.pick("fact", scene.voice.facts)
    order = [remark, *(other for other in scene.voice.facts if other != remark)]
    said = [_fact(scene, finding) for finding in scene.findings]
    remarks = ["{fact}" if f.failure else order[i % len(order)] for i, f in enumerate(scene.findings)]
    return [remark.format(fact=fact) for remark, fact in zip(remarks, said, strict=True)]


def _fact(scene: Scene, finding: Finding) -> str:
    """Say what a tool found, from what it returned."""
    if finding.failure:
        return f"My {finding.call.name} could not: {shorten(finding.failure, 160)}."
    match finding.call:
        case Call("calculator", {"expression": expression}) if expression != sum_of(scene):
            return f"Reading it aloud takes {expression} = {shorten(finding.output, 40)} seconds."
        case Call("calculator", {"expression": expression}):
            return f"{shorten(expression, 60)} = {shorten(finding.output, 120)}."
        case Call("clock"):
            return f"It is {finding.output}."
        case Call("text_statistics"):
            return _measure(_statistics(finding))
        case Call("key_words"):
            found = _read_json(finding.output)
            telling = isinstance(found, list) and found
            if not telling:
                return "I find no word that it turns on."
            return scene.voice.turning.format(words=listing(found))
    return f"{finding.call.name} answered: {shorten(finding.output, 160)}."


def _measure(counts: Mapping[str, Any]) -> str:
    total = _count(counts, "words")
    if not total:
        return f"Your message has {counted(_count(counts, 'characters'), 'character')} and not one word."
    size = f"{counted(total, 'word')} ({_count(counts, 'distinct_words'):,} distinct)"
    longest = shorten(str(counts.get("longest_word", "")), 30)
    return (
        f"I count {size} in {counted(_count(counts, 'sentences'), 'sentence')}; the longest is “{longest}”."
    )


def _missing_tool(scene: Scene) -> str:
    """Say which tool would have helped; an agent that guesses instead is of no use."""
    expression = sum_of(scene)
    if expression and "calculator" not in scene.tools:
        return f"There is a sum here, {shorten(expression, 40)}, but I have no calculator."
    if asks_the_time(scene.message) and "clock" not in scene.tools:
        return "You ask for the time, but I have no clock."
    return ""


def _view(scene: Scene) -> str:
    """Say something in the agent's own voice about the words the message turns on."""
    found = find_key_words(scene.message[: TOOL_TEXT_CHARS * 10])
    if not found:
        told = any(finding.call.name in ("calculator", "clock") for finding in scene.findings)
        return "" if told else scene.pick("view", scene.voice.views_of_nothing)
    other = f"“{found[1]}”" if len(found) > 1 else "whatever stands next to it"
    return scene.pick("view", scene.voice.views).format(topic=f"“{found[0]}”", other=other)


def _recall(scene: Scene) -> str:
    """Tie this message to the one before it."""
    if not scene.earlier:
        return ""
    question = scene.earlier[-1][0]
    about = f"Earlier you asked “{shorten(question, 70)}”"
    if sum_of(scene) != find_expression(scene.message):
        return f"{about}; I go on from its result."
    now = {word.lower() for word in find_key_words(scene.message[:TOOL_TEXT_CHARS], 20)}
    shared = [word for word in find_key_words(question[:TOOL_TEXT_CHARS], 20) if word.lower() in now]
    link = f"both are about {listing(shared[:2])}." if shared else scene.pick("recall", scene.voice.links)
    return f"{about}; {link}"


def _script_note(scene: Scene) -> str:
    script = foreign_script(scene.message)
    return f"You write in {script} script; my sentences are fixed and English." if script else ""


def disclosure(scene: Scene) -> str:
    """Say plainly what is speaking, and on whose instructions."""
    first = re.split(r"(?<=[.!?])\s", scene.instructions.strip(), maxsplit=1)[0]
    brief = f" My instructions: “{shorten(first, 110)}”" if first else ""
    what = scene.pick("disclosure", scene.voice.disclosures).format(title=scene.title)
    return f"{what}{brief}"


def listing(items: Sequence[object]) -> str:
    """Quote up to three of *items*."""
    names = [f"“{shorten(str(item), 24)}”" for item in items[:3]]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def counted(count: int, noun: str) -> str:
    """Say how many there are: "1 word", "2 words"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _count(counts: Mapping[str, Any], key: str) -> int:
    value = counts.get(key)
    return value if isinstance(value, int) else 0


def _statistics(finding: Finding) -> dict[str, Any]:
    found = _read_json(finding.output)
    return found if isinstance(found, dict) else {}


def _read_json(text: str) -> Any:
    """Return what *text* says as JSON, None if it is none: a tool of that name may be the user's."""
    try:
        return json.loads(text)
    except ValueError:
        return None

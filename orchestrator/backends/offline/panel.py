"""Makes the calls and words of an offline agent that a panel asks: to sum up, choose, rank, vote, or answer again.

Pure functions of a `Scene`, as in `offline_script`, which has the word wherever nothing is asked in a panel.
How answers compare is `offline_comparison`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..base import Part, QuotedAnswer
from . import script as script
from .comparison import RULE, Compared, Comparison, compare, gist_of, read_comparison, right_sums
from .reading import asks_the_time, shorten
from .script import Call, Scene, announce, can_call, counted, disclosure, listing, sum_of
from .tools import calculator, find_key_words

__all__ = ["announce", "answer", "next_call", "think"]

COMPARED_CHARS = 6_000
"""How much of all answers together goes into a tool's arguments: they become an event that every client gets."""

MOST_NAMED = 6
ANSWER_CHARS = 60
_STATUS_WORDS = {
    "error": "failed",
    "cancelled": "was cancelled",
    "running": "was still answering",
    "queued": "had not begun",
    "cancelling": "was being cancelled",
    "done": "said nothing",
}


def next_call(scene: Scene) -> Call | None:
    """Return the tool to call now, None once it is time to speak."""
    part = scene.part
    if part is None or part.task == "answer":
        return script.next_call(scene)
    made = {finding.call.name for finding in scene.findings}
    return next(
        (call for call in _wishes(scene, part) if can_call(scene, call) and call.name not in made), None
    )


def think(scene: Scene, call: Call | None) -> str:
    """Return the reasoning before *call*, or before the words if it is None."""
    part = scene.part
    if part is None or part.task in ("answer", "vote"):
        return script.think(scene, call)
    if scene.findings and call is None:
        return f"{scene.findings[-1].call.name} is back. That is enough to decide by."
    there = f"{counted(len(part.heard), 'answer')} to “{shorten(part.question, 60)}”"
    without = f", {counted(len(part.missing), 'agent')} without one" if part.missing else ""
    plan = {
        "moderate": "sum up what they share and where they part",
        "judge": "choose one",
        "review": "rank them",
    }
    return f"{there}{without}. I {plan[part.task]} by rule, not by place."


def answer(scene: Scene) -> str:
    """Return what is said once no tool is to be called any more."""
    part = scene.part
    if part is None:
        return script.answer(scene)
    match part.task:
        case "moderate":
            return _sum_up(scene, part)
        case "judge":
            return _choose(scene, part)
        case "review":
            return _rank(scene, part)
        case "vote":
            return _vote(scene)
    return script.answer(scene, *_replies(scene, part))


# ── which tool ────────────────────────────────────────────────────────────────────────────────


def _wishes(scene: Scene, part: Part) -> list[Call]:
    calls: list[Call] = []
    if part.heard and part.task != "vote":
        share = COMPARED_CHARS // len(part.heard)
        told = [f"{heard.label}: {heard.text[:share]}" for heard in part.heard]
        question = part.question[: script.TOOL_TEXT_CHARS]
        calls.append(Call("compare_answers", {"question": question, "answers": told}))
    if part.task in ("moderate", "vote") and (expression := sum_of(scene)):
        calls.append(Call("calculator", {"expression": expression}))
    return calls


def _comparison(scene: Scene, part: Part) -> Comparison:
    """Return what the tool found; an agent without it, or whose tool failed, compares by itself."""
    count = len(part.heard)
    for finding in scene.findings:
        if finding.call.name == "compare_answers" and (found := read_comparison(finding.output, count)):
            return found
    return compare(part.question, [(heard.label, heard.text) for heard in part.heard])


# ── the last word ─────────────────────────────────────────────────────────────────────────────


def _sum_up(scene: Scene, part: Part) -> str:
    if not part.heard:
        parts = [*script.facts(scene), "Nobody has answered, so there is nothing to sum up."]
    else:
        found = _comparison(scene, part)
        named = list(zip((heard.label for heard in part.heard), found.answers, strict=True))
        parts = [_essence(scene, named), _shared(found), _differences(named), _mistakes(named)]
    return script.in_voice(scene, [*parts, _absent(part), disclosure(scene)])


Named = Sequence[tuple[str, Compared]]


def _essence(scene: Scene, named: Named) -> str:
    """Answer the question: with the facts that stand, else with the sentence that carries most."""
    said = [*_own_sum(scene, named), *_readings(scene, named)]
    best_name, best = max(named, key=lambda item: (*item[1].merit, item[1].gist))
    if said:
        return " ".join(said)
    if not best.gist:
        return "Nobody has said anything that I could sum up."
    return f"What carries most is {best_name}’s word: “{best.gist}”"


def _own_sum(scene: Scene, named: Named) -> list[str]:
    """Give the sum of the question with who said so and who says otherwise; the calculator has the last word."""
    expression = sum_of(scene)
    if expression is None:
        return []
    checked = next((f for f in scene.findings if f.call.name == "calculator" and not f.failure), None)
    sums = {
        told: [name for name, one in named if told in one.right] for _, one in named for told in one.right
    }
    for told, names in sums.items():
        left, _, result = told.partition(" = ")
        if "".join(left.split()) == "".join(expression.split()):
            checks = (
                ", and my own calculator agrees" if checked is not None and checked.output == result else ""
            )
            return [f"{told}: so {_say(names)} {_names(names)}{checks}. I take that."]
    if checked is not None:
        return [
            f"{shorten(expression, 60)} = {shorten(checked.output, 120)}, as my own calculator has it; nobody says so."
        ]
    return [f"Nobody has worked out {shorten(expression, 60)}, and I have no calculator."]


def _readings(scene: Scene, named: Named) -> list[str]:
    if not asks_the_time(scene.message):
        return []
    told = dict.fromkeys(reading for _, one in named for reading in one.readings)
    return [
        f"The time, as {_names([name for name, one in named if reading in one.readings])} read it: {reading}."
        for reading in list(told)[:1]
    ]


def _shared(found: Comparison) -> str:
    if len(found.answers) < 2:
        return "Only one answer is here, so I could compare it with nothing but the question."
    everyone = "Both" if len(found.answers) == 2 else f"All {len(found.answers)}"
    if not found.shared and not found.shared_numbers:
        return f"{everyone} answers have no telling word in common."
    words = f"speak of {listing(found.shared)}" if found.shared else ""
    plural = "s" if len(found.shared_numbers) > 1 else ""
    numbers = f"name the number{plural} {listing(found.shared_numbers)}" if found.shared_numbers else ""
    return f"{everyone} {' and '.join(part for part in (words, numbers) if part)}."


def _differences(named: Named) -> str:
    if len(named) < 2:
        return ""
    own = [(name, one.alone[:2] + one.numbers[:1]) for name, one in named]
    told = [f"{name} alone brings up {listing(items)}" for name, items in own if items]
    more = f"; {len(told) - MOST_NAMED} more have words of their own" if len(told) > MOST_NAMED else ""
    return (
        f"They differ: {'; '.join(told[:MOST_NAMED])}{more}."
        if told
        else "I find nothing in which they differ."
    )


def _mistakes(named: Named) -> str:
    wrong = [f"{name} says {told}" for name, one in named for told in one.wrong]
    return f"I do not follow what is wrong: {'; '.join(wrong[:MOST_NAMED])}." if wrong else ""


def _absent(part: Part) -> str:
    told = [f"{each.agent} {_STATUS_WORDS.get(each.status, 'has no answer')}" for each in part.missing]
    return f"Missing here: {'; '.join(told)}." if told else ""


# ── choices ───────────────────────────────────────────────────────────────────────────────────


def _choose(scene: Scene, part: Part) -> str:
    if not part.heard:
        return (
            script.in_voice(scene, ["There is no answer to choose from.", disclosure(scene)])
            + "\n\nWinner: tie"
        )
    found = _comparison(scene, part)
    best = max(one.merit for one in found.answers)
    winners = [heard.label for heard, one in zip(part.heard, found.answers, strict=True) if one.merit == best]
    tied = len(winners) > 1
    reason = (
        f"{_names(winners)} are equal in all of it."
        if tied
        else f"So I choose {winners[0]}: {_why(found, best)}."
    )
    parts = [f"I choose by rule: {RULE}.", _scores(part, found), reason, _absent(part), disclosure(scene)]
    return script.in_voice(scene, parts) + f"\n\nWinner: {'tie' if tied else winners[0]}"


def _rank(scene: Scene, part: Part) -> str:
    found = _comparison(scene, part)
    # If the rule finds no difference, the texts' own alphabet decides: it knows no place either.
    order = sorted(
        zip(part.heard, found.answers, strict=True),
        key=lambda item: (item[1].merit, item[0].text),
        reverse=True,
    )
    parts = [f"I rank by rule: {RULE}.", _scores(part, found), disclosure(scene)]
    return script.in_voice(scene, parts) + f"\n\nRanking: {' > '.join(heard.label for heard, _ in order)}"


def _scores(part: Part, found: Comparison) -> str:
    asked = len(found.key_words)
    told = []
    for heard, one in zip(part.heard, found.answers, strict=True):
        wrong = f"{counted(len(one.wrong), 'wrong sum')}, " if one.wrong else ""
        told.append(
            f"{heard.label} has {wrong}{len(one.covers)} of {counted(asked, 'key word')}, "
            f"{counted(one.facts, 'fact')}, {counted(one.words, 'word')}"
        )
    return f"{'; '.join(told)}."


def _why(found: Comparison, best: tuple[int, int, int, int]) -> str:
    """Name the first part of the rule in which the best is ahead of the next."""
    others = sorted((one.merit for one in found.answers), reverse=True)[1:]
    reasons = (
        "its sums are right",
        "it takes up most of the question",
        "it brings most facts",
        "it is the shortest",
    )
    if not others:
        return "it is the only one"
    return next(
        reason for reason, mine, theirs in zip(reasons, best, others[0], strict=True) if mine > theirs
    )


def _vote(scene: Scene) -> str:
    """Vote for the result of a sum, else for the word that the question turns on."""
    expression = sum_of(scene)
    short, parts = "nothing", script.facts(scene)
    if expression is not None:
        short = next((f.output for f in scene.findings if f.call.name == "calculator"), "")
        if not short:
            short = _reckon(expression)
            parts.append(
                f"Reckoned without a tool: {shorten(expression, 60)} = {shorten(short, ANSWER_CHARS)}."
            )
        short = "none" if short.startswith(script.ERROR_PREFIX) else short
    elif found := find_key_words(scene.message[: script.TOOL_TEXT_CHARS]):
        short = found[0]
        parts.append(f"I vote for the word that the question turns on, “{short}”.")
    return script.in_voice(scene, [*parts, disclosure(scene)]) + f"\n\nAnswer: {shorten(short, ANSWER_CHARS)}"


def _reckon(expression: str) -> str:
    try:
        return calculator(expression)
    except ValueError:
        return "none"


# ── answering again ───────────────────────────────────────────────────────────────────────────


def _replies(scene: Scene, part: Part) -> list[str]:
    """Say what the agent said itself last time, and what it makes of each of the others."""
    own = next((heard for heard in part.heard if heard.agent_id == scene.agent_id), None)
    others = [heard for heard in part.heard if heard is not own]
    said = [f"Last time I said: “{gist_of(own.text, part.question)}”"] if own is not None else []
    said += [_reply(part, own, other) for other in others[:MOST_NAMED]]
    return [*said, _absent(part)]


def _reply(part: Part, own: QuotedAnswer | None, other: QuotedAnswer) -> str:
    gist = gist_of(other.text, part.question)
    told = f"{other.label} said: “{gist}”" if gist else f"{other.label} said nothing that I could weigh."
    mine = right_sums(own.text) if own is not None else []
    new = [each for each in right_sums(other.text) if each not in mine]
    if new:
        return f"{told} I checked {new[0]} and take it over."
    if own is None:
        return told
    shared = compare(part.question, [("", own.text), ("", other.text)]).shared
    return f"{told} We both speak of {listing(shared[:2])}." if shared else f"{told} I had none of that."


def _names(names: Sequence[str]) -> str:
    shown = list(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        shown[-1] = f"{len(names) - MOST_NAMED + 1} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def _say(names: Sequence[str]) -> str:
    return "says" if len(names) == 1 else "say"

"""The manners of speaking that distinguish offline agents; words only, no rules of what to say.

Every disclosure says "offline stand-in" and "no language model": that is what keeps such an
agent from being taken for more than it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Voice:
    """One manner of speaking. `cues` are the words of the instructions that ask for it.

    Placeholders: `announcements` take {purpose}, `facts` {fact}, `turning` {words}, `views` {topic} and
    {other}, `disclosures` {title}.
    """

    role: str
    cues: str
    announcements: tuple[str, ...]
    facts: tuple[str, ...]
    turning: str
    views: tuple[str, ...]
    views_of_nothing: tuple[str, ...]
    links: tuple[str, ...]
    disclosures: tuple[str, ...]
    separator: str = " "
    prefix: str = ""


ANALYST = Voice(
    role="an analyst",
    cues=r"analy|number|measur|fact|count|data|precis|figure|statisti",
    announcements=("Figures first: I {purpose}.", "Before any opinion, I {purpose}."),
    facts=("Measured: {fact}", "Result: {fact}"),
    turning="the terms that carry it are {words}.",
    views=(
        "To settle {topic}, fix a unit for it, then see whether {other} moves with it.",
        "I would put {topic} on one axis and {other} on the other, and look before I argue.",
        "Three figures would do: {topic} today, {topic} a year ago, and what {other} costs.",
    ),
    views_of_nothing=("There are no words here to weigh, so no view.",),
    links=("a different quantity, so I start a new row.", "nothing in it carries over into this one."),
    disclosures=("Source: {title}, an offline stand-in; no language model, only rules and tools.",),
    separator="\n",
    prefix="- ",
)
SKEPTIC = Voice(
    role="a skeptic",
    cues=r"skepti|sceptic|doubt|critic|devil|risk|challeng|object",
    announcements=("I take nothing on trust, so I {purpose}.", "Claims can wait; I {purpose}."),
    facts=(
        "{fact} That much I checked; the rest I did not.",
        "{fact} Fine, but a correct figure can still mislead.",
    ),
    turning="Everything here hangs on {words}.",
    views=(
        "What would have to be true for {topic} to fail, and who would notice? Ask that before {other}.",
        "Who says that {topic} and {other} belong together? Take one away and see what is left.",
        "The easy story about {topic} leaves out {other}. I would look there first.",
    ),
    views_of_nothing=("You gave me no words, and I will not supply the meaning for you.",),
    links=("has that been settled, or only left behind?", "a new subject before the old one is proved?"),
    disclosures=(
        "Doubt me as well: {title} is an offline stand-in, with no language model behind it.",
        "And do not trust this voice too far: it is an offline stand-in and has no language model.",
    ),
)
OPTIMIST = Voice(
    role="an optimist",
    cues=r"optimis|encourag|cheer|friendl|warm|possib|positiv|hope|coach|build",
    announcements=("Good one! Let me {purpose}.", "Gladly. I {purpose} right away."),
    facts=("{fact} One thing less to wonder about!", "Here we go: {fact}"),
    turning="You care about {words}, and it shows!",
    views=(
        "The good news about {topic}: a small first step is enough, and {other} is one you can take today.",
        "Start with {topic} as it is, keep what works, and {other} will look smaller tomorrow.",
        "I like that you bring {topic} and {other} together; most people stop at one of them.",
    ),
    views_of_nothing=("A clean page! Write me a word or two and we begin.",),
    links=("and now you go further.", "see how far you have come."),
    disclosures=(
        "In all honesty, {title} is an offline stand-in: no language model, just rules in good spirits.",
        "I am only an offline stand-in with no language model, yet the tools I called are real.",
    ),
)
TEACHER = Voice(
    role="a teacher",
    cues=r"teach|explain|simpl|step|beginner|child|tutor|clear",
    announcements=("Step one: I {purpose}.", "We go slowly. First I {purpose}."),
    facts=("{fact} Try it by hand and compare.", "Note this down: {fact}"),
    turning="The words to look up are {words}.",
    views=(
        "Now say in one sentence what {topic} is, give one example, then change {other} and watch.",
        "Think of {topic} as the noun and {other} as the verb: which of them could you leave out?",
        "If you can explain {topic} without the word {other}, you have understood it.",
    ),
    views_of_nothing=("A lesson needs at least one word; which one is yours?",),
    links=("keep that answer beside this one.", "revise it before you go on."),
    disclosures=(
        "For the record: {title} is an offline stand-in. No language model is at work, only rules and tools.",
    ),
    separator="\n\n",
)
POET = Voice(
    role="a poet",
    cues=r"poe[tm]|verse|rhym|haiku|metaphor|imagin|creativ|dream",
    announcements=("A breath first; then I {purpose}.", "Quietly, I {purpose}."),
    facts=("{fact} Even that has a rhythm.", "{fact} So the world keeps count."),
    turning="What glows in the sentence: {words}.",
    views=(
        "{topic} is a door,\n{other} the hand upon it;\nsomeone has to knock.",
        "Between {topic} and {other}\na small wind passes,\nand neither looks up.",
        "Say {topic} slowly.\nBy the third time\nit has become {other}.",
    ),
    views_of_nothing=("No word at all:\nthe page is snow,\nand I walk around it.",),
    links=("its echo has not gone.", "that leaf still lies on the water."),
    disclosures=("({title} is an offline stand-in: no language model, only rules that scan.)",),
    separator="\n\n",
)
CHAIR = Voice(
    role="a moderator",
    cues=r"moderat|chair|judge|arbit|referee|sums? up|summari",
    announcements=("Before I sum up, I {purpose}.", "I have read them all; now I {purpose}."),
    facts=("{fact} That is settled.", "For the minutes: {fact}"),
    turning="On the table: {words}.",
    views=(
        "I would hear one voice for {topic} and one against it before {other} is decided.",
        "Two questions are mixed here, {topic} and {other}; let us take them one after the other.",
    ),
    views_of_nothing=("Nobody has put a word on the table yet.",),
    links=("I note that the subject has changed.", "the earlier point stays in the minutes."),
    disclosures=(
        "I, {title}, am an offline stand-in: no language model has read this, only rules and tools.",
        "{title} is an offline stand-in with no language model; it compared words and sums, not meanings.",
    ),
    separator="\n\n",
)
VOICES = (ANALYST, SKEPTIC, OPTIMIST, TEACHER, POET)
"""Those that speak if nothing is asked for."""
ON_REQUEST = (*VOICES, CHAIR)


def choose_voice(instructions: str, seed: int) -> Voice:
    """Return the voice that *instructions* ask for first, by *seed* if they ask for none.

    First, not most often: "You are a skeptic. Measure …" is a skeptic.
    """
    asked = [
        (match.start(), at) for at, voice in enumerate(ON_REQUEST) if (match := _cue(voice, instructions))
    ]
    return ON_REQUEST[min(asked)[1]] if asked else VOICES[seed % len(VOICES)]


def _cue(voice: Voice, instructions: str) -> re.Match[str] | None:
    return re.search(voice.cues, instructions, re.IGNORECASE)

"""What models really write, and what is read out of it; where they state nothing, nothing is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.panels.choice_parser import normal_form, read_answer, read_choice, read_ranking
from orchestrator.panels.prompts import letter
from tests.support.patience import PATIENCE_SECONDS

LABELS = ["A", "B", "C"]


def chosen(text: str) -> str | None:
    found = read_choice(text, LABELS)
    return LABELS[found] if isinstance(found, int) else found


def ranked(text: str) -> str:
    return "".join(LABELS[index] for index in read_ranking(text, LABELS))


# ── one of several ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "Winner: B", "winner: b", "**Winner:** B", "**Winner: B**", "Winner: **B**.", "## Winner: B", "WINNER = B",
        "Winner: Answer B", "Winner: answer_B", "Winner: Option B!", "Winner: [B]", "Winner: (B)", "Winner: “B”",
        "Winner：B", "Winner: Ｂ", "| Winner: | B |", "Winner: B 🎉", "Winner: $\\boxed{B}$", "\\boxed{\\text{B}}",
        "Winner:\nB", "**Winner:**\n\n**B**", "The winner is B.", "Best answer: B", "My verdict: Response B",
        '{"winner": "B"}', "{'winner': 'B', 'reason': 'it is right'}", '```json\n{"reason": "…", "winner": "B"}\n```',
        "Winner: B because it beats A", "Winner: B (A was close)", "Winner: B, since A is wrong", "Winner: B > A",
        "I choose B", "B", "Answer B is the best answer.", "Winner: the second", "Winner: 2",
        "A is a fine answer, B is a better one.\nWinner: B", "Winner: A\nOn second thoughts:\nWinner: B",
        "Winner: B\n\nThank you for asking!", "Winner: A draw would be unfair: B",
    ],
)  # fmt: skip
def test_a_choice_is_read_however_it_is_dressed(text: str) -> None:
    assert chosen(text) == "B"


@pytest.mark.parametrize(
    "text",
    [
        "Winner: tie", "Winner: **Tie**", "It is a tie.", "Winner: neither", "Winner: both", "Winner: A and B",
        "Winner: A/B", "Winner: Both A and B", "Winner: none of them", "Winner: A and B are equally good",
    ],
)  # fmt: skip
def test_a_tie_is_read(text: str) -> None:
    assert chosen(text) == "tie"


@pytest.mark.parametrize(
    "text",
    [
        "", " \n ", "---", "I cannot decide.", "Winner: D", "Winner: not A but B", "A good question. I like all.",
        "A and B have merits, C has none that I see; it depends.", "Winner: ?",
    ],
)  # fmt: skip
def test_what_states_no_choice_is_an_abstention(text: str) -> None:
    assert chosen(text) in (None, "tie")
    if "none" not in text:
        assert chosen(text) is None


@pytest.mark.parametrize(
    "text", ["Winner: A", "Answer A is best", "A wins", "A is better than the others", "A"]
)
def test_the_letter_a_is_a_label_and_not_an_article(text: str) -> None:
    assert chosen(text) == "A"


def test_the_letter_i_is_a_label_only_where_it_is_no_pronoun() -> None:
    labels = [letter(index) for index in range(9)]
    assert read_choice("I prefer C", labels) == 2
    assert read_choice("Winner: I", labels) == 8
    assert read_choice("Answer I is the best", labels) == 8


# ── an order ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "Ranking: B > A > C", "**Ranking:** B > A > C", "Ranking: **B** > **A** > **C**", "Ranking: B>A>C.",
        "Ranking: B, A, C", "Ranking: B → A → C", "Ranking: B ≻ A ≻ C", "Ranking: 1. B 2. A 3. C",
        "Ranking: 1) B, 2) A, 3) C", "1. B 2. A 3. C", "Ranking: Answer B > Answer A > Answer C",
        'Ranking: ["B", "A", "C"]', '{"ranking": ["B", "A", "C"]}', "Final ranking (best to worst): B > A > C",
        "Ranking:\n1. B\n2. A\n3. C", "1. B\n2. A\n3. C", "1) **B**\n2) **A**\n3) **C**", "My ranking is B > A > C",
        "1. **Answer B** – better than A\n2. **Answer A** – worse than B\n3. Answer C – worse than A and B",
        "- **B**: best\n- A: good, unlike C\n- C: bad", "First: B\nSecond: A\nThird: C", "1st: B, 2nd: A, 3rd: C",
        "Rank 1: B\nRank 2: A\nRank 3: C", "I rank them: B, then A, then C.", "B is best, A second, C last",
        "A is a great answer, better than C.\nRanking: B > A > C", "Ranking: B > A > C\nA final note on C and A.",
        "1. A is fine\n2. B is great\n3. C is not\n\nB > A > C", "Ranking: B > B > A > C",
        "Ranking: b > a > c", "**Ranking:** b, a, c",
    ],
)  # fmt: skip
def test_an_order_is_read_however_it_is_dressed(text: str) -> None:
    assert ranked(text) == "BAC"


@pytest.mark.parametrize(
    ("text", "order"),
    [("Ranking: B > A", "BA"), ("Ranking: D > B > A", "BA"), ("Ranking: B", ""), ("", ""), ("No.", ""),
     ("Ranking: D > E", ""), ("I will not rank them.", "")],
)  # fmt: skip
def test_what_is_left_out_of_an_order_stays_out(text: str, order: str) -> None:
    assert ranked(text) == order


def test_a_single_answer_is_ranked_by_its_name_alone() -> None:
    assert read_ranking("Ranking: A", ["A"]) == [0]


# ── a short answer ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "Answer: Paris", "**Answer:** Paris", "**Answer: Paris**", "Answer: paris.", "Answer: The Paris",
        'Answer: "Paris".', "Answer: `Paris`", '{"answer": "Paris"}', "Answer:\nParis", "**Answer:**\n\nParis",
        "The answer is Paris.", "Answer - Paris", "Answer：Paris", "Final answer: PARIS!", "Answer: \\boxed{Paris}",
        "Answer: Lyon\nNo, wait.\nAnswer: Paris", "Answer: Ｐａｒｉｓ", "I think so.\nParis",
        "Answer: Paris\nThe answer is short, as you asked.",
    ],
)  # fmt: skip
def test_a_short_answer_is_read_and_spelled_alike(text: str) -> None:
    assert normal_form(read_answer(text)) == "paris"


@pytest.mark.parametrize(
    "text", ["", "\n", "Answer:", "**Answer:**", "Answer: *", "Answer: ?", "final answer:"]
)
def test_no_answer_is_an_abstention(text: str) -> None:
    assert normal_form(read_answer(text)) == ""


@pytest.mark.parametrize(
    "same",
    [("1,000", "1000", "1000.0", "+1000"), ("-5", "−5", "-5.00"), ("Straße", "STRASSE"), ("é", "e\u0301"),
     (".5", "0.5", "+.50"), ("-.5", "−0.5"), ("Jean-Luc", "Jean‑Luc", "jean‐luc")],
)  # fmt: skip
def test_spellings_of_one_thing_are_one_vote(same: tuple[str, ...]) -> None:
    assert len({normal_form(each) for each in same}) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("5", "-5"), ("5", "5%"), ("1.5", "15"), ("yes", "no"), ("10", "100"), (".5", "5")]
)
def test_different_answers_stay_different(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


# ── anything at all ───────────────────────────────────────────────────────────────────────────

WORDS = st.sampled_from(
    ["Winner", "Ranking", "Answer", ":", ">", "A", "B", "C", "I", "a", "tie", "1.", "2)", "\n", "- ", "**", "{", '"',
     "is", "the", "first", "\\boxed{", "}", "　", "é", "\u202e", "\0", "Z1"]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("".join))
LABEL_LISTS = st.integers(0, 40).map(lambda count: [letter(index) for index in range(count)])


@given(TEXTS, LABEL_LISTS)
def test_any_text_is_read_without_an_exception(text: str, labels: list[str]) -> None:
    choice = read_choice(text, labels)
    assert choice is None or choice == "tie" or 0 <= choice < len(labels)
    order = read_ranking(text, labels)
    assert len(set(order)) == len(order), "no label twice"
    assert all(0 <= index < len(labels) for index in order)
    short = normal_form(read_answer(text))
    assert normal_form(short) == normal_form(normal_form(short))


@given(st.permutations(range(6)), st.sampled_from([" > ", ", ", " → ", ">", " then "]))
def test_every_order_that_is_stated_is_read_as_it_is(order: list[int], between: str) -> None:
    labels = [letter(index) for index in range(6)]
    text = "Because.\nRanking: " + between.join(labels[index] for index in order)
    assert read_ranking(text, labels) == order


@given(st.integers(1, 40).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 1))))
def test_every_choice_that_is_stated_is_read_as_it_is(case: tuple[int, int]) -> None:
    count, index = case
    labels = [letter(each) for each in range(count)]
    assert read_choice(f"All have merits.\nWinner: {labels[index]}", labels) == index


@pytest.mark.parametrize("unit", ["1. ", "A ", "- ", "answer ", "\\boxed{", "B > ", "(", " ", "Winner "])
@pytest.mark.timeout(PATIENCE_SECONDS)
def test_a_long_reply_is_read_to_its_end(unit: str) -> None:
    """A hundred thousand characters of anything take a moment, not hours: no expression runs wild."""
    text, labels = (unit * 100_000)[:100_000], [letter(index) for index in range(8)]
    read_choice(text, labels)
    read_ranking(text, labels)
    read_answer(text)


@pytest.mark.parametrize("unit", ["$", " ", "\t", "A ", "answer ", "1 ", "- ", "\\boxed{", "then "])
@pytest.mark.parametrize("start", ["", "1", "A", "Ranking: ", "answer"])
@pytest.mark.timeout(PATIENCE_SECONDS)
def test_what_is_said_over_and_over_is_read_to_its_end(start: str, unit: str) -> None:
    """A member may say 200,000 characters; whatever they are, nobody else may have to wait for their reading."""
    text = start + unit * (100_000 // len(unit)) + "!x"
    chosen(text)
    ranked(text)
    normal_form(read_answer(text))

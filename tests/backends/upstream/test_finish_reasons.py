"""Why an answer ended, in every vendor's words."""

from __future__ import annotations

import pytest

from orchestrator.backends.upstream.finish_reasons import end_of, finish_of, is_unfinished, withheld
from orchestrator.errors import AgentError

WORDS = {
    "stop": """stop STOP end_turn EndTurn eos_token endoftext COMPLETE TextEnd OTHER unknown pause_turn Stop-Sequence
        kaputt""",
    "length": """length MAX_TOKENS MaxTokens max-output-tokens model_length REASON_MAX_LEN token_limit_reached
        ERROR_LIMIT out_of_tokens""",
    "tool_calls": "tool_calls tool_use TOOL_CALL function_call ToolUse requires_action",
    "content_filter": """content_filter SAFETY PROHIBITED_CONTENT contentFilter error_toxic SafetyBlocked
        FinishReason.SPII harmful_content""",
}  # fmt: skip
FAILURES = {
    "error": "upstream_invalid",
    "engine_failure": "upstream_invalid",
    "MALFORMED_FUNCTION_CALL": "upstream_invalid",
    "abort": "upstream_unavailable",
    "user_cancel": "upstream_unavailable",
    "rate_limited": "upstream_rate_limited",
}


@pytest.mark.parametrize(
    ("word", "finish"), [(word, finish) for finish, words in WORDS.items() for word in words.split()]
)
def test_a_word_is_one_of_four(word: str, finish: str) -> None:
    assert finish_of(word) == finish


@pytest.mark.parametrize(("word", "code"), FAILURES.items())
def test_a_failure_of_the_providers_is_an_error(word: str, code: str) -> None:
    with pytest.raises(AgentError) as caught:
        finish_of(word)
    assert caught.value.code == code


@pytest.mark.parametrize("word", ["null", "None", "FINISH_REASON_UNSPECIFIED", "not_finished", "inProgress"])
def test_an_answer_that_goes_on_has_not_ended(word: str) -> None:
    assert is_unfinished(word)


def test_a_word_of_no_table_is_not_repeated() -> None:
    """It may be anything that a server puts there."""
    assert "SAFETY" in withheld("SAFETY").message
    assert "secret" not in withheld("secret_safety_word").message.lower()


@pytest.mark.parametrize(
    ("word", "end"), [("tool_calls", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter")]
)
def test_an_agents_last_answer_is_cut_or_not(word: str, end: str) -> None:
    assert end_of(word, is_empty=False) == end


def test_an_agents_last_answer_that_is_withheld_is_refused() -> None:
    with pytest.raises(AgentError) as caught:
        end_of("guardrail_intervened", is_empty=True)
    assert caught.value.code == "refusal"

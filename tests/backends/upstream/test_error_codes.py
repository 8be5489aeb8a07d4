"""The words by which servers name their errors: of any vendor's spelling, and never of prose."""

from __future__ import annotations

import pytest

from orchestrator.backends.upstream.error_codes import (
    AUTH,
    LIMITED,
    NO_CREDIT,
    REJECTED,
    UNAVAILABLE,
    WITHHELD,
    Verdict,
    look_up,
)

WORDS: dict[Verdict, str] = {
    NO_CREDIT: """insufficient_quota InsufficientQuota INSUFFICIENT-QUOTA balance_not_enough quota_used_up out_of_funds
        prepaid_balance_exhausted UsageBudgetExceeded subscription_expired CreditLimitReached not_enough_credit
        free_quota_exhausted user_quota_not_enough zero_balance NoCreditsRemaining AccountOverdueError
        billing_inactive""",
    LIMITED: """rate_limit_exceeded RateLimitError rpm_limit_reached TPMLimit RequestThrottled daily_rate_limit
        too_many_concurrent_requests QuotaRateExceeded requests_per_minute ThrottlingException""",
    UNAVAILABLE: """OverloadedError engine_is_overloaded model_unavailable upstream_connect_error
        ServiceUnavailableError server_error api_error server_timeout no_available_workers cluster_busy""",
    AUTH: "AuthenticationError InvalidApiKey api_key_expired token_invalid permission_denied",
    REJECTED: "BadRequestError ContextLengthExceededError model_not_found invalid_tool_schema unsupported_media",
    WITHHELD: "content_filter ResponsibleAIPolicyViolation prompt_moderated content_policy_violation_error",
}  # fmt: skip


@pytest.mark.parametrize(
    ("word", "verdict"), [(word, verdict) for verdict, words in WORDS.items() for word in words.split()]
)
def test_a_word_means_what_it_says_in_any_spelling(word: str, verdict: Verdict) -> None:
    assert look_up(word) == verdict


@pytest.mark.parametrize("word", ["kaputt", "E1234", "generated", "", "x" * 65, "insufficient_quota" * 4])
def test_a_word_that_says_nothing_known_is_no_verdict(word: str) -> None:
    assert look_up(word) is None


def test_a_message_is_believed_about_money_alone() -> None:
    assert look_up("Insufficient Balance", is_prose=True) == NO_CREDIT
    assert look_up("The server is busy", is_prose=True) is None

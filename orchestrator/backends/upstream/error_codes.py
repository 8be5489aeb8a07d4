"""The words by which servers name their errors → the protocol's. Knows no status, no SDK and does no I/O.

A word that stands in no table is judged by its parts, for each vendor spells its own: `credits_depleted`,
`InsufficientWalletBalance`. Prose is never read, but for a message that is as short as a word.
"""

from __future__ import annotations

import re

from ...errors import ErrorCode

MAX_WORD_CHARS = 64

Verdict = tuple[ErrorCode, str]
LIMITED: Verdict = ("upstream_rate_limited", "{who} limits how often it is asked.")
NO_CREDIT: Verdict = ("upstream_rejected", "The account at the model's provider has no quota left.")
AUTH: Verdict = ("upstream_auth", "{who} refused the credentials.")
UNAVAILABLE: Verdict = ("upstream_unavailable", "{who} is not available.")
REJECTED: Verdict = ("upstream_rejected", "{who} rejected the request.")
WITHHELD: Verdict = ("refusal", "The provider's content filter withheld the answer.")
BROKE_OFF: Verdict = ("upstream_invalid", "The model's answer broke off with an error.")

_WORDS: dict[Verdict, str] = {
    LIMITED: """
        rate_limit rate_limits rate_limit_exceeded rate_limit_error rate_limit_reached rate_limit_reached_error
        rate_limited too_many_requests resource_exhausted throttling throttled throttling_exception throttled_exception
        throttling_rate_quota throttling_allocation_quota requests_limit_exceeded tokens_limit_exceeded
        tokens_per_minute_limit_exceeded requests_per_minute_limit_exceeded concurrency_limit_exceeded
        service_tier_capacity_exceeded limit_requests limit_burst_rate model_rate_limit slow_down""",
    NO_CREDIT: """
        insufficient_quota insufficient_credits insufficient_credit insufficient_balance insufficient_funds
        insufficient_user_quota insufficient_account_balance balance_insufficient insufficient_balance_error
        exceeded_current_quota_error exceeded_current_quota current_quota_exceeded quota_exceeded quota_exceeded_error
        quota_exhausted no_quota no_credit no_credits no_credits_left out_of_credits credits_exhausted
        credit_exhausted credit_balance_too_low credit_limit_exceeded credits_required not_enough_credits
        low_balance no_balance arrearage account_overdue overdue_payment billing_error billing_not_active
        billing_hard_limit_reached billing_limit_reached hard_limit_reached spending_limit_reached
        spend_limit_exceeded spend_limit_reached budget_exceeded monthly_limit_exceeded payment_required
        pre_consume_token_quota_failed access_terminated_quota free_tier_exhausted allocation_quota_free_tier_only""",
    AUTH: """
        authentication_error authentication_failed invalid_authentication invalid_authentication_error
        incorrect_api_key_error invalid_api_key invalid_key unauthorized unauthenticated unauthorized_error
        permission_denied permission_denied_error permission_error forbidden access_denied access_denied_exception
        auth_error invalid_credentials expired_token token_expired""",
    UNAVAILABLE: """
        overloaded overloaded_error engine_overloaded engine_overloaded_error model_overloaded server_overloaded
        server_is_overloaded service_unavailable service_unavailable_error service_unavailable_exception
        unavailable temporarily_unavailable internal internal_error internal_server_error
        internal_server_exception internal_failure bad_gateway gateway_timeout timeout timeout_error request_timeout
        deadline_exceeded provider_error provider_unavailable provider_overloaded capacity capacity_exceeded
        out_of_capacity no_capacity no_available_channel no_healthy_upstream upstream_error upstream_timeout
        model_not_ready model_not_ready_exception model_loading model_timeout_exception model_stream_error_exception
        stream_timeout server_error api_error processing_error connection_error api_connection apiconnection
        busy server_busy resource_conflict conflict agent_busy run_conflict high_load engine_busy""",
    REJECTED: """
        invalid_request invalid_request_error invalid_prompt invalid_argument invalid_parameter
        invalid_parameter_error invalid_value bad_request badrequesterror bad_request_error validation_error
        validation_exception unprocessable_entity unprocessable_entity_error unsupported_parameter unsupported_value
        context_length_exceeded context_window_exceeded contextwindowexceedederror string_above_max_length
        request_too_large payload_too_large prompt_too_long model_not_found not_found not_found_error
        resource_not_found_exception model_not_supported model_decommissioned deployment_not_found
        failed_precondition out_of_range method_not_allowed unsupported_country_region_territory
        json_invalid tool_use_failed unknown_model""",
    WITHHELD: """
        content_filter content_filtered content_filter_error content_policy_violation contentpolicyviolationerror
        content_policy responsible_ai_policy_violation data_inspection_failed content_blocked content_moderation
        moderation moderation_blocked moderation_error flagged_content prompt_blocked prompt_flagged safety
        safety_error prohibited_content blocked_by_safety image_content_policy_violation sensitive
        sensitive_words_detected guardrail_intervened guardrail_blocked bio_policy cyber_policy_violation
        policy_violation censorship_blocked""",
}
_VERDICTS: dict[str, Verdict] = {word: verdict for verdict, words in _WORDS.items() for word in words.split()}
_MINIMAX = {"1002": LIMITED, "1004": AUTH, "1008": NO_CREDIT, "1026": WITHHELD, "1027": WITHHELD, "1039": LIMITED,
            "1001": UNAVAILABLE, "1013": UNAVAILABLE, "1033": UNAVAILABLE, "2013": REJECTED, "2049": AUTH}  # fmt: skip
_VERDICTS.update({f"base_resp_{code}": verdict for code, verdict in _MINIMAX.items()})
_VERDICTS["1113"] = NO_CREDIT  # Zhipu's: the account is overdrawn
_VERDICTS["1261"] = REJECTED  # Zhipu's: the prompt is too long
_VERDICTS["1301"] = WITHHELD  # Zhipu's: sensitive content
_VERDICTS["1302"] = _VERDICTS["1303"] = _VERDICTS["1305"] = LIMITED  # Zhipu's: concurrency, rate, traffic

DECISIVE = (NO_CREDIT, WITHHELD)
"""What holds whatever status it comes with."""
MOST_TELLING = (NO_CREDIT, WITHHELD, AUTH, LIMITED, UNAVAILABLE, REJECTED)
"""Of several words, the first of these wins: `{"type": "insufficient_quota", "code": "rate_limit_exceeded"}`."""

_RATE = re.compile(
    r"(^|_)(rate|rpm|tpm|rps|qps|tps)(_|$)|throttl|concurren|too_many|per_(sec|min|hour|day)|(requests|tokens)_limit"
    r"|rate_?limit|resource\w*_exhausted"
)
_OF_MONEY = re.compile(
    r"quota|credit|balance|billing|fund|payment|arrear|overdue|wallet|prepaid|spend|budget|subscription"
)
_GONE = re.compile(
    r"insufficien|inadequate|exceed|exhaust|deplet|not_enough|out_of|(^|_)no(t|ne)?(_|$)|(^|_)low(_|$)|required|overdue|arrear"
    r"|limit|used_up|empty|zero|negative|expired|inactive|ended|unpaid|fail"
)
_BY_PARTS: tuple[tuple[Verdict, re.Pattern[str]], ...] = (
    (WITHHELD, re.compile(r"content_(filter|policy|moderat|block)|moderat|responsible_ai|policy_viol|prohibited"
                          r"|guardrail")),
    (AUTH, re.compile(r"authenticat|unauthori|(api_?key|credentials?)(_|$)|permission|forbidden|access_denied"
                      r"|(^|_)token_(invalid|expired|revoked)|(invalid|expired|revoked)_token(_|$)")),
    (UNAVAILABLE, re.compile(r"overload|unavailab|time_?d?_?out|gateway|busy|capacity|upstream|no_(available|healthy)"
                      r"|^(internal_)?(server|api|service|engine|backend|model|inference)_(error|fail|crash)|connect")),
    (REJECTED, re.compile(r"invalid|bad_request|context_(length|window)|too_(long|large|big)|not_found|unsupported"
                          r"|not_supported|validation|malformed|unprocessable|missing")),
)  # fmt: skip


def look_up(text: str, *, is_prose: bool = False) -> Verdict | None:
    """Return what a server's word says; None if it says nothing known.

    Args:
        is_prose: The word is a message, so no more is believed of it than that money or patience is gone.
    """
    if len(text) > MAX_WORD_CHARS:
        return None
    word = _word(text)
    bare = word.removesuffix("_error").removesuffix("_exception")
    known = _VERDICTS.get(word) or _VERDICTS.get(bare)
    if known is None:
        known = _by_parts(word)
    return known if not is_prose or known in (NO_CREDIT, LIMITED) else None


def _by_parts(word: str) -> Verdict | None:
    if _RATE.search(word):
        return LIMITED
    if _OF_MONEY.search(word) and _GONE.search(word):
        return NO_CREDIT
    return next((verdict for verdict, parts in _BY_PARTS if parts.search(word)), None)


def _word(text: str) -> str:
    """Bring a server's word into one spelling: `InsufficientQuota`, `insufficient-quota` and `INSUFFICIENT QUOTA`."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text.strip())
    return re.sub(r"[\s.\-_:/]+", "_", text).lower().strip("_!")

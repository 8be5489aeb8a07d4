"""What an upstream says of its own failure → the protocol's words, for every kind of backend.

Read are a status, a code and a type, wherever a server puts them, and looked up in the tables below; what it says
in prose is neither matched nor passed on. Knows no SDK and does no I/O.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ..errors import AgentError, ErrorCode

PROVIDER = "The model's provider"
BUSY_STATUSES = frozenset({408, 409, 425, 498})
"""Below 500 and yet worth another try: a timeout, busy (Letta), too early, out of capacity (Groq)."""

MAX_WORD_CHARS = 64
_NESTED = ("error", "inner_error", "innererror")
_STATUS_KEYS = ("code", "status", "status_code", "statusCode", "http_code", "http_status", "error_code")
_WORD_KEYS = ("code", "type", "status", "reason", "error_type", "error_code", "error")
_WAIT_KEYS = ("retry_after", "retry_after_seconds", "retryAfter")

Verdict = tuple[ErrorCode, str]
LIMITED: Verdict = ("upstream_rate_limited", "{who} limits how often it is asked.")
_NO_CREDIT: Verdict = ("upstream_rejected", "The account at the model's provider has no quota left.")
_AUTH: Verdict = ("upstream_auth", "{who} refused the credentials.")
_AWAY: Verdict = ("upstream_unavailable", "{who} is not available.")
_REJECTED: Verdict = ("upstream_rejected", "{who} rejected the request.")
_WITHHELD: Verdict = ("refusal", "The provider's content filter withheld the answer.")
_BROKE_OFF: Verdict = ("upstream_invalid", "The model's answer broke off with an error.")

_WORDS: dict[Verdict, str] = {
    LIMITED: """
        rate_limit rate_limits rate_limit_exceeded rate_limit_error rate_limit_reached rate_limit_reached_error
        rate_limited too_many_requests resource_exhausted throttling throttled throttling_exception throttled_exception
        throttling_rate_quota throttling_allocation_quota requests_limit_exceeded tokens_limit_exceeded
        tokens_per_minute_limit_exceeded requests_per_minute_limit_exceeded concurrency_limit_exceeded
        limit_requests limit_burst_rate model_rate_limit slow_down""",
    _NO_CREDIT: """
        insufficient_quota insufficient_credits insufficient_credit insufficient_balance insufficient_funds
        insufficient_user_quota insufficient_account_balance balance_insufficient insufficient_balance_error
        exceeded_current_quota_error exceeded_current_quota current_quota_exceeded quota_exceeded quota_exceeded_error
        quota_exhausted no_quota no_credit no_credits no_credits_left out_of_credits credits_exhausted
        credit_exhausted credit_balance_too_low credit_limit_exceeded credits_required not_enough_credits
        low_balance no_balance arrearage account_overdue overdue_payment billing_error billing_not_active
        billing_hard_limit_reached billing_limit_reached hard_limit_reached spending_limit_reached
        spend_limit_exceeded spend_limit_reached budget_exceeded monthly_limit_exceeded payment_required
        pre_consume_token_quota_failed access_terminated_quota free_tier_exhausted allocation_quota_free_tier_only""",
    _AUTH: """
        authentication_error authentication_failed invalid_authentication invalid_authentication_error
        incorrect_api_key_error invalid_api_key invalid_key unauthorized unauthenticated unauthorized_error
        permission_denied permission_denied_error permission_error forbidden access_denied access_denied_exception
        auth_error invalid_credentials expired_token token_expired""",
    _AWAY: """
        overloaded overloaded_error engine_overloaded engine_overloaded_error model_overloaded server_overloaded
        server_is_overloaded service_unavailable service_unavailable_error service_unavailable_exception
        unavailable temporarily_unavailable internal internal_error internal_server_error
        internal_server_exception internal_failure bad_gateway gateway_timeout timeout timeout_error request_timeout
        deadline_exceeded provider_error provider_unavailable provider_overloaded capacity capacity_exceeded
        out_of_capacity no_capacity no_available_channel no_healthy_upstream upstream_error upstream_timeout
        model_not_ready model_not_ready_exception model_loading model_timeout_exception model_stream_error_exception
        stream_timeout connection_error api_connection apiconnection
        busy server_busy resource_conflict conflict agent_busy run_conflict high_load engine_busy""",
    _REJECTED: """
        invalid_request invalid_request_error invalid_prompt invalid_argument invalid_parameter
        invalid_parameter_error invalid_value bad_request badrequesterror bad_request_error validation_error
        validation_exception unprocessable_entity unprocessable_entity_error unsupported_parameter unsupported_value
        context_length_exceeded context_window_exceeded contextwindowexceedederror string_above_max_length
        request_too_large payload_too_large prompt_too_long model_not_found not_found not_found_error
        resource_not_found_exception model_not_supported model_decommissioned deployment_not_found
        failed_precondition out_of_range method_not_allowed unsupported_country_region_territory
        json_invalid tool_use_failed unknown_model""",
    _WITHHELD: """
        content_filter content_filtered content_filter_error content_policy_violation contentpolicyviolationerror
        content_policy responsible_ai_policy_violation data_inspection_failed content_blocked content_moderation
        moderation moderation_blocked moderation_error flagged_content prompt_blocked prompt_flagged safety
        safety_error prohibited_content blocked_by_safety image_content_policy_violation sensitive
        sensitive_words_detected guardrail_intervened guardrail_blocked bio_policy cyber_policy_violation
        policy_violation censorship_blocked""",
}
_VERDICTS: dict[str, Verdict] = {word: verdict for verdict, words in _WORDS.items() for word in words.split()}
_VERDICTS["1113"] = _NO_CREDIT  # Zhipu's: the account is overdrawn
_VERDICTS["1301"] = _WITHHELD  # Zhipu's: sensitive content
_VERDICTS["1302"] = _VERDICTS["1303"] = _VERDICTS["1305"] = LIMITED  # Zhipu's: concurrency, rate, traffic

DECISIVE = (_NO_CREDIT, _WITHHELD)
"""What holds whatever status it comes with."""
_MOST_TELLING = (_NO_CREDIT, _WITHHELD, _AUTH, LIMITED, _AWAY, _REJECTED)
"""Of several words, the first of these wins: `{"type": "insufficient_quota", "code": "rate_limit_exceeded"}`."""


def verdict_of_status(status: int, who: str = PROVIDER) -> Verdict:
    """Return what an HTTP status says, without its number in the message."""
    if status in (401, 403):
        return _AUTH
    if status == 402:
        return _NO_CREDIT
    if status == 429:
        return LIMITED
    if status >= 500 or status in BUSY_STATUSES:
        return _AWAY
    return _REJECTED


def verdict_in(error: Any) -> Verdict | None:
    """Return what the words in an error object (or a bare word) say; None where they say nothing known."""
    found = {verdict for word in _words_in(error) if (verdict := _looked_up(word)) is not None}
    return next((verdict for verdict in _MOST_TELLING if verdict in found), None)


def error_in_stream(error: Any, *, who: str = PROVIDER) -> AgentError:
    """Translate an error that stands in an answer which began well: its words first, then its status."""
    status = status_in(error)
    verdict = verdict_in(error)
    if status is not None and (verdict is None or verdict in (_REJECTED, _AWAY)):
        # A status is plainer than the words of a gateway, which call many things `invalid_request_error`.
        verdict = verdict_of_status(status)
    code, message = verdict or _BROKE_OFF
    return AgentError(code, message.format(who=who), retry_after=_wait_in(error))


def is_error(error: Any) -> bool:
    """Whether *error* says that something failed; some servers send an empty one with each good piece."""
    if isinstance(error, Mapping):
        code = error.get("code")
        if code in (0, "0", 200, "200", "success", "ok") and not error.get("message"):
            return False
        return any(is_error(value) for value in error.values())
    if isinstance(error, (list, tuple)):
        return any(is_error(value) for value in error)
    if isinstance(error, str):
        return error.strip().lower() not in ("", "null", "none", "false")
    return bool(error)


def status_in(error: Any) -> int | None:
    """Return the HTTP status that an error object tells, as a number or as digits."""
    for source in _sources(error):
        for key in _STATUS_KEYS:
            value = source.get(key)
            if isinstance(value, str) and re.fullmatch(r"\s*[45]\d\d\s*", value):
                return int(value)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 400 <= value < 600:
                return int(value)
    return None


def _wait_in(error: Any) -> float | None:
    for source in _sources(error):
        for key in _WAIT_KEYS:
            value = source.get(key)
            try:
                seconds = float(value) if isinstance(value, (int, float, str)) else math.nan
            except ValueError:
                continue
            if math.isfinite(seconds) and seconds >= 0:
                return seconds
    return None


def _sources(error: Any) -> list[Mapping[str, Any]]:
    """The error object and those in it."""
    if not isinstance(error, Mapping):
        return []
    inner = [found for key in _NESTED for found in _sources(error.get(key))]
    metadata = error.get("metadata")
    return [error, *inner, *([metadata] if isinstance(metadata, Mapping) else [])]


def _words_in(error: Any) -> list[str]:
    if isinstance(error, str):
        return [error]
    said = [source.get(key) for source in _sources(error) for key in _WORD_KEYS]
    return [str(value) for value in said if isinstance(value, (str, int))]


def _looked_up(text: str) -> Verdict | None:
    if len(text) > MAX_WORD_CHARS:  # prose
        return None
    word = _word(text)
    bare = word.removesuffix("_error").removesuffix("_exception")
    return _VERDICTS.get(word) or _VERDICTS.get(bare)


def _word(text: str) -> str:
    """Bring a server's word into one spelling: `InsufficientQuota`, `insufficient-quota` and `INSUFFICIENT QUOTA`."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text.strip())
    return re.sub(r"[\s.\-_]+", "_", text).lower()

"""Why an answer ended, in every vendor's words → the four of OpenAI's chat completions. Owns no I/O.

One table for all kinds of backends. A word that says that the provider failed is an `AgentError`. Of a word that stands
in no table its parts are looked at; one that says nothing counts as a good end.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from ...errors import AgentError, ErrorCode
from .error_codes import look_up

CONTENT_FILTER = "content_filter"
FILTERED = "The provider's content filter withheld the answer."

_WORDS: dict[str, str] = {
    "stop": """
        stop stopped stop_sequence stop_token end end_turn end_of_turn eos eos_token eot eot_token endoftext eod
        end_of_text complete completed finish finished done success normal pause_turn other unknown""",
    "length": """
        length max_length max_len max_tokens max_tokens_exceeded max_output max_output_tokens max_completion_tokens
        max_new_tokens max_tool_calls max_context model_length token_limit token_limit_reached max_context_length
        context context_length context_length_exceeded context_window_exceeded model_context_window_exceeded limit
        error_limit truncated incomplete""",
    "tool_calls": """
        tool_calls tool_call tool_use tools tool function_call function_calls function_calling requires_action
        tool_execution""",
    CONTENT_FILTER: """
        content_filter content_filtered content_filtering content_policy content_policy_violation safety
        safety_filter prohibited_content recitation blocklist denylist blocked block spii pii language image_safety
        image_prohibited_content image_recitation protected_material pii pii_detected hap risk
        guardrail guardrails guardrail_intervened guardrail_blocked refusal
        sensitive moderation moderated flagged policy_violation violation model_armor jailbreak error_toxic toxic
        copyright responsible_ai_policy_violation""",
}
_FINISHES = {word: finish for finish, words in _WORDS.items() for word in words.split()}
_UNFINISHED = frozenset(
    {"", "null", "none", "unspecified", "not_finished", "unfinished", "in_progress", "running"}
)
"""What servers say with each piece of an answer that goes on."""
_PARTS = (
    (CONTENT_FILTER, """filter safety unsafe block moderat toxic policy sensitiv prohibit guardrail recitation copyright
     harm violat refus jailbreak censor flagged forbidden protected_material pii_ risk_control"""),
    ("length", "max length limit truncat context tokens budget"),
    ("tool_calls", "tool function"),
)  # fmt: skip
"""Parts of words that stand in no table; those of filters first, for what is withheld must never look like an end."""
MAX_WORD_CHARS = 64

_STOPPED: tuple[ErrorCode, str] = ("upstream_unavailable", "The model's provider stopped the answer.")
_LIMITED: tuple[ErrorCode, str] = (
    "upstream_rate_limited",
    "The model's provider limits how often it is asked.",
)
_BROKE_OFF: tuple[ErrorCode, str] = ("upstream_invalid", "The model's answer broke off with an error.")
_BAD_CALL: tuple[ErrorCode, str] = (
    "upstream_invalid",
    "The model called a tool in a way that its provider rejects.",
)
_FAILED: dict[str, tuple[ErrorCode, str]] = {
    **dict.fromkeys(("error", "failed", "failure", "engine_error", "unknown_error"), _BROKE_OFF),
    **dict.fromkeys(
        ("abort", "aborted", "cancelled", "canceled", "user_cancel", "insufficient_system_resource", "timeout",
         "network_error", "model_timeout", "overloaded", "interrupted", "time_limit", "server_error", "internal_error",
         "unavailable", "load", "unload"),
        _STOPPED,
    ),
    **dict.fromkeys(("rate_limit", "rate_limited", "rate_limit_exceeded", "too_many_requests"), _LIMITED),
    **dict.fromkeys(
        ("malformed_function_call", "malformed_tool_use", "malformed_model_output", "unexpected_tool_call",
         "too_many_tool_calls", "missing_thought_signature", "malformed_response"),
        _BAD_CALL,
    ),
}  # fmt: skip


_OF_SERVICE = re.compile(
    r"rate_?limit|quota|credit|balance|throttl|too_many_requests|overload|unavailab|time_?d?_?out|abort|cancel|interrupt"
    r"|^internal|network|upstream|disconnect"
)
"""Parts of words that say that the service failed, whatever else they say: `rate_limit_reached` is no length."""


def finish_of(word: str, unknown: str = "stop") -> str:
    """Return `stop`, `length`, `tool_calls` or `content_filter`; *unknown* for a word that says nothing.

    Raises:
        AgentError: The provider says that the answer is not whole, by its own fault.
    """
    plain = _plain(word)
    if plain in _FAILED:
        raise AgentError(*_FAILED[plain])
    if plain in _FINISHES:
        return _FINISHES[plain]
    if len(plain) > MAX_WORD_CHARS:  # prose
        return unknown
    if plain.startswith("malformed_"):
        raise AgentError(*_BAD_CALL)
    if _OF_SERVICE.search(plain):
        code, message = look_up(plain) or _STOPPED
        raise AgentError(code, message.format(who="The model's provider"))
    for finish, parts in _PARTS:
        if any(part in plain for part in parts.split()):
            return finish
    if re.search(r"error|fail", plain):
        raise AgentError(*_BROKE_OFF)
    return unknown


def more_telling(word: str, native: Any) -> str:
    """Return the word of the provider behind a gateway, if the gateway's own *word* hides what it says.

    OpenRouter calls some of what failed or was withheld a `stop`.
    """
    if not isinstance(native, str) or not native or is_unfinished(native):
        return word
    ours, theirs = _verdict(word), _verdict(native)
    hides = theirs in (CONTENT_FILTER, None) or (theirs == "length" and ours == "stop")
    return native if hides else word


def last_word(before: str | None, word: str) -> str:
    """Return why an answer ended of which two words were said: a plain stop takes nothing back."""
    return before if before is not None and _verdict(word) == "stop" else word


def _verdict(word: str) -> str | None:
    """Return what `finish_of` does; None for a failure."""
    try:
        return finish_of(word)
    except AgentError:
        return None


def is_unfinished(word: str) -> bool:
    """Whether a finish word says that the answer goes on."""
    return _plain(word) in _UNFINISHED


def withheld(word: str) -> AgentError:
    """Say that the provider's filter kept the whole answer back; its word is named if it is one of the table."""
    plain = _plain(word)
    if _FINISHES.get(plain) != CONTENT_FILTER or plain == CONTENT_FILTER:
        return AgentError("refusal", FILTERED)
    return AgentError("refusal", f"{FILTERED[:-1]} ({plain.upper()}).")


def end_of(word: str, *, is_empty: bool) -> str:
    """Return `stop`, `length` or `content_filter` for an agent's last answer; its calls have been run by then.

    Args:
        is_empty: The model said nothing in it.

    Raises:
        AgentError: The provider failed, or withheld the whole answer.
    """
    finish = finish_of(word)
    if finish == CONTENT_FILTER and is_empty:
        raise withheld(word)
    return "stop" if finish == "tool_calls" else finish


def _plain(word: str) -> str:
    """Bring a word into one spelling: `FINISH_REASON_MAX_TOKENS`, `FinishReason.MaxTokens` and `max-tokens` are one."""
    return _plain_word(word) if len(word) <= MAX_WORD_CHARS else _spelt(word)


def _spelt(word: str) -> str:
    word = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", word.strip())
    plain = re.sub(r"[\s.\-_]+", "_", word).lower()
    return plain.removeprefix("finish_reason_").removeprefix("stop_reason_").removeprefix("reason_")


_plain_word = lru_cache(maxsize=256)(_spelt)  # every answer ends with one of a few words

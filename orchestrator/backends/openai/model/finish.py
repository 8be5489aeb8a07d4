"""Why an answer ended, in every vendor's words → the four of OpenAI's chat completions. Owns no I/O.

One table for both APIs and both transports. A word that says that the provider failed or withheld the answer is an
`AgentError`; one that nobody knows stays as it is and counts as a good end.
"""

from __future__ import annotations

import re

from ....errors import AgentError, ErrorCode

CONTENT_FILTER = "content_filter"
FILTERED = "The provider's content filter withheld the answer."

_WORDS: dict[str, str] = {
    "stop": """
        stop stopped stop_sequence stop_token end end_turn end_of_turn eos eos_token eot eot_token complete completed
        finish finished done success normal pause_turn unspecified null none""",
    "length": """
        length max_length max_tokens max_tokens_exceeded max_output_tokens max_completion_tokens max_new_tokens
        model_length token_limit token_limit_reached max_context_length context_length context_length_exceeded
        context_window_exceeded model_context_window_exceeded limit truncated""",
    "tool_calls": """
        tool_calls tool_call tool_use tools tool function_call function_calls function_calling requires_action
        tool_execution""",
    CONTENT_FILTER: """
        content_filter content_filtered content_filtering content_policy content_policy_violation safety
        safety_filter prohibited_content recitation blocklist blocked block spii pii language image_safety
        image_prohibited_content image_recitation guardrail guardrails guardrail_intervened guardrail_blocked refusal
        sensitive moderation moderated flagged policy_violation violation model_armor jailbreak""",
}
_FINISHES = {word: finish for finish, words in _WORDS.items() for word in words.split()}

_STOPPED: tuple[ErrorCode, str] = ("upstream_unavailable", "The model's provider stopped the answer.")
_BROKE_OFF: tuple[ErrorCode, str] = ("upstream_invalid", "The model's answer broke off with an error.")
_BAD_CALL: tuple[ErrorCode, str] = (
    "upstream_invalid",
    "The model called a tool in a way that its provider rejects.",
)
_FAILED: dict[str, tuple[ErrorCode, str]] = {
    **dict.fromkeys(("error", "failed", "failure", "engine_error", "unknown_error"), _BROKE_OFF),
    **dict.fromkeys(
        ("abort", "aborted", "cancelled", "canceled", "insufficient_system_resource", "timeout", "network_error",
         "model_timeout", "overloaded", "interrupted", "time_limit", "server_error"),
        _STOPPED,
    ),
    **dict.fromkeys(
        ("malformed_function_call", "malformed_tool_use", "malformed_model_output", "unexpected_tool_call",
         "too_many_tool_calls", "missing_thought_signature", "malformed_response"),
        _BAD_CALL,
    ),
}  # fmt: skip


def finish_of(word: str) -> str:
    """Return `stop`, `length`, `tool_calls` or `content_filter`; a word of no vendor known here as it is.

    Raises:
        AgentError: The provider says that the answer is not whole, by its own fault.
    """
    plain = _plain(word)
    if plain in _FAILED:
        raise AgentError(*_FAILED[plain])
    return _FINISHES.get(plain, word)


def withheld(word: str) -> AgentError:
    """Say that the provider's filter kept the whole answer back; its word is named if it is one of the table."""
    plain = _plain(word)
    if _FINISHES.get(plain) != CONTENT_FILTER or plain == CONTENT_FILTER:
        return AgentError("refusal", FILTERED)
    return AgentError("refusal", f"{FILTERED[:-1]} ({plain.upper()}).")


def _plain(word: str) -> str:
    """Bring a word into one spelling: `FINISH_REASON_MAX_TOKENS`, `MaxTokens` and `max-tokens` are one."""
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word.strip())
    return re.sub(r"[\s.\-_]+", "_", word).lower().removeprefix("finish_reason_")

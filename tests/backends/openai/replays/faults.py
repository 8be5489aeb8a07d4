"""Kinds 11 and 12: errors told as what they are, and redirects."""

from __future__ import annotations

import json
from typing import Any

from .server import Reply
from .wire import CHAT, DONE, RESPONSES, Expect, Replay, chat, chunk, data, event, responses, text_delta

SECRET = "sk-recorded-secret-that-must-not-leak"
SAID = data(chunk({"content": "hello"}))
LIMITED = Expect("hello", error="upstream_rate_limited", retryable=True)
NO_CREDIT = Expect("hello", error="upstream_rejected", retryable=False, says="no quota left")
AWAY = Expect("hello", error="upstream_unavailable", retryable=True)
REJECTED = Expect("hello", error="upstream_rejected", retryable=False)
AUTH = Expect("hello", error="upstream_auth", retryable=False)
BROKE = Expect("hello", error="upstream_invalid", retryable=True)

IN_STREAM: list[tuple[str, dict[str, Any], Expect]] = [
    ("a number 429", {"code": 429}, LIMITED),
    ("digits 429", {"code": "429"}, LIMITED),
    ("a number 402", {"code": 402}, NO_CREDIT),
    ("digits 402", {"code": "402"}, NO_CREDIT),
    ("a number 401", {"code": 401}, AUTH),
    ("digits 503", {"code": "503"}, AWAY),
    ("a number 529", {"code": 529}, AWAY),
    ("a number 408", {"code": 408}, AWAY),
    ("a number 400", {"code": 400, "type": "invalid_request_error"}, REJECTED),
    ("a status beside", {"code": None, "status": 429}, LIMITED),
    ("google's", {"code": 429, "status": "RESOURCE_EXHAUSTED"}, LIMITED),
    ("openrouter's", {"code": 502, "metadata": {"provider_name": "x", "raw": SECRET}}, AWAY),
    ("anthropic's", {"type": "overloaded_error"}, AWAY),
    ("the word for a limit", {"code": "rate_limit_exceeded"}, LIMITED),
    ("no credit", {"code": "insufficient_quota"}, NO_CREDIT),
    ("no credit as a type", {"type": "insufficient_quota", "code": None}, NO_CREDIT),
    ("no credit in other letters", {"code": "InsufficientBalance"}, NO_CREDIT),
    ("a context too long", {"code": "context_length_exceeded", "type": "invalid_request_error"}, REJECTED),
    ("a code that nobody knows", {"code": "kaputt"}, BROKE),
    ("no code", {}, BROKE),
]


def told(fields: dict[str, Any]) -> dict[str, Any]:
    return {"message": f"it failed {SECRET}", **fields}


STREAMS = [
    replay
    for name, fields, expect in IN_STREAM
    for replay in (
        chat(f"{name} in mid-stream", expect, SAID, data({"error": told(fields)})),
        responses(f"{name} as an error event", expect, text_delta("hello"), event("error", **told(fields))),
        responses(f"{name} in an envelope", expect, text_delta("hello"), event("error", error=told(fields))),
        responses(f"{name} in a failed response", expect, text_delta("hello"),
                  event("response.failed", response={"id": "r", "status": "failed", "output": [], "error": told(fields)})),
    )
] + [
    chat("openrouter's error in a choice", LIMITED, SAID, data({**chunk(), "choices": [
        {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": told({"code": 429})}]}), DONE),
    chat("an error and a finish", LIMITED, SAID, data({**chunk(finish="error"), "error": told({"code": 429})}), DONE),
    chat("vllm's error without an envelope", LIMITED, SAID, data({"object": "error", **told({"code": 429})}), DONE),
    chat("an event named error", LIMITED, SAID, b"event: error\n" + data(told({"code": 429}))),
    chat("an error that is a text", BROKE, SAID, data({"error": f"it failed {SECRET}"})),
    chat("alibaba's without an envelope", LIMITED, SAID, data({"code": "Throttling.RateQuota", "message": SECRET, "request_id": "r"})),
    chat("an error after a wait", Expect("hello", error="upstream_rate_limited", retry_after=3.0), SAID,
         data({"error": told({"code": 429, "retry_after": 3})})),
    responses("a completed response that failed", LIMITED, text_delta("hello"),
              event("response.completed", response={"id": "r", "status": "failed", "output": [], "error": told({"code": "429"})})),
]  # fmt: skip


def http(
    name: str, status: int, expect: Expect, error: Any = None, *headers: tuple[str, str]
) -> list[Replay]:
    body = b"" if error is None else json.dumps({"error": error}).encode()
    head = [("Content-Type", "application/json"), ("X-Debug", SECRET), *headers]
    return [
        Replay(f"{name} on {api}", api, [Reply([body], status=status, headers=head)], expect)
        for api in (CHAT, RESPONSES)
    ]


def before(code: str, *, retryable: bool, says: str = "", retry_after: float | None = None) -> Expect:
    return Expect("", error=code, retryable=retryable, says=says, retry_after=retry_after)


STATUSES = [
    *http("a plain 429", 429, before("upstream_rate_limited", retryable=True), told({})),
    *http("429 without a body", 429, before("upstream_rate_limited", retryable=True)),
    *(replay for word in ("insufficient_quota", "insufficient_credits", "InsufficientBalance", "exceeded_current_quota_error",
                          "credit_balance_too_low", "billing_hard_limit_reached")
      for replay in http(f"429 {word}", 429, before("upstream_rejected", retryable=False, says="no quota left"), told({"code": word}))),
    *http("429 insufficient_quota as a type", 429, before("upstream_rejected", retryable=False), told({"type": "insufficient_quota"})),
    *http("402", 402, before("upstream_rejected", retryable=False, says="no quota left"), told({})),
    *http("403 without credit", 403, before("upstream_rejected", retryable=False), told({"code": "insufficient_user_quota"})),
    *http("403", 403, before("upstream_auth", retryable=False), told({})),
    *http("groq's 498", 498, before("upstream_unavailable", retryable=True), told({"code": "capacity_exceeded"})),
    *http("409", 409, before("upstream_unavailable", retryable=True), told({})),
    *http("529", 529, before("upstream_unavailable", retryable=True), told({"type": "overloaded_error"})),
    *http("503 with a wait", 503, before("upstream_unavailable", retryable=True, retry_after=2.0), told({}), ("Retry-After", "2")),
    *http("429 with a finer wait", 429, before("upstream_rate_limited", retryable=True, retry_after=0.25), told({}),
          ("retry-after-ms", "250"), ("Retry-After", "1")),
    *http("azure rejects the prompt", 400, before("refusal", retryable=False, says="content filter"), told({"code": "content_filter"})),
    *http("400", 400, before("upstream_rejected", retryable=False), told({"code": "invalid_request_error"})),
    *http("500", 500, before("upstream_unavailable", retryable=True), told({})),
]  # fmt: skip

REPLAYS: list[Replay] = [*STREAMS, *STATUSES]

"""Kinds 11 and 12 again, as other vendors send them: errors as codes and words, no credit, redirects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .faults import AUTH, AWAY, LIMITED, NO_CREDIT, REJECTED, SAID, before, http, told
from .server import Reply
from .wire import (
    CHAT,
    DONE,
    RESPONSES,
    Api,
    Expect,
    Replay,
    chat,
    chunk,
    completed,
    data,
    event,
    message,
    responses,
    stream,
    text_delta,
)  # fmt: skip

APIS: Sequence[Api] = (CHAT, RESPONSES)
IN_STREAM: list[tuple[str, dict[str, Any], Expect]] = [
    ("digits and words", {"code": "429 Too Many Requests"}, LIMITED),
    ("HTTP_429", {"code": "HTTP_429"}, LIMITED),
    ("a float", {"code": 429.0}, LIMITED),
    ("a status of its own", {"statusCode": "503"}, AWAY),
    ("litellm's", {"type": "None", "param": "None", "code": "402"}, NO_CREDIT),
    ("an error in an error", {"error": {"code": 429}}, LIMITED),
    ("a number 409", {"code": 409}, AWAY),
    ("digits 413", {"code": "413"}, REJECTED),
    ("server_error", {"code": "server_error"}, AWAY),
    ("anthropic's 500", {"type": "api_error"}, AWAY),
    ("credits_depleted", {"code": "credits_depleted"}, NO_CREDIT),
    ("a wallet", {"type": "InsufficientWalletBalance"}, NO_CREDIT),
    ("an overdue account", {"code": "AccountOverdueError"}, NO_CREDIT),
    ("a throttled request", {"code": "RequestThrottled"}, LIMITED),
    ("tokens per minute", {"code": "tokens_per_min_exceeded"}, LIMITED),
    ("a busy cluster", {"type": "cluster_busy"}, AWAY),
    ("an expired key", {"code": "api_key_expired"}, AUTH),
]
STREAMS = [
    replay
    for name, fields, expect in IN_STREAM
    for replay in (
        chat(f"{name} within a stream", expect, SAID, data({"error": told(fields)})),
        responses(f"{name} in an event", expect, text_delta("hello"), event("error", **told(fields))),
        responses(f"{name} in a response that failed", expect, text_delta("hello"),
                  event("response.failed", response={"id": "r", "status": "failed", "output": [], "error": told(fields)})),
    )
] + [
    *(chat(f"minimax's {code}", expect, SAID, data({"base_resp": {"status_code": code, "status_msg": "x"}}))
      for code, expect in [(1008, NO_CREDIT), (1002, LIMITED), (1004, AUTH), (1027, Expect("hello", error="refusal"))]),
    chat("a bare number", LIMITED, SAID, data({"error": 429})),
    chat("a list of errors", LIMITED, SAID, data({"errors": [{"code": 429, "message": "x"}]})),
    chat("an error that is a list", LIMITED, SAID, data({"error": [{"code": 429, "message": "x"}]})),
    chat("a status and a message", LIMITED, SAID, data({"status": 429, "message": "slow"})),
    chat("a limit in the finish", Expect("hello", error="upstream_rate_limited"), SAID, data(chunk(finish="rate_limit_exceeded"))),
    responses("chat's error on responses", LIMITED, text_delta("hello"), data({"error": told({"code": 429})})),
    responses("an incomplete response with an error", LIMITED, text_delta("hello"),
              event("response.incomplete", response={"id": "r", "status": "incomplete", "output": [], "error": {"code": "429"}})),
    responses("an error beside the failed response", LIMITED, text_delta("hello"),
              event("response.failed", error={"code": "429"}, response={"id": "r", "status": "failed"})),
]  # fmt: skip

BROKE = before("upstream_rejected", retryable=False, says="no quota left")


def body(name: str, value: Any, expect: Expect, status: int = 429) -> list[Replay]:
    reply = Reply([json.dumps(value).encode()], status=status, headers=[("Content-Type", "application/json")])
    return [Replay(f"{name} on {api}", api, [reply], expect) for api in APIS]


STATUSES = [
    *(replay for word in ("NoCreditsRemaining", "quota_used_up", "OUT_OF_CREDITS") for replay in http(f"429 {word}", 429, BROKE, told({"code": word}))),
    *body("429 with a short message", {"error": {"message": "Insufficient Balance", "code": None}}, BROKE),
    *body("429 with an error that is a word", {"error": "insufficient_quota"}, BROKE),
    *body("429 with a list", [{"error": {"code": 429, "status": "insufficient_quota"}}], BROKE),
    *body("429 without an envelope", {"code": "insufficient_balance", "message": "x"}, BROKE),
    *body("google's 429", {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota"}},
          before("upstream_rate_limited", retryable=True)),
    *(replay for status in (408, 425, 504, 524) for replay in http(f"a plain {status}", status, before("upstream_unavailable", retryable=True))),
    *http("529 with a finer wait", 529, before("upstream_unavailable", retryable=True, retry_after=0.1), told({}), ("retry-after-ms", "100.0")),
    *http("429 with a wait that is a word", 429, before("upstream_rate_limited", retryable=True, retry_after=2.0), told({}),
          ("retry-after-ms", "soon"), ("Retry-After", "2")),
]  # fmt: skip

ANSWERS = {
    CHAT: stream(data(chunk({"content": "hello"}), chunk(finish="stop")), DONE),
    RESPONSES: stream(text_delta("hello"), completed(message("hello"))),
}


def away(location: str | None, status: int = 307) -> Reply:
    return Reply([b""], status=status, headers=[] if location is None else [("Location", location)])


def redirect(name: str, expect: Expect, *replies: Reply) -> list[Replay]:
    return [Replay(f"{name} on {api}", api, [*replies, ANSWERS[api]], expect) for api in APIS]


def refused(says: str = "") -> Expect:
    return Expect("", error="upstream_rejected", retryable=False, says=says)


REDIRECTS = [
    *(replay for status in (301, 302, 303, 307, 308)
      for replay in redirect(f"a {status} to another machine", refused("to http://127.0.0.2:9 "), away("http://127.0.0.2:9/secret?q=1", status))),
    *(replay for status in (302, 307) for replay in redirect(f"a {status} within the server", Expect("hello"), away("/v2/other", status))),
    *redirect("an address without a scheme", refused("to http://other.invalid "), away("//other.invalid/x")),
    *redirect("another port", refused("to http://127.0.0.1:9 "), away("http://127.0.0.1:9/x")),
    *redirect("another scheme", refused("to https://127.0.0.1 "), away("https://127.0.0.1/x", 308)),
    *redirect("an address with credentials", refused("to http://other.invalid "), away("http://user:word@other.invalid/x")),
    *redirect("a file", refused("to nowhere"), away("file:///etc/passwd", 302)),
    *redirect("no address", refused("to nowhere"), away(None, 302)),
    *redirect("a second step to another machine", refused("to http://other.invalid "), away("/again"), away("http://other.invalid/secret")),
    *(Replay(f"a circle on {api}", api, [away("/again")], refused("without an end")) for api in APIS),
]  # fmt: skip

REPLAYS: list[Replay] = [*STREAMS, *STATUSES, *REDIRECTS]

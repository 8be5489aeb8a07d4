"""Kind 11 by vendor: each gateway's and each server's own form of an error in a stream that began well."""

from __future__ import annotations

import json
from typing import Any

from .faults import AUTH, AWAY, BROKE, LIMITED, NO_CREDIT, REJECTED, SAID, SECRET, told
from .wire import DONE, Expect, Replay, chat, chunk, data, event, responses, text_delta

WITHHELD = Expect("hello", error="refusal")
LINE = b"error: " + json.dumps(told({"code": 429, "type": "rate_limit"})).encode() + b"\n\n"
NAMED = b"event: throttlingException\n" + data({"message": SECRET})

BARE: list[tuple[str, Any, Expect]] = [
    ("amazon's throttling by its kind", {"throttlingException": {"message": SECRET}}, LIMITED),
    ("amazon's model that failed", {"modelStreamErrorException": {"message": SECRET, "originalStatusCode": 500}}, AWAY),
    ("google's in a list", [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": SECRET}}], LIMITED),
    ("text generation inference's", {"error": f"Request failed {SECRET}", "error_type": "overloaded"}, AWAY),
    ("xai's resource", {"code": "Some resource has been exhausted", "error": SECRET}, LIMITED),
    ("xai's argument", {"code": "Client specified an invalid argument", "error": SECRET}, REJECTED),
    ("fastapi's detail", {"detail": {"status_code": 429, "message": SECRET}}, LIMITED),
    ("fastapi's text", {"detail": "Too many requests", "status_code": 429}, LIMITED),
    ("humps", {"errorCode": 429, "errorMessage": SECRET}, LIMITED),
    ("qianfan's", {"error_code": 18, "error_msg": "Open api qps request limit reached"}, LIMITED),
    ("apigee's fault", {"fault": {"faultstring": SECRET, "detail": {"errorcode": "policies.ratelimit.QuotaViolation"}}}, LIMITED),
    ("mistral's capacity", {"object": "error", "message": SECRET, "type": "service_tier_capacity_exceeded", "code": "3505"}, LIMITED),
]  # fmt: skip
WITHIN: list[tuple[str, dict[str, Any], Expect]] = [
    ("llama.cpp's context", {"code": 400, "type": "exceed_context_size_error", "n_ctx": 4096}, REJECTED),
    ("cerebras' queue", {"type": "too_many_requests_error", "code": "queue_exceeded", "param": "queue"}, LIMITED),
    ("groq's capacity", {"type": "internal_server_error", "code": "over_capacity"}, AWAY),
    ("moonshot's engine", {"type": "engine_overloaded_error"}, AWAY),
    ("fireworks'", {"object": "error", "type": "internal_server_error", "code": "internal_server_error"}, AWAY),
    ("localai's", {"code": 500, "type": ""}, AWAY),
    ("litellm's limit", {"type": "throttling_error", "param": None, "code": "429"}, LIMITED),
    ("zhipu's traffic", {"code": "1305"}, LIMITED),
    ("zhipu's long prompt", {"code": "1261"}, REJECTED),
    ("dashscope's inspection", {"code": "data_inspection_failed"}, WITHHELD),
    ("deepseek's empty account", {"type": "unknown_error", "code": "invalid_request_error", "message": "Insufficient Balance"}, NO_CREDIT),
    ("openrouter's kind of error", {"code": 200, "metadata": {"error_type": "provider_overloaded"}}, AWAY),
    ("a status in words", {"status": "Too Many Requests"}, LIMITED),
    ("a code below zero", {"code": -1}, BROKE),
    ("a revoked key", {"code": "token_revoked"}, AUTH),
]  # fmt: skip

STREAMS: list[Replay] = [
    *(chat(name, expect, SAID, data(value)) for name, value, expect in BARE),
    *(responses(name, expect, text_delta("hello"), data(value)) for name, value, expect in BARE if name not in ("mistral's capacity",)),
    *(chat(name, expect, SAID, data({"error": {"message": SECRET, **fields}})) for name, fields, expect in WITHIN),
    *(responses(name, expect, text_delta("hello"), event("response.failed", response={
        "id": "r", "status": "failed", "error": {"message": SECRET, **fields}})) for name, fields, expect in WITHIN),
    chat("older llama.cpp's line", LIMITED, SAID, LINE),
    responses("a line called error", LIMITED, text_delta("hello"), LINE),
    chat("amazon's event by its name", LIMITED, SAID, NAMED),
    responses("amazon's event by its name", LIMITED, text_delta("hello"), NAMED),
    chat("true and a code", LIMITED, SAID, data({"error": True, "code": 429, "message": SECRET})),
    chat("no success", BROKE, SAID, data({"success": False, "message": SECRET})),
    chat("openrouter's error beside its finish", LIMITED, SAID,
         data({**chunk({"content": ""}, "error"), "error": told({"code": "rate_limit_exceeded"})}), DONE),
    responses("an error in the details of the status", LIMITED, text_delta("hello"),
              event("response.failed", response={"id": "r", "status": "failed", "status_details": {"error": {"code": "rate_limit_exceeded"}}})),
    responses("the last error of a failed response", LIMITED, text_delta("hello"),
              event("response.failed", response={"id": "r", "status": "failed", "last_error": {"code": "rate_limit_exceeded"}})),
    responses("a response that failed without a word", BROKE, text_delta("hello"), event("response.failed", response={"id": "r", "status": "failed"})),
    responses("a response that was cancelled", BROKE, text_delta("hello"), event("response.cancelled", response={"id": "r", "status": "cancelled"})),
]  # fmt: skip

REPLAYS = STREAMS

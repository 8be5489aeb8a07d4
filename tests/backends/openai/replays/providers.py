"""A stream of each provider that the handbook's table names, with all that it sends beside the answer.

The names are those of the table; `test_providers.py` holds that each row has one. Each is written after what the
provider's documentation, or the source of its server, says that it sends: none could be recorded here. Whoever records
one says so in its `origin`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .wire import DONE, Expect, Replay, chat, completed, data, event, message, responses, text_delta

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
SAID = Expect("Tea, please.", usage=(9, 4))
THOUGHT = Expect("Tea, please.", reasoning="Hm. Tea.", usage=(9, 4))


def part(
    delta: Any, finish: str | None = None, *, model: str = "m", choice: Any = None, **more: Any
) -> dict[str, Any]:
    """A chunk; *choice* is what the provider writes into the choice, *more* beside it."""
    head = {"id": "chatcmpl-9f", "object": "chat.completion.chunk", "created": 1795996800, "model": model}
    return {
        **head,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **(choice or {})}],
        **more,
    }


def usage(**more: Any) -> dict[str, Any]:
    """The chunk of usage, which has no choice."""
    return {"id": "chatcmpl-9f", "object": "chat.completion.chunk", "created": 1795996800, "model": "m", "choices": [],
            "usage": USAGE, **more}  # fmt: skip


ROLE = {"role": "assistant"}
SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
TIMINGS = {
    "prompt_n": 9,
    "prompt_ms": 31.2,
    "predicted_n": 4,
    "predicted_ms": 88.1,
    "predicted_per_second": 45.4,
}

REPLAYS: list[Replay] = [
    responses("OpenAI", SAID,
              event("response.created", sequence_number=0, response={"id": "resp_1", "object": "response", "status": "in_progress", "output": []}),
              event("response.output_item.added", sequence_number=1, output_index=0, item=message(None) | {"status": "in_progress"}),
              event("response.content_part.added", sequence_number=2, item_id="msg_1", output_index=0, content_index=0, part={"type": "output_text", "text": "", "annotations": [], "logprobs": []}),
              text_delta("Tea, ", logprobs=[], obfuscation="k2h8PqZ"), text_delta("please.", logprobs=[], obfuscation="a"),
              completed(message("Tea, please."), usage={"input_tokens": 9, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 4,
                                                        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 13})),
    chat("Anthropic", SAID, data(
        part({**ROLE, "content": "Tea, "}), part({"content": "please."}), part({}, "stop"), usage()), DONE),
    chat("Gemini", SAID, data(
        part({**ROLE, "content": "Tea, "}, usage={"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}),
        part({**ROLE, "content": "please.", "extra_content": {"google": {"thought_signature": "Co4BAVSo"}}}, "stop", usage=USAGE)), DONE),
    chat("Amazon Bedrock", THOUGHT, data(
        part({**ROLE, "content": ""}, service_tier="default"), part({"reasoning_content": "Hm. "}), part({"reasoning_content": "Tea."}),
        part({"content": "Tea, "}), part({"content": "please."}), part({}, "stop"), usage(**{"amazon-bedrock-guardrailAction": "NONE"})), DONE),
    chat("Azure OpenAI", SAID, data(
        {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}]},
        part({**ROLE, "content": "", "refusal": None}, choice={"content_filter_results": {}, "logprobs": None}),
        part({"content": "Tea, "}, choice={"content_filter_results": SAFE}), part({"content": "please."}, choice={"content_filter_results": SAFE}),
        part({}, "stop", choice={"content_filter_results": {}}),
        {**part({}, choice={"content_filter_offsets": {"check_offset": 0, "start_offset": 0, "end_offset": 12}, "content_filter_results": SAFE}), "choices": []},
        usage(system_fingerprint="fp_ab")), DONE),
    chat("Mistral", SAID, data(
        part({**ROLE, "content": ""}, p="abcdefghijkl"), part({"content": "Tea, "}, p="ab"), part({"content": "please."}, "stop", usage=USAGE, p="abcdef")), DONE),
    chat("Mistral Magistral", THOUGHT, data(
        part({**ROLE, "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm. "}]}]}),
        part({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Tea."}]}]}),
        part({"content": "Tea, "}), part({"content": "please."}, "stop", usage=USAGE)), DONE),
    chat("Groq", THOUGHT, data(
        part({**ROLE, "content": ""}, system_fingerprint="fp_1", x_groq={"id": "req_01"}), part({"reasoning": "Hm. "}), part({"reasoning": "Tea."}),
        part({"content": "Tea, "}), part({"content": "please."}), part({}, "stop", x_groq={"id": "req_01", "usage": {**USAGE, "queue_time": 0.01}}), usage()), DONE),
    chat("DeepSeek", THOUGHT, b": keep-alive\n\n", data(
        part({**ROLE, "content": None, "reasoning_content": ""}), part({"content": None, "reasoning_content": "Hm. "}), part({"content": None, "reasoning_content": "Tea."}),
        part({"content": "Tea, ", "reasoning_content": None}), part({"content": "please.", "reasoning_content": None}),
        part({"content": "", "reasoning_content": None}, "stop", usage={**USAGE, "prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 9})), DONE),
    chat("OpenRouter", THOUGHT, b": OPENROUTER PROCESSING\n\n" * 2, data(
        part({**ROLE, "content": "", "reasoning": "Hm. ", "reasoning_details": [{"type": "reasoning.text", "text": "Hm. ", "format": "anthropic-claude-v1", "index": 0}]}, provider="Anthropic"),
        part({**ROLE, "content": "", "reasoning": "Tea.", "reasoning_details": [{"type": "reasoning.text", "text": "Tea.", "index": 0}]}, provider="Anthropic"),
        part({**ROLE, "content": "Tea, "}, provider="Anthropic", choice={"native_finish_reason": None}),
        part({**ROLE, "content": "please."}, "stop", provider="Anthropic", choice={"native_finish_reason": "end_turn"}),
        {**part({**ROLE, "content": ""}, choice={"native_finish_reason": None}), "usage": {**USAGE, "cost": 0.0001, "is_byok": False}}), DONE),
    chat("Ollama", THOUGHT, data(
        part({**ROLE, "content": "", "reasoning": "Hm. "}, system_fingerprint="fp_ollama"), part({**ROLE, "content": "", "reasoning": "Tea."}, system_fingerprint="fp_ollama"),
        part({**ROLE, "content": "Tea, "}), part({**ROLE, "content": "please."}), part({**ROLE, "content": ""}, "stop"), usage()), DONE),
    chat("vLLM", THOUGHT, data(
        part({**ROLE, "content": ""}, choice={"logprobs": None}), part({"reasoning_content": "Hm. "}, choice={"token_ids": None}), part({"reasoning_content": "Tea."}),
        part({"content": "Tea, "}), part({"content": "please."}), part({"content": ""}, "stop", choice={"stop_reason": None}), usage()), DONE),
    chat("SGLang", SAID, data(
        part({**ROLE, "content": "", "reasoning_content": None, "tool_calls": None}, choice={"matched_stop": None}),
        part({"role": None, "content": "Tea, ", "reasoning_content": None}), part({"role": None, "content": "please."}),
        part({"role": None, "content": None}, "stop", choice={"matched_stop": 151645}), usage()), DONE),
    chat("llama.cpp", THOUGHT, data(
        part({**ROLE, "content": None}, system_fingerprint="b6123-abc"), part({"reasoning_content": "Hm. "}), part({"reasoning_content": "Tea."}),
        part({"content": "Tea, "}), part({"content": "please."}), part({}, "stop"), usage(timings=TIMINGS)), DONE),
    chat("LM Studio", SAID, data(
        part({**ROLE, "content": "Tea, "}, system_fingerprint="m", choice={"logprobs": None}), part({**ROLE, "content": "please."}), part({}, "stop", stats={}), usage(stats={})), DONE),
    chat("xAI", replace(THOUGHT, sources=[("https://example.org/tea", "example.org")]), data(
        part({**ROLE, "reasoning_content": "Hm. "}, system_fingerprint="fp_2"), part({"reasoning_content": "Tea."}), part({**ROLE, "content": "Tea, "}), part({"content": "please."}),
        part({}, "stop", citations=["https://example.org/tea"]), usage(usage={**USAGE, "completion_tokens_details": {"reasoning_tokens": 0}, "num_sources_used": 1})), DONE),
    chat("Together", SAID, data(
        part({**ROLE, "content": "Tea, ", "token_id": 91}, choice={"text": "Tea, ", "logprobs": None, "seed": None}, usage=None),
        part({**ROLE, "content": "please.", "token_id": 13}, choice={"text": "please."}, usage=None),
        part({"token_id": 2, "role": "assistant", "content": ""}, "stop", choice={"text": "", "seed": 7}, usage=USAGE)), DONE),
    chat("Fireworks", SAID, data(
        part({**ROLE}), part({"content": "Tea, "}), part({"content": "please."}), part({}, "stop", usage=USAGE)), DONE),
    chat("Cohere", SAID, data(
        part({**ROLE, "content": ""}), part({"content": "Tea, "}), part({"content": "please."}), part({}, "stop"), usage()), DONE),
    chat("Perplexity", replace(SAID, sources=[("https://example.org/tea", "On tea")]), data(
        *(part({**ROLE, "content": delta}, finish, choice={"message": {"role": "assistant", "content": whole}}, usage=USAGE,
               citations=["https://example.org/tea"], search_results=[{"title": "On tea", "url": "https://example.org/tea"}])
          for delta, whole, finish in (("Tea, ", "Tea, ", None), ("please.", "Tea, please.", None), ("", "Tea, please.", "stop")))), DONE),
    chat("Cerebras", SAID, data(
        part({**ROLE}, system_fingerprint="fp_3"), part({"content": "Tea, "}), part({"content": "please."}),
        part({}, "stop", usage=USAGE, time_info={"queue_time": 0.001, "total_time": 0.02})), DONE),
    chat("LiteLLM", SAID, data(
        part({**ROLE, "content": "Tea, ", "provider_specific_fields": None}, citations=None), part({"content": "please."}), part({}, "stop"), usage()), DONE),
]  # fmt: skip

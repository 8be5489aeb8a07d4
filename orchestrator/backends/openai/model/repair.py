"""Puts what servers other than OpenAI's send in a stream into OpenAI's own form. Owns no I/O.

JSON values in, JSON values out: both transports read through it, the fast one where its strict decoding fails, the
SDK's for every event, so that an answer does not depend on who decodes it. What no server means by an answer stays
an error: a chunk of the wrong shape is never passed over.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping
from typing import Any, TypeGuard

from ....errors import AgentError
from ...upstream_errors import error_in_stream, is_error

INVALID = "The model's provider answered with something that is not an answer."
LIFE = frozenset(
    {
        "ping",
        "pong",
        "keepalive",
        "keep-alive",
        "keep_alive",
        "heartbeat",
        "heart_beat",
        "alive",
        "processing",
        "noop",
    }
)
"""What servers call an event that says only that they are there."""
_LIFE_KEYS = ("type", "event", "object", "status", "kind")
_ABOUT = frozenset(
    {"id", "object", "created", "created_at", "model", "system_fingerprint", "service_tier", "provider", "request_id",
     "trace_id", "time", "timestamp", "ts", "prompt_filter_results", "sequence_number", "choices", "usage", "error",
     "x_groq", "citations", "search_results", "prompt_token_ids", "timings", "metadata"}
)  # fmt: skip
"""Keys of a chunk that say something about the answer and nothing of it."""


def invalid() -> AgentError:
    return AgentError("upstream_invalid", INVALID)


def is_life(text: str) -> bool:
    """Whether the data of an event, as text, is a sign of life that need not be JSON."""
    plain = text.strip()
    word = plain.strip("\"'[]:").strip().lower()
    return not plain or word in LIFE or word == "null"


def is_life_event(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a sign of life by what it calls itself, or says nothing at all."""
    if not value:
        return True
    named = [value[key] for key in _LIFE_KEYS if isinstance(value.get(key), str)]
    return any(name.lower() in LIFE for name in named)


def named(name: str, data: str) -> str | None:
    """Return the data of an event that has a *name*, as its reader should see it; None for a sign of life.

    Some servers say only in the name that an event is a sign of life, an error, or which event of the Responses
    API it is.
    """
    kind = name.strip().lower()
    if kind in LIFE:
        return None
    if kind == "error" and not is_life(data):
        value = _loaded(data)
        if not isinstance(value, dict) or not is_error(value.get("error")):
            return json.dumps({"error": value if is_error(value) else {"message": data}})
    elif kind.startswith("response.") and f'"type":"{kind}"' not in data and f'"type": "{kind}"' not in data:
        value = _loaded(data)
        if isinstance(value, dict) and "type" not in value:
            return json.dumps({"type": name.strip(), **value})
    return data


def _loaded(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


def is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def index_of(value: Any) -> int | None:
    """Return a place in a list, however a server writes it; None where it gives none."""
    if value is None:
        return None
    if is_number(value) and value == int(value):
        return int(value)
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    raise invalid()


def id_of(value: Any) -> str | None:
    """Return an id as text; some servers number theirs. None where there is none."""
    if isinstance(value, str):
        return value or None
    return str(value) if is_number(value) else None


def arguments_of(value: Any) -> str | None:
    """Return a call's arguments as text; some servers send the object itself."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    raise invalid()


# ── chat completions ──────────────────────────────────────────────────────────────────────────────


def repaired_chunk(value: Any) -> dict[str, Any] | None:
    """Return a chunk as OpenAI would have sent it; None where it says nothing.

    Raises:
        AgentError: It is an error of the provider's, or no chunk of an answer.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid()
    _raise_error_in(value)
    choices = value.get("choices")
    if choices is not None and not isinstance(choices, list):
        raise invalid()
    usage = usage_in(value)
    if not choices:
        if usage is None and not (value.keys() <= _ABOUT or is_life_event(value) or _says_nothing(value)):
            raise invalid()
        return None if usage is None else {**_head(value), "choices": [], "usage": usage}
    return {**_head(value), "choices": [_choice(choice) for choice in choices], "usage": usage}


def whole_chunk(value: Any) -> dict[str, Any]:
    """Return the one chunk that says what a whole completion says: some servers do not stream though asked to.

    Raises:
        AgentError: It is an error of the provider's, or no completion.
    """
    if not isinstance(value, dict):
        raise invalid()
    _raise_error_in(value)
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices:
        raise invalid()
    streamed = [
        {"finish_reason": "stop", **choice, "delta": choice.get("delta") or choice.get("message")}
        for choice in choices
        if isinstance(choice, dict)
    ]
    if not streamed or any(not isinstance(choice["delta"], dict) for choice in streamed):
        raise invalid()
    chunk = repaired_chunk({**value, "choices": streamed})
    if chunk is None:
        raise invalid()
    return chunk


def repaired_completion(value: Any) -> dict[str, Any]:
    """Return a whole completion in OpenAI's form.

    Raises:
        AgentError: It is an error of the provider's, or no completion.
    """
    chunk = whole_chunk(value)
    choices = [
        {
            **{key: kept for key, kept in choice.items() if key != "delta"},
            "message": _message(choice["delta"]),
        }
        for choice in chunk["choices"]
    ]
    return {**chunk, "object": "chat.completion", "choices": choices}


def _message(delta: dict[str, Any]) -> dict[str, Any]:
    calls = [
        {
            "type": "function",
            **{key: kept for key, kept in call.items() if key != "index"},
            "id": call["id"] or f"call_{uuid.uuid4().hex}",
            **({"function": {**call["function"], "arguments": call["function"]["arguments"] or "{}"}}
               if call.get("function") else {}),
        }
        for call in delta.get("tool_calls") or ()
    ]  # fmt: skip
    return {"role": "assistant", "content": None, **delta, "tool_calls": calls or None}


def _raise_error_in(value: dict[str, Any]) -> None:
    error = value.get("error")
    if is_error(error):
        raise error_in_stream(error if not isinstance(error, bool) else value)
    if not value.get("choices") and (value.get("object") == "error" or value.get("type") == "error"):
        raise error_in_stream(value)  # vLLM's and Anthropic's, without an envelope
    base = value.get("base_resp")
    if isinstance(base, dict) and base.get("status_code") not in (None, 0, "0"):
        raise error_in_stream(base)  # MiniMax's
    if "choices" not in value and isinstance(value.get("message"), str) and is_error(value.get("code")):
        raise error_in_stream(value)  # Alibaba's and Zhipu's


def _says_nothing(value: dict[str, Any]) -> bool:
    """An empty list of choices, whatever else stands beside it, or a chunk that only names itself."""
    return "choices" in value or str(value.get("object", "")).startswith("chat.completion")


def _head(value: dict[str, Any]) -> dict[str, Any]:
    created = value.get("created")
    return {
        **{key: kept for key, kept in value.items() if key not in ("choices", "usage", "error")},
        "id": id_of(value.get("id")) or "",
        "created": int(created) if is_number(created) else 0,
        "model": value["model"] if isinstance(value.get("model"), str) else "",
        "object": "chat.completion.chunk",
    }


def _choice(choice: Any) -> dict[str, Any]:
    if not isinstance(choice, dict):
        raise invalid()
    if is_error(choice.get("error")):
        raise error_in_stream(choice["error"])  # OpenRouter's
    word = choice.get("finish_reason", choice.get("finishReason"))
    delta = choice.get("delta")
    if delta is None and isinstance(choice.get("message"), dict) and word:
        delta = choice["message"]  # a whole answer in one event
    elif delta is None and (choice.get("message") is not None or choice.get("text") is not None):
        raise invalid()
    logprobs = choice.get("logprobs")
    return {
        "index": index_of(choice.get("index")) or 0,
        "delta": _delta(delta),
        "finish_reason": word if isinstance(word, str) and word else None,
        "logprobs": logprobs
        if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list)
        else None,
    }


def _delta(delta: Any) -> dict[str, Any]:
    if delta is None:
        return {}
    if not isinstance(delta, dict):
        raise invalid()
    made = dict(delta)
    content = made.get("content")
    if content is not None and not isinstance(content, (str, list)):
        raise invalid()
    for field in ("reasoning_content", "refusal"):
        if not isinstance(made.get(field), str):
            made.pop(field, None)
    if not isinstance(made.get("reasoning"), str):
        made.pop("reasoning", None)
    if "role" in made and not isinstance(made["role"], str):
        del made["role"]
    if not isinstance(made.get("annotations"), list):
        made.pop("annotations", None)
    calls = made.pop("tool_calls", None)
    old = made.pop("function_call", None)
    if isinstance(calls, dict):
        calls = [calls]
    if not calls and isinstance(old, dict):  # of the API before tools
        calls = [{"index": 0, "function": old}]
    if calls:
        if not isinstance(calls, list):
            raise invalid()
        made["tool_calls"] = [_call(call) for call in calls]
    return made


def _call(call: Any) -> dict[str, Any]:
    if not isinstance(call, dict):
        raise invalid()
    function = call.get("function")
    if function is None and call.get("type") != "custom" and ("name" in call or "arguments" in call):
        function = {"name": call.get("name"), "arguments": call.get("arguments")}
    if function is not None and not isinstance(function, dict):
        raise invalid()
    made = {**call, "index": index_of(call.get("index")), "id": id_of(call.get("id"))}
    if made.get("type") not in ("function", "custom"):
        made["type"] = "function"
    if not isinstance(made.get("extra_content"), dict):
        made.pop("extra_content", None)
    if function is not None:
        name = function.get("name")
        if name is not None and not isinstance(name, str):
            raise invalid()
        made["function"] = {"name": name or None, "arguments": arguments_of(function.get("arguments"))}
    return made


# ── usage ─────────────────────────────────────────────────────────────────────────────────────────

_INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_eval_count", "inputTokens")
_OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount", "eval_count", "outputTokens")
_TOTAL = ("total_tokens", "totalTokenCount", "totalTokens")
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cachedContentTokenCount")
_THOUGHT = ("reasoning_tokens", "thoughtsTokenCount")


def usage_in(chunk: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a chunk counts, in OpenAI's words, wherever the server puts it; None where it counts nothing."""
    places = [chunk.get(key) for key in ("usage", "usageMetadata", "usage_metadata", "x_groq")]
    places += [choice.get("usage") for choice in chunk.get("choices") or () if isinstance(choice, dict)]
    for place in places:
        if isinstance(place, dict):
            counted = usage_as_chat(place.get("usage") if isinstance(place.get("usage"), dict) else place)
            if counted is not None:
                return counted
    return None


def is_count(usage: dict[str, Any] | None) -> bool:
    """Whether *usage* counts in OpenAI's own words, so that nothing of it is to be looked for elsewhere."""
    if usage is None:
        return False
    return type(usage.get("prompt_tokens")) is int and type(usage.get("completion_tokens")) is int


def usage_as_chat(usage: Any) -> dict[str, Any] | None:
    """Bring a usage object into the form of chat completions; None where it has no count at all."""
    if not isinstance(usage, dict):
        return None
    given, made = _counted(usage, _INPUT), _counted(usage, _OUTPUT)
    if given is None and made is None:
        return None
    details = [usage.get(k) for k in ("prompt_tokens_details", "input_tokens_details", "completion_tokens_details",
                                      "output_tokens_details")]  # fmt: skip
    whole = {**usage, **{k: v for one in details if isinstance(one, dict) for k, v in one.items()}}
    total = _counted(usage, _TOTAL)
    return {
        **usage,
        "prompt_tokens": given or 0,
        "completion_tokens": made or 0,
        "total_tokens": (given or 0) + (made or 0) if total is None else total,
        "prompt_tokens_details": {
            "cached_tokens": _counted(whole, _CACHED) or 0,
            "cache_write_tokens": _counted(whole, ("cache_write_tokens", "cache_creation_input_tokens")) or 0,
        },
        "completion_tokens_details": {"reasoning_tokens": _counted(whole, _THOUGHT) or 0},
    }


def usage_as_response(usage: Any) -> dict[str, Any] | None:
    """Bring a usage object into the form of the Responses API; None where it has no count at all."""
    chat = usage_as_chat(usage)
    if chat is None:
        return None
    return {
        "input_tokens": chat["prompt_tokens"],
        "output_tokens": chat["completion_tokens"],
        "total_tokens": chat["total_tokens"],
        "input_tokens_details": chat["prompt_tokens_details"],
        "output_tokens_details": chat["completion_tokens_details"],
    }


def _counted(usage: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        value = usage.get(key)
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if is_number(value) and value >= 0:
            return int(value)
    return None

"""Puts what servers other than OpenAI's send in a stream into OpenAI's own form. Owns no I/O.

JSON values in, JSON values out: both transports read through it, the fast one where its strict decoding fails, the
SDK's for every event, so that an answer does not depend on who decodes it. What no server means by an answer stays
an error: a chunk of the wrong shape is never passed over.
"""

from __future__ import annotations

import uuid
from typing import Any

from ....upstream.errors import bare_error, error_in_stream, is_error
from ....upstream.finish_reasons import is_unfinished, more_telling
from ..coercion import ARGUMENTS, arguments_in, id_of, index_of, invalid, is_number
from ..output_files import with_files
from ..reasoning_replay import thought_in
from ..stream_markers import is_life_event
from ..usage import usage_in

_ABOUT = frozenset(
    {"id", "object", "created", "created_at", "model", "system_fingerprint", "service_tier", "provider", "request_id",
     "trace_id", "time", "timestamp", "ts", "prompt_filter_results", "sequence_number", "choices", "usage", "error",
     "x_groq", "citations", "search_results", "prompt_token_ids", "timings", "metadata", "nonce", "obfuscation",
     "promptFeedback", "prompt_feedback", "usageMetadata", "usage_metadata", "input_sensitive", "output_sensitive"}
)  # fmt: skip
"""Keys of a chunk that say something about the answer and nothing of it."""
_SAID = ("content", "reasoning_content", "tool_calls", "images")


def repaired_chunk(value: Any) -> dict[str, Any] | None:
    """Return a chunk as OpenAI would have sent it; None if it says nothing.

    Raises:
        AgentError: It is an error of the provider's, or no chunk of an answer.
    """
    if value is None:
        return None
    value = unpacked(value)
    _raise_error_in(value)
    choices = value.get("choices") or None
    if isinstance(choices, dict):
        choices = [choices]
    if choices is not None and not isinstance(choices, list):
        raise invalid()
    usage = usage_in(value)
    made = [_choice(choice) for choice in choices or () if choice is not None]
    if not made and _finish_word(value) is not None and "choices" in value:
        made = [_choice({"finish_reason": _finish_word(value)})]  # beside the choices instead of in one
    if not made:
        if usage is None and not (value.keys() <= _ABOUT or is_life_event(value) or _says_nothing(value)):
            raise invalid()
        return None if usage is None else {**_head(value), "choices": [], "usage": usage}
    choice = _merged(made)
    # Each chunk of a search model repeats the pages, so those of the last one do.
    if choice["finish_reason"] is not None and (notes := _pages(value)):
        choice["delta"] = {
            **choice["delta"],
            "annotations": [*(choice["delta"].get("annotations") or ()), *notes],
        }
    return {**_head(value), "choices": [choice], "usage": usage}


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
        {**choice, "delta": choice.get("delta") or choice.get("message"), "message": None}
        for choice in choices
        if isinstance(choice, dict)
    ]
    if not streamed or any(not isinstance(choice["delta"], dict) for choice in streamed):
        raise invalid()
    chunk = repaired_chunk({**value, "choices": streamed})
    if chunk is None:
        raise invalid()
    choice = chunk["choices"][0]
    choice["finish_reason"] = choice["finish_reason"] or "stop"
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


def unpacked(value: Any) -> dict[str, Any]:
    """Return the object that an event has, or that stands alone in a list, as Google's servers send errors.

    Raises:
        AgentError: It has none.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise invalid()
    return value


def _raise_error_in(value: dict[str, Any]) -> None:
    error = value.get("error")
    if is_error(error):
        raise error_in_stream(error if isinstance(error, (dict, list)) else value)
    if not value.get("choices") and (value.get("object") == "error" or value.get("type") == "error"):
        raise error_in_stream(value)  # vLLM's and Anthropic's, without an envelope
    base = value.get("base_resp")
    if isinstance(base, dict) and base.get("status_code") not in (None, 0, "0"):
        raise error_in_stream({"code": f"base_resp_{base['status_code']}"})  # MiniMax's
    if "choices" not in value and not is_life_event(value) and (bare := bare_error(value)) is not None:
        raise error_in_stream(bare)


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


def _pages(value: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the pages that Perplexity and xAI name beside the choices, as citations in OpenAI's form."""
    found: dict[str, str] = {}
    for key in ("search_results", "citations"):
        pages = value.get(key)
        for page in pages if isinstance(pages, list) else ():
            url = page.get("url") if isinstance(page, dict) else page
            title = page.get("title") if isinstance(page, dict) else None
            if isinstance(url, str) and url:
                found.setdefault(url, title if isinstance(title, str) else "")
    nowhere = {"start_index": -1, "end_index": -1}  # the SDK drops a citation that has no place
    return [
        {"type": "url_citation", "url_citation": {"url": url, "title": title, **nowhere}}
        for url, title in found.items()
    ]


def _choice(choice: Any) -> dict[str, Any]:
    if not isinstance(choice, dict):
        raise invalid()
    if is_error(choice.get("error")):
        raise error_in_stream(choice["error"])  # OpenRouter's
    delta = choice.get("delta") or None
    if delta is None:  # some say beside it what belongs into it
        delta = {key: choice[key] for key in _SAID if choice.get(key)}
        if "content" not in delta and isinstance(choice.get("text"), str):
            delta["content"] = choice["text"]  # of an API older than this one
    message = choice.get("message")
    if message is not None and not isinstance(message, dict):
        raise invalid()
    logprobs = choice.get("logprobs")
    return {
        "index": index_of(choice.get("index")) or 0,
        "delta": _delta(delta),
        "message": None if not message else _delta(message),
        "finish_reason": _finish_word(choice),
        "logprobs": logprobs
        if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list)
        else None,
    }


def _finish_word(value: dict[str, Any]) -> str | None:
    """Return why an answer ended, wherever that stands; None if it goes on."""
    for key in ("finish_reason", "finishReason", "stop_reason", "done_reason"):
        word = value.get(key)
        if isinstance(word, dict):
            word = word.get("type") or word.get("reason")
        if isinstance(word, str) and word and not is_unfinished(word):
            return more_telling(word, value.get("native_finish_reason"))
    return "stop" if value.get("done") is True else None  # Ollama's mark of the last piece


def _merged(choices: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the first of the answers in a chunk; some gateways split one answer into choices of one number."""
    first = min(choice["index"] for choice in choices)
    one, *others = (choice for choice in choices if choice["index"] == first)
    for other in others:
        for key, said in other["delta"].items():
            before = one["delta"].get(key)
            alike = isinstance(said, (str, list)) and type(before) is type(said)
            if key != "role":
                one["delta"][key] = before + said if alike and before is not None else said or before
        for key in ("finish_reason", "logprobs", "message"):
            one[key] = other[key] or one[key]
    return one


def _delta(delta: Any) -> dict[str, Any]:
    if not delta:
        return {}
    if not isinstance(delta, dict):
        raise invalid()
    made = with_files(dict(delta))
    content = made.get("content")
    if content is None and isinstance(delta.get("text"), (str, list)):
        content = made["content"] = delta["text"]
    if isinstance(content, dict):
        made["content"] = [content]
    elif content is not None and not isinstance(content, (str, list)):
        raise invalid()
    for field in ("reasoning_content", "refusal", "reasoning"):
        if not isinstance(made.get(field), str):
            made.pop(field, None)
    if not (made.get("reasoning_content") or made.get("reasoning")) and (thought := thought_in(delta)):
        made["reasoning"] = thought
    if not isinstance(made.get("reasoning_details"), list):
        made.pop("reasoning_details", None)
    if "role" in made and not isinstance(made["role"], str):
        del made["role"]
    if not isinstance(made.get("annotations"), list):
        made.pop("annotations", None)
    calls = made.pop("tool_calls", None) or made.pop("tool_call", None)
    old = made.pop("function_call", None)
    if isinstance(calls, dict):
        calls = [calls]
    if not calls and isinstance(old, dict):  # of the API before tools
        calls = [{"index": 0, "function": old}]
    if calls:
        if not isinstance(calls, list):
            raise invalid()
        made["tool_calls"] = [_call(call) for call in calls if call is not None]
    return made


def _call(call: Any) -> dict[str, Any]:
    if not isinstance(call, dict):
        raise invalid()
    function = call.get("function")
    if function is None and call.get("type") != "custom" and call.keys() & {"name", *ARGUMENTS}:
        function = call
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
        made["function"] = {"name": name or None, "arguments": arguments_in(function)}
    return made

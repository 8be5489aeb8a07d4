"""What a server counts, by any vendor's names and wherever it stands → OpenAI's usage objects. Owns no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agents.usage import _attach_raw_usage_snapshot, _mark_request_completed_without_usage
from openai.types.responses import Response, ResponseUsage
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from .coercion import is_number, plain_key

_INPUT = ["prompttokens", "inputtokens", "prompttokencount", "inputtokencount", "prompttokenscount",
          "inputtokenscount", "promptevalcount", "promptn", "tokensin"]  # fmt: skip
_OUTPUT = ["completiontokens", "outputtokens", "candidatestokencount", "completiontokencount", "outputtokencount",
           "generatedtokens", "generatedtokencount", "candidatestokenscount", "responsetokencount", "evalcount",
           "predictedn", "tokensout"]  # fmt: skip
_TOTAL = ["totaltokens", "totaltokencount", "totaltokenscount"]
_CACHED = ["cachedtokens", "prompttokenscached", "promptcachehittokens", "cachereadinputtokens",
           "cachedcontenttokencount", "cachereadtokens"]  # fmt: skip
_CACHE_WRITTEN = ["cachewritetokens", "cachecreationinputtokens", "cachecreationtokens"]
_THOUGHT = ["reasoningtokens", "thoughtstokencount", "thinkingtokens"]
_COUNTS = frozenset(_INPUT + _OUTPUT)
_DETAILS = frozenset(
    {"prompttokensdetails", "inputtokensdetails", "completiontokensdetails", "outputtokensdetails"}
)
_PLACES = frozenset({"usage", "usagemetadata", "xgroq", "tokenusage", "timings", "amazonbedrockinvocationmetrics",
                     "billedunits", "tokens", "meta"})  # fmt: skip
"""Where counts stand in a chunk, in each other or in a choice."""
_OPENAIS = frozenset(
    {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    }
)
_OPENAIS_DETAILS = frozenset(
    {
        "cached_tokens",
        "audio_tokens",
        "reasoning_tokens",
        "accepted_prediction_tokens",
        "rejected_prediction_tokens",
    }
)


def usage_in(chunk: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a chunk counts, in OpenAI's words, wherever the server puts it; None if it counts nothing."""
    choices = chunk.get("choices")
    places = [chunk, *(choice for choice in (choices if isinstance(choices, list) else ()))]
    found = [counted for place in places for counted in _counts_in(place, 0)]
    return next((counted for counted in found if says_much(counted)), found[0] if found else None)


def is_count(usage: Mapping[str, Any] | None) -> bool:
    """Whether *usage* counts in OpenAI's own words, so that nothing of it is to be looked for elsewhere."""
    if usage is None:
        return False
    return type(usage.get("prompt_tokens")) is int and type(usage.get("completion_tokens")) is int


def says_much(usage: Mapping[str, Any]) -> bool:
    """Whether a usage object in chat completions' form counts more than zeros, as those of a last chunk may be."""
    return bool(usage["prompt_tokens"] or usage["completion_tokens"])


def _counts_in(place: Any, depth: int) -> Iterator[dict[str, Any]]:
    if not isinstance(place, Mapping):
        return
    for key, value in place.items():
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, Mapping) and plain_key(key) in _PLACES:
            if (counted := usage_as_chat(value)) is not None:
                yield counted
            elif depth < 3:
                yield from _counts_in(value, depth + 1)
    if depth == 0 and (counted := usage_as_chat(place)) is not None:
        yield counted  # Ollama's, beside the answer


def usage_as_chat(usage: Any) -> dict[str, Any] | None:
    """Bring a usage object into the form of chat completions; None if it has no count at all."""
    if not isinstance(usage, Mapping):
        return None
    if (plain := _openais(usage)) is not None:
        return plain
    named = {plain_key(key): value for key, value in usage.items()}
    if _COUNTS.isdisjoint(named):
        return None
    given, made = _counted(named, _INPUT), _counted(named, _OUTPUT)
    if given is None and made is None:
        return None
    whole = dict(named)
    for key in _DETAILS:
        if isinstance(details := named.get(key), Mapping):
            whole.update({plain_key(name): value for name, value in details.items()})
    total = _counted(named, _TOTAL)
    return {
        **usage,
        "prompt_tokens": given or 0,
        "completion_tokens": made or 0,
        "total_tokens": total or (given or 0) + (made or 0),
        "prompt_tokens_details": {
            "cached_tokens": _counted(whole, _CACHED) or 0,
            "cache_write_tokens": _counted(whole, _CACHE_WRITTEN) or 0,
        },
        "completion_tokens_details": {"reasoning_tokens": _counted(whole, _THOUGHT) or 0},
    }


def _openais(usage: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what OpenAI's server counts, where names and numbers are its own: most answers end so."""
    given, made, total = (
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        usage.get("total_tokens"),
    )
    if not (type(given) is type(made) is type(total) is int and given > 0 and made > 0 and total > 0):
        return None
    if not _OPENAIS.issuperset(usage):
        return None
    cached = thought = 0
    for key in ("prompt_tokens_details", "completion_tokens_details"):
        details = usage.get(key)
        if details is None:
            continue
        if type(details) is not dict or not _OPENAIS_DETAILS.issuperset(details):
            return None
        if any(type(value) is not int or value < 0 for value in details.values()):
            return None
        cached = cached or details.get("cached_tokens", 0)
        thought = thought or details.get("reasoning_tokens", 0)
    return {
        **usage,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def usage_as_response(usage: Any) -> dict[str, Any] | None:
    """Bring a usage object into the form of the Responses API; None if it has no count at all."""
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


def usage_of(value: Mapping[str, Any]) -> ResponseUsage:
    """Return what `usage_as_chat` counted, as the SDK counts it."""
    given, made = value["prompt_tokens_details"], value["completion_tokens_details"]
    return ResponseUsage(
        input_tokens=value["prompt_tokens"],
        output_tokens=value["completion_tokens"],
        total_tokens=value["total_tokens"],
        input_tokens_details=InputTokensDetails(
            cached_tokens=given["cached_tokens"], cache_write_tokens=given["cache_write_tokens"]
        ),
        output_tokens_details=OutputTokensDetails(reasoning_tokens=made["reasoning_tokens"]),
    )


def counted(raw: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what the *raw* usage counts, in chat completions' form; None if it counts nothing."""
    return None if raw is None else usage_as_chat(raw) or usage_in({"usage": raw})


def add_usage(response: Response, raw: dict[str, Any] | None, *, keep_raw: bool) -> None:
    """Put the *raw* usage that a server sent into a response, as the SDK wants it."""
    found = counted(raw)
    if found is None or raw is None:
        _mark_request_completed_without_usage(response)
        return
    response.usage = usage_of(found)
    if keep_raw:
        _attach_raw_usage_snapshot(response, raw)


def _counted(named: Mapping[str, Any], keys: list[str]) -> int | None:
    """The first count above zero under *keys*; zero where there are only zeros, None where there is none."""
    found: int | None = None
    for key in keys:
        value = named.get(key)
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if is_number(value) and value >= 0:
            found = found or int(value)
    return found

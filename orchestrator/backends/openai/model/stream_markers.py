"""Signs of life and end marks in an event stream: what a server sends that is no piece of an answer. Owns no I/O.

No server sends content as a bare number or an empty list, or under a name that says that it is alive, so those are
passed over; what looks like a message and is none stays an error (`repair`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...upstream.errors import is_error

LIFE = frozenset(
    {"ping", "pong", "keepalive", "keep-alive", "keep_alive", "keep alive", "heartbeat", "heart_beat", "heart-beat",
     "hb", "alive", "tick", "noop", "no-op", "idle", "processing", "queued", "queue", "waiting", "pending", "loading",
     "starting", "started", "connected", "connecting", "ready", "ack", "start", "progress", "init", "info", "ok"}
)  # fmt: skip
"""What servers call an event that says only that they are there, or that the answer has not begun."""
_EMPTY = frozenset({"", "null", "none", "true", "false", "undefined", ".", "..", "...", "…"})
_LIFE_KEYS = ("type", "event", "object", "status", "kind", "state")
_LIFE_NAMES = LIFE | {"queue_position", "position_in_queue", "eta", "eta_seconds", "prompt_progress"}
"""What servers call the one thing that such an event tells."""
_SAYS_SOMETHING = frozenset(
    {"choices", "error", "type", "response", "delta", "output", "message", "code", "text"}
)
_IS_AN_ANSWER = frozenset({"choices", "error", "response", "delta"})
_OF_MESSAGES = frozenset({"", "message", "data", "chunk", "delta", "token", "completion", "completion.chunk",
                          "chat.completion.chunk"})  # fmt: skip
_ENDS = frozenset({"done", "end", "complete", "completed", "finish", "finished", "stop", "close", "eof"})
DONE = "[DONE]"


def is_done(data: bytes) -> bool:
    """Whether the data of an event is the end mark, however it is written."""
    if data[:1] == b"{":
        return False
    word = data[:16].strip(b" \t\r\n\"'[]").upper()
    return word == b"DONE" or word.startswith(b"DONE]")


def is_life(text: str) -> bool:
    """Whether the data of an event, as text, is a sign of life that need not be JSON."""
    plain = text.strip()
    word = plain.strip("\"'[]{}: ").lower()
    return word in _EMPTY or word in LIFE or re.fullmatch(r"-?\d+(\.\d+)?", plain) is not None


def is_life_event(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a sign of life by what it calls itself, or says nothing at all."""
    if not any(each or each is False for each in value.values()):
        return True
    named = [value[key] for key in _LIFE_KEYS if isinstance(value.get(key), str)]
    return any(name.lower() in LIFE for name in named) or any(key.lower() in _LIFE_NAMES for key in value)


def named(name: str, data: str) -> str | None:
    """Return the data of an event that has a *name*, as its reader should see it; None for a sign of life.

    Some servers say only in the name that an event is a sign of life, an error, the end, or which event of the
    Responses API it is.
    """
    kind = name.strip().lower()
    if kind in LIFE:
        value = _loaded(data)
        return data if isinstance(value, dict) and value.keys() & _IS_AN_ANSWER else None
    if kind == "error" and not is_life(data):
        value = _loaded(data)
        if not isinstance(value, dict) or not is_error(value.get("error")):
            return json.dumps({"error": value if is_error(value) else {"message": data}})
    elif kind.endswith("exception"):
        value = _loaded(data)
        return json.dumps({"error": {"code": name.strip(), **(value if isinstance(value, dict) else {})}})
    elif kind.startswith("response."):
        if f'"type":"{kind}"' not in data and f'"type": "{kind}"' not in data:
            value = _loaded(data)
            if isinstance(value, dict) and "type" not in value:
                return json.dumps({"type": name.strip(), **value})
    elif kind in _ENDS and is_life(data):
        return DONE
    elif kind not in _OF_MESSAGES and not is_done(data.encode(errors="surrogatepass")):
        value = _loaded(data)
        if not isinstance(value, dict) or not value.keys() & _SAYS_SOMETHING:
            return None
    return data


def _loaded(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


_JUDGING = b"error feedback filter sensitive guardrail moderation safety block flagged".split()
_COUNTING = b"token count prompt predicted".split()


def may_judge(payload: bytes) -> bool:
    """Whether an event's data may say that something went wrong or was taken out; False of most."""
    return _names_any(_JUDGING, payload)


def may_count(payload: bytes) -> bool:
    """Whether an event's data may count tokens, under whatever name and wherever that stands."""
    return _names_any(_COUNTING, payload)


def _names_any(words: list[bytes], payload: bytes) -> bool:
    """Whether one of *words* may stand in *payload*, in any case, or spelt by escapes."""
    plain = payload.lower()
    return b"\\u" in plain or any(word in plain for word in words)

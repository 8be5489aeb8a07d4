"""What an agent of this very service says through another protocol, read back as it was said. Knows no protocol.

Our dialects send what their protocol has no word for as an object: the event's own fields, and beside them `agent_id`
and an `id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..errors import ERROR_CODES, AgentError
from ..events.agent import Handoff, Usage
from ..events.content import CONTENT, Content

MAX_MESSAGE_CHARS = 500
_CONTENT = {kind.TYPE: kind for kind in CONTENT}


def content_of(kind: object, about: Mapping[str, Any]) -> Content | None:
    """Return what an object of the type *kind* says beyond text; None if it is none of ours."""
    wanted = _CONTENT.get(kind) if isinstance(kind, str) else None
    if wanted is None or not isinstance(about.get("agent_id"), str):
        return None
    try:
        return msgspec.convert(about, wanted)
    except msgspec.ValidationError:
        return None


def speaker_in(about: object) -> str | None:
    """Return who an agent of this service says is speaking; None if it does not say."""
    named = about.get("speaker") if isinstance(about, Mapping) else None
    return named if isinstance(named, str) and named else None


def handoff_of(kind: object, about: Mapping[str, Any]) -> Handoff | None:
    """Return the handoff that an object of the type *kind* says, after which another speaks; None if it is none."""
    to = about.get("to")
    said = kind == Handoff.TYPE and isinstance(about.get("agent_id"), str)
    return Handoff(to) if said and isinstance(to, str) and to else None


def failure_of(about: Mapping[str, Any]) -> AgentError | None:
    """Return with what an agent of this service failed, in its own words, which hold no secret; None if it did not."""
    code, words = about.get("code"), about.get("message")
    if code not in ERROR_CODES or not isinstance(words, str) or not words:
        return None
    return AgentError(code, words[:MAX_MESSAGE_CHARS])


@dataclass(slots=True)
class NativeEndings:
    """How the agents of one run have ended, of which only the last words are an answer's.

    Attributes:
        usage: Of all of them; None if none was counted. reason, output: The last one's.
    """

    usage: Usage | None = None
    reason: str = "stop"
    output: Any = field(default=msgspec.UNSET)

    def note(self, ending: object) -> None:
        """Take in how one ended: only a good end has something to say."""
        if not isinstance(ending, Mapping) or ending.get("status") != "done":
            return
        reason = ending.get("finish_reason")
        self.reason = reason if isinstance(reason, str) and reason else "stop"
        self.output = ending.get("output", msgspec.UNSET)
        try:
            used = msgspec.convert(ending.get("usage"), Usage | None)
        except msgspec.ValidationError:
            return  # what it cost is not worth an answer
        if used is not None:
            self.usage = used if self.usage is None else self.usage.plus(used)

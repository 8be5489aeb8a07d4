"""What an agent yields, as it may be passed on: text alone, values with the types they declare, or an error.

Owns no mailbox and no count of what was said.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from ..backends.base import Finish, Voice
from ..errors import AgentError
from ..events.agent import Reasoning, Token, Usage
from ..events.encoding import check_types, clean_text, encode_json, is_first_half
from .content_bounds import bound_output
from .event_bounds import MESSAGE_CHARS, countable

_S = TypeVar("_S", bound=msgspec.Struct)


class HeldHalves:
    """Halves of characters, which JavaScript leaves where it cuts a text: each is held until the other comes."""

    def __init__(self) -> None:
        self.held: dict[Voice, str] = {}

    def take(self, text: str, voice: Voice) -> str:
        """Return *text* after the half that *voice* ended with, and without the one that it ends with now."""
        if self.held:
            text = self.held.pop(voice, "") + text
        if is_first_half(text):
            self.held[voice], text = text[-1], text[:-1]
        return clean_text(text)

    def end(self) -> list[Token | Reasoning]:
        """Return what stands for halves that stayed alone."""
        held, self.held = self.held, {}
        return [kind("\ufffd", speaker, parent) for kind, speaker, parent in held]


def plain_text(item: Any) -> Any:
    """Return the text alone if nothing else is said of it."""
    return item.text if type(item) is Token and item.speaker is None and item.parent is None else item


def sound_error(exc: AgentError) -> AgentError:
    """Return what *exc* says: a subclass of the user's own may have left fields out, or changed them."""
    try:
        message = exc.message[:MESSAGE_CHARS]
        return AgentError(exc.code, message, retryable=exc.retryable, retry_after=exc.retry_after)
    except (Exception, SystemExit, KeyboardInterrupt):  # noqa: BLE001 - whatever it is, only this agent may fail of it
        return AgentError("internal", "The agent failed; the server's log has the details.")


def sound_finish(finish: Finish) -> Finish:
    """Return *finish* with what can be passed on and kept."""
    reason: object = finish.reason
    usage: object = finish.usage
    if not isinstance(reason, str) or not isinstance(usage, Usage | None):
        wrong = "The agent yielded a Finish with a field of a wrong type."
        raise AgentError("upstream_invalid", wrong, retryable=False)
    return Finish(
        clean_text(reason[:MESSAGE_CHARS]),
        None if usage is None else countable(checked(usage)),
        _kept(finish.memory),
        finish.output if finish.output is UNSET else bound_output(finish.output),
    )


def checked(item: _S) -> _S:
    """Return *item* with the types it declares: what cannot be encoded would break the run, not the agent."""
    try:
        return check_types(item)
    except (TypeError, ValueError, RecursionError) as exc:
        wrong = f"The agent yielded a {type(item).__name__} with a field of a wrong type."
        raise AgentError("upstream_invalid", wrong, retryable=False) from exc


def _kept(memory: Any) -> Any:
    """Return *memory* if it can be kept: it is stored as JSON."""
    if memory is None:
        return None
    try:
        return msgspec.json.decode(encode_json(memory))
    except (TypeError, ValueError, RecursionError) as exc:
        wrong = "The agent's Finish has a memory that is no JSON."
        raise AgentError("upstream_invalid", wrong, retryable=False) from exc

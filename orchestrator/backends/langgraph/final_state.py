"""What a graph answers that said nothing on its way: the state, or the value, that it ended with. Imports no library.

A node may return its answer as a mapping or a tuple that only the state makes a message of, a functional graph as plain
text, and a state may have a key of its own for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from ...events.content import OUTPUT_BYTES
from ..json_values import plain
from .content import texts_of


@dataclass(frozen=True, slots=True)
class FinalState:
    """What a graph ended with: a text, or a structured answer."""

    text: str = ""
    output: Any = UNSET

    def words(self) -> str:
        """Return it as text: of a structured answer its compact JSON."""
        return self.text if self.output is UNSET else msgspec.json.encode(self.output).decode()


def ending_of(final: Any) -> FinalState:
    """Return the answer in what a graph ended with."""
    if isinstance(final, Mapping):
        return _ending_of_state(final)
    if isinstance(final, str):
        return FinalState(final)
    if hasattr(final, "content"):
        return FinalState(_text_of(final))
    return _structured(final)


def _ending_of_state(state: Mapping[Any, Any]) -> FinalState:
    said = [_text_of(each) for each in answers_in(state) if getattr(each, "type", "") == "ai"]
    if any(said):
        return FinalState("\n\n".join(filter(None, said)))
    rest = {
        key: value
        for key, value in state.items()
        if key != "messages" and value is not None and not str(key).startswith("__")
    }
    if len(rest) == 1 and isinstance(only := next(iter(rest.values())), str):
        return FinalState(only)
    return _structured(rest or None)


def is_unfinished(state: Any) -> bool:
    """Return whether a graph in this state has more to run; LangGraph 1.2.0 forgets a node that asks twice."""
    return bool(state.next or state.interrupts)


def answers_in(state: Any) -> list[Any]:
    """Return the messages of a state since the last question, oldest first."""
    found = messages_in(state)
    for number in range(len(found), 0, -1):
        if getattr(found[number - 1], "type", "") == "human":
            return found[number:]
    return found


def messages_in(state: Any) -> list[Any]:
    """Return the messages of a state, oldest first."""
    messages = state.get("messages") if isinstance(state, Mapping) else None
    if isinstance(messages, list | tuple):
        return list(messages)
    return [messages] if hasattr(messages, "content") else []


def _structured(value: Any) -> FinalState:
    output = plain(value)
    try:
        fits = output is not None and len(msgspec.json.encode(output)) <= OUTPUT_BYTES
    except (TypeError, ValueError):
        fits = False
    return FinalState(output=output) if fits else FinalState()


def _text_of(message: Any) -> str:
    return "".join(text for text, is_thought in texts_of(getattr(message, "content", "")) if not is_thought)

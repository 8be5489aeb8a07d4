"""Where each message of a graph's models was said: in which tool's call, and in a try of its node that has failed.

A graph's stream does not tell; LangChain's callbacks do. Owns the runs that are open; imports no library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

INTERRUPTS = "GraphBubbleUp"
"""The base of what LangGraph raises when it stops to ask, which is no failure."""


@dataclass(frozen=True, slots=True)
class _Try:
    """One try of a node, and the messages that were said in it."""

    place: str
    messages: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Open:
    """A run that is open: in which call, and in which tries of nodes, the outermost first."""

    call: str | None = None
    tries: tuple[_Try, ...] = ()
    own: _Try | None = None
    messages: set[str] = field(default_factory=set)


class GraphRuns:
    """A callback handler, once a class of it and of LangChain's `BaseCallbackHandler` is made.

    Attributes:
        void: Messages of no account: their model failed, or their node did and was run again.
    """

    run_inline = True
    """In the order in which things happen: a graph's own handler hands a message on after this one."""

    def __init__(self) -> None:
        super().__init__()
        self.void: set[str] = set()
        self._open: dict[object, _Open] = {}
        self._calls: dict[str, str] = {}
        self._failed: dict[str, set[str]] = {}

    def call_of(self, message: str) -> str | None:
        """Return the tool's call in which a message was said; None if in none that is known."""
        return self._calls.get(message)

    # ── what LangChain calls ─────────────────────────────────────────────────────────────────

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: object, parent_run_id: object = None, **about: Any
    ) -> None:
        known = about.get("metadata")
        place = known.get("langgraph_checkpoint_ns") if isinstance(known, Mapping) else None
        if not isinstance(known, Mapping) or not place or about.get("name") != known.get("langgraph_node"):
            self._begin(run_id, parent_run_id)
            return
        self.void |= self._failed.pop(place, set())  # the node is tried again
        self._begin(run_id, parent_run_id, own=_Try(place))

    def on_tool_start(
        self, serialized: Any, input_str: Any, *, run_id: object, parent_run_id: object = None, **about: Any
    ) -> None:
        call = about.get("tool_call_id")
        self._begin(run_id, parent_run_id, call=call if isinstance(call, str) and call else None)

    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: object, parent_run_id: object = None, **about: Any
    ) -> None:
        self._begin(run_id, parent_run_id)

    on_llm_start = on_chat_model_start

    def on_llm_new_token(self, token: Any, *, run_id: object, chunk: Any = None, **about: Any) -> None:
        self._note(run_id, getattr(chunk, "message", None))

    def on_llm_end(self, response: Any, *, run_id: object, **about: Any) -> None:
        for generations in getattr(response, "generations", None) or ():
            for each in generations:
                self._note(run_id, getattr(each, "message", None))
        self._open.pop(run_id, None)

    def on_llm_error(self, error: BaseException, *, run_id: object, **about: Any) -> None:
        run = self._open.pop(run_id, _Open())
        if isinstance(error, Exception):  # whoever leaves a stream has heard what it wanted
            self.void |= run.messages

    def on_chain_error(self, error: BaseException, *, run_id: object, **about: Any) -> None:
        own = self._open.pop(run_id, _Open()).own
        asks = any(kind.__name__ == INTERRUPTS for kind in type(error).__mro__)
        if own is not None and isinstance(error, Exception) and not asks:
            self._failed.setdefault(own.place, set()).update(own.messages)

    def on_chain_end(self, outputs: Any, *, run_id: object, **about: Any) -> None:
        self._open.pop(run_id, None)

    on_tool_end = on_tool_error = on_chain_end

    # ── what is open ─────────────────────────────────────────────────────────────────────────

    def _begin(
        self, run_id: object, parent_run_id: object, *, call: str | None = None, own: _Try | None = None
    ) -> None:
        outer = self._open.get(parent_run_id, _Open())
        tries = outer.tries if own is None else (*outer.tries, own)
        self._open[run_id] = _Open(call or outer.call, tries, own)

    def _note(self, run_id: object, message: Any) -> None:
        key = getattr(message, "id", None)
        run = self._open.get(run_id)
        if not isinstance(key, str) or run is None or key in run.messages:
            return
        run.messages.add(key)
        for each in run.tries:
            each.messages.add(key)
        if run.call is not None:
            self._calls[key] = run.call

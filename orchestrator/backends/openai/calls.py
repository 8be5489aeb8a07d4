"""The calls in a model's response: distinguished by id, and those that run neither here nor at the provider by mistake.

Owns ids and names of calls. Who runs a call is the SDK's, or the provider's.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Any

from agents import Tool

from ...events.agent import ToolCall
from .model.arguments import whole_arguments

_ASKED = frozenset({"function_call", "custom_tool_call"})
"""Items whose id the model's server makes up and gets back with the result."""
_RUN_HERE = {
    "local_shell_call": "local_shell",
    "shell_call": "shell",
    "apply_patch_call": "apply_patch",
    "computer_call": "computer",
}
"""Items that the SDK runs in this process, with the beginning of their tool's name."""
_NOT_ARGUMENTS = frozenset(
    {"id", "type", "status", "call_id", "name", "server_label", "output", "outputs", "results", "result", "error",
     "approval_request_id", "caller", "created_by", "container_id", "pending_safety_checks", "agent"}
)  # fmt: skip
OUTPUT_CHARS = 64 * 1024
"""So much of what a provider's tool returned is sent; an image would be megabytes."""


@dataclass(frozen=True, slots=True)
class HostedCall:
    """A call that the provider ran."""

    call_id: str
    name: str
    arguments: str
    output: str
    failed: bool


class LocalCalls:
    """Calls of tools to which the SDK gives no id at work: their ids and arguments, in the order of the response."""

    __slots__ = ("_running", "_waiting")

    def __init__(self) -> None:
        self._waiting: defaultdict[str, deque[tuple[str, str]]] | None = None  # most runs have none
        self._running: dict[str, str] | None = None

    def expect(self, output: Iterable[Any]) -> None:
        """Note the calls in a completed response that will be run here."""
        for item in output:
            if is_run_here(item):
                call_id = getattr(item, "call_id", None) or getattr(item, "id", None) or _minted()
                self._waiting = waiting = self._waiting or defaultdict(deque)
                waiting[_RUN_HERE[item.type]].append((call_id, arguments_in(item)))

    def begin(self, tool: Tool) -> tuple[str, str] | None:
        """Return id and arguments of the call that *tool* begins now; None if no such call was noted."""
        kind = _kind_of(tool)
        if kind is None or not self._waiting or not self._waiting[kind]:
            return None
        call_id, arguments = self._waiting[kind].popleft()
        self._running = self._running or {}
        self._running[kind] = call_id
        return call_id, arguments

    def end(self, tool: Tool) -> str | None:
        """Return the id of the call that *tool* ends now: the SDK runs those of one kind one after another."""
        kind = _kind_of(tool)
        return None if kind is None or self._running is None else self._running.pop(kind, None)


def _kind_of(tool: Tool) -> str | None:
    name = getattr(tool, "name", "") or ""
    return next(
        (kind for kind in ("local_shell", "shell", "apply_patch", "computer") if name.startswith(kind)), None
    )


def is_run_here(item: Any) -> bool:
    """Whether the SDK runs this call itself, and so reports it when it does."""
    if item.type == "shell_call":
        environment = getattr(item, "environment", None)
        return getattr(environment, "type", "local") in (None, "local")
    return item.type in _RUN_HERE


def is_hosted(item: Any) -> bool:
    """Whether the provider runs this call."""
    kind: str = item.type
    if not kind.endswith("_call") or kind in _ASKED:
        return False
    if kind == "tool_search_call":
        return getattr(item, "execution", "server") == "server"
    return not is_run_here(item)


def hosted_call(item: Any, arguments: str = "") -> HostedCall:
    """Read what a done item says of a call that the provider ran; *arguments* are those that came in pieces."""
    kind = item.type.removesuffix("_call")
    error = getattr(item, "error", None)
    status = getattr(item, "status", None) or "completed"
    failed = bool(error) or status in ("failed", "incomplete", "cancelled")
    output = _output_of(item)
    if not output:
        output = _text_of(error) if error else status
    return HostedCall(
        getattr(item, "id", None) or getattr(item, "call_id", None) or _minted(),
        getattr(item, "name", None) or kind,
        arguments_in(item, arguments),
        output[:OUTPUT_CHARS],
        failed,
    )


def arguments_in(item: Any, arguments: str = "") -> str:
    """Return what a call was given, as JSON: its `arguments` if it has some, else what else it says of itself."""
    given = getattr(item, "arguments", None)
    if isinstance(given, str) and (given or arguments):
        return given or arguments
    said = {
        key: value for key, value in _plain(item).items() if key not in _NOT_ARGUMENTS and value is not None
    }
    return json.dumps(given if isinstance(given, dict) else said, ensure_ascii=False)


def _output_of(item: Any) -> str:
    output = getattr(item, "output", None)
    if isinstance(output, str) and output:
        return output
    for key in ("outputs", "results", "output"):
        if value := _plain(item).get(key):
            return json.dumps(value, ensure_ascii=False)
    return ""


def _text_of(error: Any) -> str:
    if isinstance(error, str):
        return error
    plain = _plain(error)
    for key in ("message", "content"):
        if isinstance(said := plain.get(key), str) and said:
            return said
    return json.dumps(plain, ensure_ascii=False) if plain else "failed"


def _plain(item: Any) -> dict[str, Any]:
    if isinstance(item, dict):
        return item
    dump = getattr(item, "model_dump", None)
    plain = dump(mode="json", exclude_none=True, warnings=False) if callable(dump) else {}
    return plain if isinstance(plain, dict) else {}


# ── ids ───────────────────────────────────────────────────────────────────────────────────────────


def call_ids_in(items: Any) -> set[str]:
    """Return the ids of the calls among a request's input items."""
    if not isinstance(items, list):
        return set()
    found = (item.get("call_id") for item in items if isinstance(item, dict) and item.get("type") in _ASKED)
    return {call_id for call_id in found if isinstance(call_id, str)}


def asked_in(output: Iterable[Any], parent: str | None) -> Iterator[ToolCall]:
    """Yield the calls in a completed response that are run by us, as they are reported."""
    for item in output:
        if item.type in _ASKED and isinstance(call_id := getattr(item, "call_id", None), str):
            given = getattr(item, "arguments", None) or getattr(item, "input", None) or "{}"
            yield ToolCall(call_id, item.name, given, parent=parent)


def tell_apart(output: Iterable[Any], taken: set[str], names: Set[str] = frozenset()) -> None:
    """Give each call of *output* whose id is *taken* another one, and add all of them to *taken*.

    Some servers count from 0 in every message, or in none: the SDK would take the second call for the first. Arguments
    are put into the form that the tools read, and the name of a tool into that of *names*, which are there.
    """
    for item in output:
        if item.type not in _ASKED:
            continue
        call_id = untaken(getattr(item, "call_id", None) or _minted(), taken)
        if call_id != getattr(item, "call_id", None):
            item.call_id = call_id
        if item.type == "function_call":
            item.arguments = whole_arguments(item.arguments or "")
            if item.name not in names:
                item.name = known_name(item.name, names)


def known_name(name: str, names: Set[str]) -> str:
    """Return the one of *names* that a model means by *name*: some write marks of their template around it.

    `functions.clock`, `default_api:clock` and `clock<|channel|>commentary` are `clock`; of none it stays as it is.
    """
    bare = name.partition("<|")[0].strip()
    for each in (bare, *(bare.rpartition(mark)[2] for mark in (".", ":", "/"))):
        if each in names:
            return each
    return name


def tool_names(tools: Iterable[Any], handoffs: Iterable[Any]) -> frozenset[str]:
    """Return the names by which a model may call *tools* and *handoffs*."""
    named = [getattr(tool, "name", None) for tool in tools] + [
        getattr(to, "tool_name", None) for to in handoffs
    ]
    return frozenset(name for name in named if isinstance(name, str))


def untaken(call_id: str, taken: set[str]) -> str:
    """Return *call_id*, counted on until it is not *taken*; now it is."""
    while call_id in taken:
        call_id = _next(call_id)
    taken.add(call_id)
    return call_id


def _next(call_id: str) -> str:
    """Count an id on, in its own form: `call_0` → `call_1`, `functions.clock:0` → `functions.clock:1`."""
    counted = re.fullmatch(r"(.*?)(\d{1,9})", call_id, re.DOTALL)
    if counted is None:
        return f"{call_id}_2"
    head, number = counted.groups()
    return f"{head}{int(number) + 1:0{len(number)}d}"


def _minted() -> str:
    return f"call_{uuid.uuid4().hex}"

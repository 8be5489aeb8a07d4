"""Which call of a chat answer a piece belongs to, for both transports. Owns no I/O."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from ..arguments import is_object


@dataclass(slots=True)
class _Slot:
    """One call, as far as it has named itself.

    Attributes:
        again: Id and name that came once more after whole arguments: of the next call, if arguments follow.
    """

    call_id: str = ""
    name: str = ""
    arguments: str = ""
    again: tuple[str, str] | None = None


class CallSlots:
    """Numbers the calls of one message from 0.

    OpenAI numbers them itself. Other servers leave the number out, or the id, or give several whole calls
    the same number or the same id; a second name or id, or a name after whole arguments, then begins another call.
    """

    def __init__(self) -> None:
        self._newest: dict[int | None, int] = {}  # by the server's number: the newest call that has it
        self._slots: list[_Slot] = []
        self.ignored: set[int] = set()
        """Calls that nobody here can run."""

    def place(
        self, index: int | None, call_id: str | None, name: str | None, arguments: str | None = None
    ) -> int | None:
        """Return the number of the call to which a piece belongs that says so much of itself.

        None: it says again what the call has said, as some gateways do at the end.
        """
        at = self._newest.get(index)
        if index is None and call_id:
            at = self._going_on(call_id, name, at)
        known = None if at is None else self._slots[at]
        if known is not None and _repeats(known, call_id, name, arguments):
            return None
        if known is not None and _may_begin_another(known, call_id, name, arguments):
            known.again = (call_id or "", name or known.name)
            return None
        if known is not None and known.again is not None and arguments and is_object(known.arguments):
            call_id, name = call_id or known.again[0], name or known.again[1]
            known.again, known = None, None
        if at is None or known is None or _begins_another(known, index, call_id, name, arguments):
            at = self._newest[index] = len(self._slots)
            known = _Slot()
            self._slots.append(known)
        known.name = _joined_name(known, call_id, name)
        known.call_id = call_id or known.call_id
        known.arguments += arguments or ""
        return at

    def id_and_name(self, slot: int) -> tuple[str, str]:
        """Return what a call calls itself; an id is made for one that has a name and none of its own."""
        known = self._slots[slot]
        if not known.call_id and known.name:
            known.call_id = f"call_{uuid.uuid4().hex}"
        return known.call_id, known.name

    def _going_on(self, call_id: str, name: str | None, newest: int | None) -> int | None:
        """Return the call of that id whose arguments are not whole yet; pieces without a place may take turns."""
        for at, known in enumerate(self._slots):
            if known.call_id == call_id and not (name and is_object(known.arguments)):
                return at
        return newest


def _joined_name(known: _Slot, call_id: str | None, name: str | None) -> str:
    """Return a call's name with a piece of it; most servers send it whole, some again with each piece."""
    if not name or not known.name:
        return name or known.name
    goes_on = not (call_id or known.arguments or name.startswith(known.name) or known.name.endswith(name))
    return known.name + name if goes_on else name


def _repeats(known: _Slot, call_id: str | None, name: str | None, arguments: str | None) -> bool:
    same = bool(call_id and call_id == known.call_id) and (not name or name == known.name)
    said = known.arguments
    return same and bool(arguments) and arguments == said and len(said) > 2 and is_object(said)


def _may_begin_another(known: _Slot, call_id: str | None, name: str | None, arguments: str | None) -> bool:
    """Whether a head without arguments, after whole ones, is the call's own again or the next call's."""
    if arguments or not name or not is_object(known.arguments):
        return False
    return name == known.name and call_id in (None, "", known.call_id)


def _begins_another(
    known: _Slot, index: int | None, call_id: str | None, name: str | None, arguments: str | None
) -> bool:
    said = known.arguments
    if name and known.name and arguments and is_object(said):
        return not _fills_in(known, call_id, name, arguments)
    if call_id and known.call_id:
        return call_id != known.call_id and bool(name) and (index is None or bool(known.name))
    if index is not None or not (name and known.name):
        return False
    # Without a place, the same name again goes on with arguments that have begun and are not whole.
    return name != known.name or not said or is_object(said)


def _fills_in(known: _Slot, call_id: str | None, name: str, arguments: str) -> bool:
    """Whether a piece has the arguments for which an empty object stood in the call's first one."""
    is_same = bool(call_id) and (call_id, name) == (known.call_id, known.name)
    return is_same and known.arguments.strip() == "{}" and arguments.strip() != "{}"

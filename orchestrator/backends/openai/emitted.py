"""What one response has said so far, and what of its whole answer is still to be said. Owns no event and no I/O.

A server says a text twice: in pieces, and whole when a part, an item and the response are done. Pieces get lost, and
ids and places differ between the two, so they are matched by the item's id and else by what they say.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from ...events.encoding import clean_text

FAKE_ID = "__fake_id__"
REPEATED_CHARS = 8
"""A message of fewer may well be said twice."""

_NONE: dict[str, list[str]] = {}
"""In the place of what was never sorted; nothing is put into it."""


class EmittedParts:
    """The text of one response.

    Attributes:
        pieces: All that was said, in order.
    """

    __slots__ = ("_by_item", "_item_id", "_open", "_settled", "_sorted", "_wholes", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._item_id = ""
        self._sorted = 0
        # What most answers never need is made when it is needed: hundreds of answers wait at a time.
        self._by_item = self._open = _NONE  # the second has those not yet seen in a whole text
        self._settled: set[tuple[str, int, str]] | None = None
        self._wholes: defaultdict[str, Counter[str]] | None = None

    def hear(self, item_id: str, text: str) -> None:
        """Note a piece that was said."""
        if item_id != self._item_id:
            self._sort()
            self._item_id = item_id
        self.pieces.append(text)

    def _sort(self) -> None:
        """Put the pieces that were said since the last time with their item."""
        new = self.pieces[self._sorted :]
        if self._by_item is _NONE and new:
            self._by_item, self._open = {}, {}
        if new:
            self._sorted = len(self.pieces)
            self._by_item.setdefault(self._item_id, []).extend(new)
            self._open.setdefault(self._item_id, []).extend(new)

    def rest_of_part(self, item_id: str, place: int, whole: str, kind: str = "text") -> str:
        """Return what of a part's *whole* text is still to be said; what does not fit is judged at the end.

        Args:
            kind: Of the event that reports it. A part is reported whole by events of several kinds, by each once.
        """
        self._sort()
        if self._settled is None or self._wholes is None:
            self._settled, self._wholes = set(), defaultdict(Counter)
        if (item_id, place, whole) in self._settled:
            return ""
        self._wholes[kind][whole] += 1
        times = self._wholes[kind][whole]
        if any(counted[whole] >= times for other, counted in self._wholes.items() if other != kind):
            return ""
        known = item_id if item_id in self._open else None
        open_now = self._open[known] if known is not None else [t for ts in self._open.values() for t in ts]
        said, whole = clean_text("".join(open_now)), clean_text(whole)
        if not (whole.startswith(said) or whole in said):
            return ""
        self._settled.add((item_id, place, whole))
        self._open.clear() if known is None else self._open.pop(known)
        if whole.startswith(said):
            return whole[len(said) :]
        if left := said.replace(whole, "", 1):  # of the parts beside it
            self._open.setdefault(item_id if known is None else known, []).append(left)
        return ""

    def rest_of_answer(self, items: list[tuple[str, str]]) -> str | None:
        """Return what of the completed *items*, each an id and its text, is still to be said.

        None: pieces before others were lost, so no more words can make it right. What was said and is no part of
        the answer at all stands.
        """
        items = [(item_id, clean_text(text)) for item_id, text in items]
        said = clean_text("".join(self.pieces))
        whole = "".join(text for _, text in items)
        once = _without_repeated(items)
        if once != items and said in ("", "".join(text for _, text in once)):
            items, whole = once, "".join(text for _, text in once)
        if whole.startswith(said):
            return whole[len(said) :]
        if _is_repeated(said, whole):
            return None
        if _squeezed(whole) == _squeezed(said):
            return None if len(whole.strip()) > len(said.strip()) and _has_holes(said.strip(), whole) else ""
        if whole in said:
            return ""
        rest = self._rest_by_item(items)
        return rest if rest is not None or _has_holes(said, whole) else ""

    def _rest_by_item(self, items: list[tuple[str, str]]) -> str | None:
        """Match item by item: an answer may be completed in another order than it was said."""
        self._sort()
        ids = [item_id for item_id, _ in items]
        left = dict(self._by_item)
        rest = ""
        unknown: list[str] = []
        is_behind = False  # an item that nothing was heard of stands before one that was heard
        for item_id, text in items:
            if not item_id or item_id == FAKE_ID or ids.count(item_id) > 1 or item_id not in left:
                unknown.append(text)
                continue
            said = clean_text("".join(left.pop(item_id)))
            is_behind = is_behind or bool(unknown and said)
            is_last = item_id == next(reversed(self._by_item))
            if text.startswith(said) and (is_last or text == said):
                rest += text[len(said) :]
            elif text not in said:
                return None
        others = clean_text("".join(text for pieces in left.values() for text in pieces))
        whole = "".join(unknown)
        if others and not whole.startswith(others):
            return rest if whole in others else None
        if is_behind and len(whole) > len(others):
            return None
        return rest + whole[len(others) :]


def _without_repeated(items: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out a message that says the same as the one before it, if that is longer than a word."""
    return [
        item
        for at, item in enumerate(items)
        if at == 0 or item[1] != items[at - 1][1] or len(item[1]) < REPEATED_CHARS
    ]


def _is_repeated(said: str, whole: str) -> bool:
    """Whether *said* is *whole* after beginnings of it: a server sent all so far in each piece, or all in the last."""
    if not whole or len(said) <= len(whole) or not said.endswith(whole):
        return False
    at = length = 0
    while at < len(said):
        length = _alike(said[at : at + len(whole)], whole)
        if not length:
            return False
        at += length
    return length == len(whole)


def _alike(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


def _has_holes(said: str, whole: str) -> bool:
    """Whether *said* is *whole* with some of it missing: all of it stands there, in order."""
    left = iter(whole)
    return all(character in left for character in said)


def _squeezed(text: str) -> str:
    return "".join(text.split())

"""What one response has said so far, and what of its whole answer is still to be said. Owns no event and no I/O.

A server says a text twice: in pieces, and whole when a part, an item and the response are done. Pieces get lost, and
ids and places differ between the two, so they are matched by the item's id and else by what they say.
"""

from __future__ import annotations

from collections import defaultdict

from ...events.encoding import clean_text

FAKE_ID = "__fake_id__"


class Told:
    """The text of one response.

    Attributes:
        pieces: All that was said, in order.
    """

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._by_item: defaultdict[str, list[str]] = defaultdict(list)
        self._open: defaultdict[str, list[str]] = defaultdict(list)  # not yet seen in a whole text
        self._settled: set[tuple[str, int, str]] = set()

    def hear(self, item_id: str, text: str) -> None:
        """Note a piece that was said."""
        self.pieces.append(text)
        self._by_item[item_id].append(text)
        self._open[item_id].append(text)

    def rest_of_part(self, item_id: str, place: int, whole: str) -> str:
        """Return what of a part's *whole* text is still to be said; what does not fit is judged at the end."""
        if (item_id, place, whole) in self._settled:
            return ""
        known = item_id if item_id in self._open else None
        open_now = self._open[known] if known is not None else [t for ts in self._open.values() for t in ts]
        said, whole = clean_text("".join(open_now)), clean_text(whole)
        if not (whole.startswith(said) or whole in said):
            return ""
        self._settled.add((item_id, place, whole))
        self._open.clear() if known is None else self._open.pop(known)
        return whole[len(said) :] if whole.startswith(said) else ""

    def rest_of_answer(self, items: list[tuple[str, str]]) -> str | None:
        """Return what of the completed *items*, each an id and its text, is still to be said.

        None: pieces before others were lost, so no more words can make it right. What was said and is no part of
        the answer at all stands.
        """
        items = [(item_id, clean_text(text)) for item_id, text in items]
        whole, said = "".join(text for _, text in items), clean_text("".join(self.pieces))
        if whole.startswith(said):
            return whole[len(said) :]
        if whole in said or _squeezed(whole) == _squeezed(said):
            return ""
        rest = self._rest_by_item(items)
        return rest if rest is not None or _has_holes(said, whole) else ""

    def _rest_by_item(self, items: list[tuple[str, str]]) -> str | None:
        """Match item by item: an answer may be completed in another order than it was said."""
        ids = [item_id for item_id, _ in items]
        left = dict(self._by_item)
        rest = ""
        unknown: list[str] = []
        for item_id, text in items:
            if not item_id or item_id == FAKE_ID or ids.count(item_id) > 1 or item_id not in left:
                unknown.append(text)
                continue
            said = clean_text("".join(left.pop(item_id)))
            is_last = item_id == next(reversed(self._by_item))
            if text.startswith(said) and (is_last or text == said):
                rest += text[len(said) :]
            elif text not in said:
                return None
        others = clean_text("".join(text for pieces in left.values() for text in pieces))
        whole = "".join(unknown)
        if others and not whole.startswith(others):
            return rest if whole in others else None
        return rest + whole[len(others) :]


def _has_holes(said: str, whole: str) -> bool:
    """Whether *said* is *whole* with some of it missing: all of it stands there, in order."""
    left = iter(whole)
    return all(character in left for character in said)


def _squeezed(text: str) -> str:
    return "".join(text.split())

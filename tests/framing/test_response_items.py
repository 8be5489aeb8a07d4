"""Covers `orchestrator/framing/response_items.py`: the parts of a Responses answer that are not the fold."""

from __future__ import annotations

import json

from orchestrator.events import Source
from orchestrator.framing.heard import HeardAgent
from orchestrator.framing.response_items import Thought, cited_pages, joined


def test_pieces_are_joined_as_they_were_escaped() -> None:
    assert json.loads(joined([b'"a\\""', b'"\\u2028"', b'"b"'])) == 'a"\u2028b'
    assert joined([]) == b'""'


def test_an_item_of_reasoning_has_its_words_once_it_is_closed() -> None:
    thought = Thought(0, b"rs_1", b"a", b"", b"")
    assert json.loads(thought.item())["summary"] == []
    thought.text = b'"Hm."'
    found = json.loads(thought.item())
    assert (found["status"], found["summary"]) == ("completed", [{"type": "summary_text", "text": "Hm."}])


def test_only_pages_of_the_web_are_cited() -> None:
    voice = HeardAgent("a", "Ann")
    voice.keep(Source("s1", url="https://example.org"))
    voice.keep(Source("s2", document="A book"))
    assert [each.source_id for each in cited_pages(voice)] == ["s1"]

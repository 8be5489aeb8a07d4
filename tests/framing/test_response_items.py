"""Covers `orchestrator/framing/response_items.py`: the parts of a Responses answer that are not the fold."""

from __future__ import annotations

import json

from orchestrator.events import Source
from orchestrator.framing.agent_stream import StreamedAgent
from orchestrator.framing.response_items import Thought, cited_pages


def test_an_item_of_reasoning_has_its_words() -> None:
    thought = Thought(0, b"rs_1", b"a", b"", b"")
    for status in ("in_progress", "completed"):
        found = json.loads(thought.item(b'"Hm."', status.encode()))
        assert (found["status"], found["summary"]) == (status, [{"type": "summary_text", "text": "Hm."}])


def test_only_pages_of_the_web_are_cited() -> None:
    voice = StreamedAgent("a", "Ann")
    voice.keep(Source("s1", url="https://example.org"))
    voice.keep(Source("s2", document="A book"))
    assert [each.source_id for each in cited_pages(voice)] == ["s1"]

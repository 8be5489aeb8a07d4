"""Covers `orchestrator/server/http/stream_params.py`: what a request says about how it wants to read."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from orchestrator.errors import InvalidRequest
from orchestrator.framing.base import dialects
from orchestrator.server.http.stream_params import (
    requested_cursor,
    wanted_agents,
    wanted_dialect,
    wanted_runs,
    wants_stream,
)


def asking(query: str = "", **headers: str) -> web.Request:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return make_mocked_request("GET", f"/x?{query}", headers=named)


@pytest.mark.parametrize(
    ("request_", "cursor"),
    [
        (asking(), None),
        (asking("last_event_id=e-1"), "e-1"),
        (asking(Last_Event_ID="e-2"), "e-2"),
        (asking("last_event_id=e-1", Last_Event_ID="e-2"), "e-2"),
        (asking("last_event_id=e-1", Last_Event_ID=""), "e-1"),
        (asking("last_event_id="), None),
    ],
)
def test_the_header_wins_over_the_query_and_an_empty_cursor_is_none(
    request_: web.Request, cursor: str | None
) -> None:
    """A browser that comes back by itself sends the header; the page's own address may still hold an older one."""
    assert requested_cursor(request_) == cursor


@pytest.mark.parametrize("name", [row.name for row in dialects()])
def test_every_dialect_of_the_table_can_be_asked_for(name: str) -> None:
    assert wanted_dialect(asking(f"framing={name}")).name == name


def test_without_a_wish_it_is_the_carriers_first() -> None:
    assert wanted_dialect(asking()).name == "event"
    assert wanted_dialect(asking(), "websocket").name == "websocket"


@pytest.mark.parametrize("name", ["nonsense", "websocket", "", "x" * 500, "%ED%A0%80"])
def test_an_unknown_dialect_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InvalidRequest, match="use one of event, message") as caught:
        wanted_dialect(asking(f"framing={name}"))
    assert [field.at for field in caught.value.fields] == ["framing"]
    assert len(str(caught.value)) < 300
    str(caught.value).encode()


def test_a_channel_is_written_only_by_dialects_that_can() -> None:
    """One that folds a run into one answer would mix several."""
    assert wanted_dialect(asking("framing=message"), of_channel=True).name == "message"
    with pytest.raises(InvalidRequest):
        wanted_dialect(asking("framing=chat"), of_channel=True)


def test_filters() -> None:
    assert (wanted_agents(asking()), wanted_runs(asking())) == (None, None)
    assert wanted_agents(asking("agents=a,b")) == {"a", "b"}
    assert wanted_runs(asking("runs=run_1")) == {"run_1"}


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/event-stream", True), ("application/json, Text/Event-Stream;q=0.5", True), ("*/*", False), ("", False),
        ("text/event-stream;q=0", False), ("text/event-stream; q=0.000", False), ("text/event-streams", False),
    ],
)  # fmt: skip
def test_a_stream_is_the_answer_only_if_it_was_named(accept: str, wanted: bool) -> None:
    assert wants_stream(asking(Accept=accept), "text/event-stream") is wanted

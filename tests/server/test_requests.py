"""Covers `orchestrator/server/http/requests.py`."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.errors import InvalidRequest
from orchestrator.run.registry import AgentRegistry
from orchestrator.run.spec import StartRequest
from orchestrator.server.http.problem import ProblemError
from orchestrator.server.http.requests import parse_start, start_schema
from orchestrator.server.options import ServerOptions
from tests.support.spine import settings

KNOWN = ("optimist", "skeptic", "analyst", "x-1")
LIMITS = ServerOptions(max_message_chars=20, max_agents_per_run=3)


REGISTRY = AgentRegistry({name: settings(name, default=name in KNOWN[:2]) for name in KNOWN})


def parse(body: dict[str, Any]) -> StartRequest:
    return parse_start(body, registry=REGISTRY, limits=LIMITS)


def wrong(body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        parse(body)
    return {problem.at: problem.detail for problem in caught.value.fields}


def test_a_message_is_enough() -> None:
    assert parse({"message": "hi"}) == StartRequest("hi")


def test_every_key_arrives() -> None:
    body = {
        "message": "hi",
        "agents": ["skeptic", "optimist"],
        "conversation_id": "c_1",
        "channel": "Ch-1",
        "on_disconnect": "cancel",
    }
    assert parse(body) == StartRequest("hi", ("skeptic", "optimist"), "c_1", "Ch-1", on_disconnect="cancel")


def test_inline_panel_gets_its_members() -> None:
    """Its own, else the request's agents, else the default ones."""
    inline = {"method": "debate"}
    for body, members in (
        ({"panel": inline}, ["optimist", "skeptic"]),
        ({"panel": inline, "agents": ["skeptic", "analyst"]}, ["skeptic", "analyst"]),
        ({"panel": inline | {"members": ["analyst", "x-1"]}}, ["analyst", "x-1"]),
    ):
        wanted = parse({"message": "hi"} | body)
        assert wanted.panel is not None
        assert wanted.panel["members"] == members


def test_null_is_a_key_left_out() -> None:
    """Serializers write null for what is unset."""
    keys = ("agents", "conversation_id", "channel", "panel", "on_disconnect")
    assert parse({"message": "hi"} | dict.fromkeys(keys)) == StartRequest("hi")


def test_all_that_is_wrong_is_named_at_once() -> None:
    body = {
        "agents": ["optimist", "nobody", 7],
        "conversation_id": "a b",
        "channel": "",
        "on_disconnect": "explode",
        "panel": "debate",
        "mesage": "hi",
    }
    found = wrong(body)
    assert set(found) == {
        "message", "agents[1]", "agents[2]", "conversation_id", "channel", "on_disconnect", "panel", "mesage",
    }  # fmt: skip
    assert found["message"] == "is required"
    assert "'nobody'" in found["agents[1]"]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"message": ""}, "message"),
        ({"message": None}, "message"),
        ({"message": 1}, "message"),
        ({"message": ["hi"]}, "message"),
        ({"message": "hi", "agents": []}, "agents"),
        ({"message": "hi", "agents": "optimist"}, "agents"),
        ({"message": "hi", "agents": {"optimist": 1}}, "agents"),
        ({"message": "hi", "agents": [["optimist"]]}, "agents[0]"),
        ({"message": "hi", "agents": ["optimist", "optimist"]}, "agents[1]"),
        ({"message": "hi", "agents": list(KNOWN)}, "agents"),
        ({"message": "hi", "conversation_id": "x" * 65}, "conversation_id"),
        ({"message": "hi", "conversation_id": "line\n"}, "conversation_id"),
        ({"message": "hi", "channel": "ümlaut"}, "channel"),
        ({"message": "hi", "channel": 5}, "channel"),
        ({"message": "hi", "on_disconnect": True}, "on_disconnect"),
        ({"message": "hi", "on_disconnect": ["cancel"]}, "on_disconnect"),
        ({"message": "hi", "panel": "jury"}, "panel"),
        ({"message": "hi", "panel": ["jury"]}, "panel"),
        ({"message": "hi", "panel": {}}, "panel.method"),
        ({"message": "hi", "panel": {"method": "fight"}}, "panel.method"),
        ({"message": "hi", "panel": {"method": "os:system"}}, "panel.method"),
        ({"message": "hi", "panel": {"method": "judge"}}, "panel.moderator"),
        ({"message": "hi", "panel": {"method": "judge", "moderator": "nobody"}}, "panel"),
        ({"message": "hi", "panel": {"method": "rank", "members": ["skeptic"]}}, "panel.members"),
        ({"message": "hi", "panel": {"method": "debate", "round": 3}}, "panel.round"),
        (
            {"message": "hi", "panel": {"method": "moderator", "moderator": "x-1", "prompt": "{x}"}},
            "panel.prompt",
        ),
    ],
)
def test_each_field_is_checked(body: dict[str, Any], at: str) -> None:
    assert list(wrong(body)) == [at]


def test_a_message_of_the_allowed_length_passes_and_one_more_is_too_large() -> None:
    """413, not 422; what else is wrong is told along with it."""
    assert parse({"message": "é" * 20}).message == "é" * 20
    with pytest.raises(ProblemError) as caught:
        parse({"message": "é" * 21, "agents": ["nobody"]})
    assert caught.value.problem.status == 413
    assert [problem.at for problem in caught.value.problem.errors] == ["message", "agents[0]"]


def test_half_a_surrogate_pair_is_replaced() -> None:
    """A client that cuts a text by UTF-16 units sends one; it could not be encoded later."""
    assert parse({"message": "a\ud83d"}).message == "a\ufffd"


def test_what_is_quoted_is_short() -> None:
    """Ten thousand unknown keys of a kilobyte each are not sent back."""
    body = {"message": "hi", "agents": ["\ud800" * 5000]} | {f"{n}{'k' * 1000}": 1 for n in range(10_000)}
    found = wrong(body)
    assert len(found) < 30
    assert len(str(found)) < 10_000


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.text("ab_- é", max_size=25)
    | st.sampled_from(["continue", "cancel", *KNOWN]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=5,
)
keys = st.sampled_from(["message", "agents", "conversation_id", "channel", "panel", "on_disconnect", "other"])


@given(st.dictionaries(keys, values, max_size=6))
@example({"message": "_", "panel": "nobody's"})
def test_the_schema_and_the_check_agree(body: dict[str, Any]) -> None:
    """Whatever the check takes the schema allows; what only the check refuses is an agent or a panel nobody knows."""
    schema = start_schema(LIMITS)
    allowed = jsonschema.Draft202012Validator(schema).is_valid(body)
    try:
        parse(body)
    except ProblemError as exc:
        problems = exc.problem.errors
    except InvalidRequest as exc:
        problems = exc.fields
    else:
        assert allowed
        return
    unknown = ("there is no agent", "there is no panel")
    assert not allowed or all(problem.detail.startswith(unknown) for problem in problems)


@pytest.mark.parametrize(
    "image",
    [
        "http://plain.example/a.png",
        "file:///etc/passwd",
        "data:image/svg+xml;base64,AAAA",
        "data:image/png,AAAA",
        7,
        "",
    ],
)
def test_what_is_no_image_is_refused(image: Any) -> None:
    """Neither a file of the server's nor something a browser would run may be named."""
    with pytest.raises(InvalidRequest) as caught:
        parse_start(
            {"message": "hi", "images": ["https://x.example/a.png", image]},
            registry=AgentRegistry({}),
            limits=ServerOptions(),
        )
    assert [field.at for field in caught.value.fields] == ["images[1]"]

"""Covers `orchestrator/events/base.py`: what every event's name and payload is made of."""

from __future__ import annotations

import re

import pytest

from orchestrator.events.agent import AGENT_PAYLOADS
from orchestrator.events.base import AGENT_ID_PATTERN, PANEL, RESERVED_IDS, RUN, Payload
from orchestrator.events.encoding import encode_json
from orchestrator.events.panel import PANEL_PAYLOADS
from orchestrator.events.run import RUN_PAYLOADS

ALL = [*AGENT_PAYLOADS.values(), *RUN_PAYLOADS.values(), *PANEL_PAYLOADS.values()]


class Sample(Payload, frozen=True, omit_defaults=True):
    TYPE = "sample"
    whole: str
    part: str | None = None


def test_a_field_with_a_default_is_on_the_wire_only_if_it_differs() -> None:
    """Old clients stay right when an event gets a field, as long as they need not read it."""
    assert encode_json(Sample("")) == b'{"whole":""}'
    assert encode_json(Sample("x", "y")) == b'{"whole":"x","part":"y"}'


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_payloads_are_frozen_and_name_their_type(kind: type[Payload]) -> None:
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.omit_defaults
    assert re.fullmatch(r"[a-z][a-z_]*", kind.TYPE)
    assert "type" not in kind.__struct_fields__
    assert "agent_id" not in kind.__struct_fields__
    assert "t" not in kind.__struct_fields__


@pytest.mark.parametrize("reserved", sorted(RESERVED_IDS))
def test_reserved_ids_are_what_would_otherwise_be_a_valid_id(reserved: str) -> None:
    """The pattern alone lets them pass, so it is no protection from an agent named as the run's events are."""
    assert re.fullmatch(AGENT_ID_PATTERN, reserved)
    assert {RUN, PANEL} <= RESERVED_IDS


def test_an_agents_id_never_holds_what_parts_an_events_name() -> None:
    assert not re.fullmatch(AGENT_ID_PATTERN, "a.b")
    assert not re.fullmatch(AGENT_ID_PATTERN, "")

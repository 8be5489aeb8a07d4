"""Covers `orchestrator/config/described.py`: the texts below attributes are in the schema of a model."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, create_model

from orchestrator.config.described import DescribedJsonSchema


class Older(BaseModel):
    kept: int
    """Said by the older one."""
    again: int
    """Said by the older one, and anew."""


class Part(BaseModel):
    size: int = 1
    """How large
    it is."""


class Newer(Older):
    again: int
    """Said by the newer one."""
    named: int = Field(alias="as")
    """Under another name."""
    own: int = Field(description="Its own.")
    """Not this."""
    silent: int
    part: Part
    """A part of it."""


def described(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=DescribedJsonSchema)
    return {name: key.get("description") for name, key in schema["properties"].items()}


def test_each_key_has_the_text_below_its_attribute() -> None:
    assert described(Newer) == {
        "kept": "Said by the older one.",
        "again": "Said by the newer one.",
        "as": "Under another name.",
        "own": "Its own.",
        "silent": None,
        "part": "A part of it.",
    }


def test_the_models_within_have_theirs() -> None:
    schema = Newer.model_json_schema(schema_generator=DescribedJsonSchema)
    assert schema["$defs"]["Part"]["properties"]["size"]["description"] == "How large\nit is."


def test_a_model_that_no_file_has_is_described_by_what_it_inherits() -> None:
    assert described(create_model("Made", __base__=Older, more=(int, 0)))["kept"] == "Said by the older one."

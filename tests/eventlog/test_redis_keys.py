"""Covers `orchestrator/eventlog/redis/keys.py`: the names of our keys."""

from __future__ import annotations

from orchestrator.eventlog.redis.keys import Keys


def names(keys: Keys) -> list[str]:
    fixed = [value for value in vars(keys).values() if isinstance(value, str) and value != keys.prefix]
    made = [*keys.channel("c"), keys.inbox("w"), keys.turns("c", "a"), keys.holder("c")]
    return [*fixed, *made]


def test_every_name_begins_with_the_prefix_and_none_stands_for_two_things() -> None:
    found = names(Keys("mine:"))
    assert all(name.startswith("mine:") for name in found)
    assert len(set(found)) == len(found)


def test_logs_with_different_prefixes_share_no_name() -> None:
    assert not set(names(Keys("one:"))) & set(names(Keys("two:")))


def test_what_belongs_to_one_channel_has_the_channel_as_its_hash_tag() -> None:
    """A Redis Cluster keeps what one script changes in one slot by it."""
    assert {name.split("{")[1].split("}")[0] for name in Keys("p:").channel("room")} == {"room"}

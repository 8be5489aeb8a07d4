"""The scenarios by their letter; each is a function from `Options` to a `Result`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from ..options import Options
from ..result import Result

Scenario = Callable[[Options], Result]

HOMES = {
    "a": "throughput:one_client",
    "b": "throughput:many_clients",
    "c": "latency:paced",
    "d": "latency:beside_flood",
    "e": "load:model_server",
    "f": "holding:idle_subscribers",
    "g": "holding:replay",
    "h": "growth:growth",
    "i": "startup:startup",
    "j": "kept:stores",
    "k": "models:relayed",
    "l": "attacks:attacks",
    "m": "relayed:starts",
    "n": "relayed:tokens",
    "o": "relayed:carried",
    "p": "relayed:giving_way",
    "q": "relayed:idle_runs",
    "r": "dialects:dialects",
    "s": "attacks:filling",
    "t": "peers:beside_peers",
    "u": "held:growth",
}
"""Letter → `module:function` in this folder; a further scenario is one row and one function."""

APART = frozenset("t")
"""Those that need environments of their own, and are measured only where these are named."""


def find(letter: str) -> Scenario:
    module, _, function = HOMES[letter].partition(":")
    scenario: Scenario = getattr(import_module(f".{module}", __package__), function)
    return scenario

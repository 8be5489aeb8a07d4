"""An A2A agent's card: where it is reached and in which binding. Does no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import yarl

from ...errors import AgentError

WHO = "The A2A agent"
CARD_PATH = "/.well-known/agent-card.json"
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - read, not bound
BINDINGS: dict[str, Literal["jsonrpc", "http+json"]] = {"JSONRPC": "jsonrpc", "HTTP+JSON": "http+json"}
"""A binding's name on the wire → as it is configured."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an agent is reached: `streams` says whether it tells its answer piece by piece."""

    url: str
    binding: Literal["jsonrpc", "http+json"]
    streams: bool


def reached_at(named: str, url: str) -> str:
    """Return *named*, a card's address, as it is reached from here, where the agent is reached at *url*.

    Servers often name the address that they listen at, which is every one of their machine: nobody else's.
    """
    try:
        host = yarl.URL(named).host
    except ValueError:
        return named
    own = yarl.URL(url).host
    return str(yarl.URL(named).with_host(own)) if host in _EVERY_ADDRESS and own is not None else named


def card_url(url: str) -> str:
    """Return where the card of the agent at *url* is; *url* may be the card's own."""
    return url if url.endswith(".json") else url.rstrip("/") + CARD_PATH


def endpoint_of(card: Any, wanted: str) -> Endpoint:
    """Choose from a card how its agent is reached.

    Raises:
        AgentError: It speaks another version, or not the binding that is *wanted*.
    """
    offered = card.get("supportedInterfaces") if isinstance(card, dict) else None
    if not isinstance(offered, list):
        if isinstance(card, dict) and "protocolVersion" in card:
            raise AgentError("upstream_rejected", f"{WHO} speaks A2A before 1.0, which is not understood.")
        raise AgentError("upstream_invalid", f"{WHO} has no card that can be read.")
    capabilities = card.get("capabilities")
    streams = isinstance(capabilities, dict) and capabilities.get("streaming") is True
    for each in offered:
        if not isinstance(each, dict) or not isinstance(each.get("url"), str):
            continue
        binding = BINDINGS.get(str(each.get("protocolBinding")).upper())
        current = str(each.get("protocolVersion", "1.0")).partition(".")[0] == "1"
        if binding is not None and current and wanted in ("auto", binding):
            return Endpoint(each["url"].rstrip("/"), binding, streams)
    raise AgentError(
        "upstream_rejected", f"{WHO} offers no A2A 1.0 in the binding that is wanted ({wanted})."
    )

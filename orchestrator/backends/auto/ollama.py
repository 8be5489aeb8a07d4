"""Looks whether an Ollama answers, and which of its models can call tools; bounded in time and bytes.

Uses the standard library's client, which is quick to import and knows no proxy: what is asked runs on this machine,
or where OLLAMA_HOST says.
"""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

DEFAULT_ADDRESS = "http://127.0.0.1:11434"
REPLY_SECONDS = 0.8
"""How long one reply may take to begin; whoever asks bounds the whole."""
MAX_BYTES = 1_000_000
MAX_NAME_CHARS = 200
MOST_ASKED = 8
"""Models that are looked at one by one, the newest first."""


def address_of(host: str) -> str:
    """Return the address that OLLAMA_HOST means, as Ollama's own client reads it: a host, a port or both will do.

    A server listens at 0.0.0.0 and is reached at the loopback. A value that is no address is the default.
    """
    try:
        parts = urlsplit(host if "://" in host else f"http://{host}")
        name = parts.hostname or ""
        port = parts.port or {"https": 443}.get(parts.scheme, 80 if "://" in host else 11434)
    except ValueError:
        return DEFAULT_ADDRESS
    if parts.scheme not in ("http", "https"):
        return DEFAULT_ADDRESS
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)  # noqa: S104 - read, not bound
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}:{port}{parts.path.rstrip('/')}"


class NoModelFits(Exception):
    """An Ollama is there, and none of its models can answer; says what it lacks."""


def find_model(address: str, wanted: str | None = None) -> str | None:
    """Return the model of the Ollama at *address* that is to answer: *wanted*, else its newest that calls tools.

    None if no Ollama answers there. Blocks for a few round trips.

    Raises:
        NoModelFits: It has no such model.
    """
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=REPLY_SECONDS)
    try:
        listed = _fetch(connection, "GET", f"{parts.path}/api/tags")
        names = [name for each in listed["models"] if _is_name(name := each["name"])]
        if listed["models"] and not names:
            return None  # somebody else's list
        if wanted is not None:
            fitting = (name for name in (wanted, f"{wanted}:latest") if name in names)
        else:
            fitting = (name for name in names[:MOST_ASKED] if _calls_tools(connection, parts.path, name))
        if (found := next(fitting, None)) is None:
            lack = "model that calls tools" if wanted is None else f"model {wanted[:MAX_NAME_CHARS]!r}"
            raise NoModelFits(f"has no {lack}")
        return found
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, RecursionError):
        return None  # nobody is there, or somebody else
    finally:
        connection.close()


def _is_name(name: object) -> bool:
    """Return whether a model may be called so: the name stands in a line of output."""
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME_CHARS and name.isprintable()


def _calls_tools(connection: http.client.HTTPConnection, path: str, name: str) -> bool:
    try:
        about = _fetch(connection, "POST", f"{path}/api/show", {"model": name})
    except ValueError:
        return False  # removed meanwhile, say: others may be there
    # Before 0.6.4 an Ollama names no capabilities; its templates speak of tools where a model takes them.
    capabilities = about.get("capabilities")
    return (
        "tools" in capabilities if isinstance(capabilities, list) else ".Tools" in str(about.get("template"))
    )


def _fetch(
    connection: http.client.HTTPConnection, method: str, path: str, body: object = None
) -> dict[str, Any]:
    sent = None if body is None else json.dumps(body).encode()
    connection.request(method, path, sent, {"Content-Type": "application/json"} if sent else {})
    with connection.getresponse() as reply:
        content = reply.read(MAX_BYTES + 1)
        if reply.status != http.client.OK or len(content) > MAX_BYTES:
            raise ValueError("no answer of an Ollama")
    found = json.loads(content)
    if not isinstance(found, dict):
        raise ValueError("no answer of an Ollama")
    return found

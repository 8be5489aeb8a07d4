"""Finds the model that answers for agents with `backend: auto`, once for all of them, and says which it is.

What was set for this program goes before what other programs may have left in the environment, and that before what
happens to run on this machine.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from . import ollama
from .settings import AutoSettings

OFFLINE_VARIABLE = "ORCHESTRATOR_OFFLINE"
"""Set, no model is looked for and none is asked: `--offline`."""

SEARCH_SECONDS = 1.0
"""How long an Ollama may take to say what it has; then there is none. Nobody waits so long if nothing listens."""

OPENAI_MODEL = "gpt-5-mini"
COMPATIBLE_MODEL = "llama3.2"
NO_KEY = "none"
"""Sent to a server that asks for no key: else the one that is meant for OpenAI would be."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model that answers, and how it is reached.

    Args:
        place: Who serves it, in words. reason: Why it was taken.
        keys: The keys of `backend: openai-agents` that reach it.
    """

    name: str
    place: str
    reason: str
    keys: dict[str, Any] = field(repr=False)


class ModelSearch:
    """One look for a model: in *environ*, then at an Ollama. Each `load_config` has its own, and looks once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._in_background: threading.Thread | None = None
        self._at_ollama: FoundModel | None = None
        self._lack = ""

    def begin(self) -> None:
        """Look already, beside what else is to be read; nothing happens the second time."""
        if self._in_background is None and not self.is_off and self._named is None:
            # A name that does not resolve holds its thread for many seconds, and nobody can end it.
            self._in_background = threading.Thread(target=self._ask_ollama, daemon=True)
            _start_without_signals(self._in_background)

    @cached_property
    def found(self) -> FoundModel | None:
        """The model; None if there is none, or none is wanted. Waits for it, `SEARCH_SECONDS` at most."""
        self.begin()
        if self._in_background is not None:
            self._in_background.join(SEARCH_SECONDS)
            return self._at_ollama
        return None if self.is_off else self._named

    @property
    def lack(self) -> str:
        """What an Ollama that is there lacks; empty if there is none, or it can answer. Waits as `found` does."""
        return self._lack if self.found is None else ""

    @property
    def is_off(self) -> bool:
        """Whether no model is wanted."""
        return self._environ.get(OFFLINE_VARIABLE, "").lower() not in (
            "",
            "0",
            "false",
            "f",
            "no",
            "n",
            "off",
        )

    @cached_property
    def _named(self) -> FoundModel | None:
        """The model that variables name."""
        given = {name: value for name, value in self._environ.items() if value}
        if base_url := given.get("OPENAI_COMPATIBLE_BASE_URL"):
            name = given.get("OPENAI_COMPATIBLE_MODEL", COMPATIBLE_MODEL)
            keys = {"base_url": base_url, "api_key": given.get("OPENAI_COMPATIBLE_API_KEY", NO_KEY)}
            return FoundModel(name, shown(base_url), "OPENAI_COMPATIBLE_BASE_URL is set", keys)
        if key := given.get("OPENAI_API_KEY"):
            place = shown(given["OPENAI_BASE_URL"]) if "OPENAI_BASE_URL" in given else "OpenAI"
            name = given.get("OPENAI_MODEL", OPENAI_MODEL)
            return FoundModel(name, place, "OPENAI_API_KEY is set", {"api_key": key})
        return None

    def _ask_ollama(self) -> None:
        address = ollama.DEFAULT_ADDRESS
        if host := self._environ.get("OLLAMA_HOST"):
            address = ollama.address_of(host)
        try:
            name = ollama.find_model(address, self._environ.get("OLLAMA_MODEL") or None)
        except ollama.NoModelFits as exc:
            self._lack = f"the Ollama at {shown(address)} {exc}"
            return
        if name is not None:
            keys = {"base_url": f"{address}/v1", "api_key": NO_KEY}
            self._at_ollama = FoundModel(name, f"Ollama at {shown(address)}", "it runs here", keys)


def _start_without_signals(thread: threading.Thread) -> None:
    """Start *thread* such that no signal is delivered to it.

    The parent of several workers blocks its signals and waits for them: another thread would take them away, and a
    worker's death go unnoticed, or the service end at once.
    """
    if not hasattr(signal, "pthread_sigmask"):
        thread.start()
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def environ_for(environ: Mapping[str, str], *, offline: bool) -> Mapping[str, str]:
    """Return *environ*, such that no model is looked for if *offline*."""
    return {**environ, OFFLINE_VARIABLE: "1"} if offline else environ


def settle(settings: AutoSettings, models: ModelSearch) -> dict[str, Any]:
    """Return the keys of the agent that *settings* come down to: with a model, if *models* found one."""
    given = settings.model_dump(exclude_unset=True, exclude={"backend", "tokens_per_s", "seed"})
    found = models.found
    if found is None:
        pace = {"tokens_per_s": settings.tokens_per_s, "seed": settings.seed}
        return {**given, **pace, "backend": "offline"}
    return {**given, **found.keys, "model": found.name, "backend": "openai-agents"}


def shown(address: str) -> str:
    """Return *address* as a line of output may have it: without a password or a query that it holds."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "?", parts.port
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"

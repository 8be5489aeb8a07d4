"""What each kind of agent costs before it says a word: `python -m tests.bench.backends [KIND …]`.

Prints a row for each kind: the packages and MiB that its libraries add to an installation without any agent, the CPU
seconds that their import takes in a new process in which the server is loaded already, and the time from a question to
the first thing that is said of the answer (the least of several, its connections being open) with the offline model
or server of the contract's tests. The first two hardly depend on what else the machine does, the third one does.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import re
import subprocess
import sys
import time
from contextlib import aclosing
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from orchestrator.backends.base import AgentInput, Backend
from orchestrator.backends.registry import KINDS, create_backend
from orchestrator.events import Reasoning, Token
from tests.contract.test_backend import CASES

ASKED, TRIES = 20, 2
NEEDS: dict[str, tuple[str, ...]] = {
    "openai-agents": ("openai-agents", "openai"),
    "offline": ("openai-agents", "openai"),
    "auto": ("openai-agents", "openai"),
    "letta": ("letta-client",),
    "langgraph": ("langgraph",),
    "pydantic-ai": ("pydantic-ai-slim",),
}
"""Libraries of a kind; those of the others are the service's own."""
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LOAD = """
import sys, time
import orchestrator.server.app
from orchestrator.references import load_attribute
from orchestrator.backends.registry import KINDS
import importlib
began = time.process_time()
load_attribute(KINDS[sys.argv[1]].backend)
for name in sys.argv[2:]:
    importlib.import_module(name)
print(time.process_time() - began)
"""
IMPORTED: dict[str, tuple[str, ...]] = {
    "langgraph": ("langgraph.types", "langgraph.errors", "langchain_core.messages"),
    "pydantic-ai": ("pydantic_ai",),
}
"""What a kind imports only when an agent of it is made."""


def closure(names: tuple[str, ...]) -> dict[str, Distribution]:
    """Return the installed distributions that *names* need, with themselves, by their normal names."""
    found: dict[str, Distribution] = {}
    left = list(names)
    while left:
        name = left.pop().lower().replace("_", "-").replace(".", "-")
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform
        for line in found[name].requires or ():
            if "extra ==" not in line and (match := _NAME.match(line)):
                left.append(match[0])
    return found


def size(parts: dict[str, Distribution]) -> float:
    """Return the MiB of what *parts* install, without what Python compiles."""
    files = (each for part in parts.values() for each in part.files or () if each.suffix != ".pyc")
    return sum(path.stat().st_size for each in files if (path := each.locate()).is_file()) / 2**20  # type: ignore[union-attr]


def import_seconds(kind: str) -> float:
    """Return the CPU seconds of the import, the least of some."""
    backend = kind if KINDS[kind].backend else "openai-agents"
    command = [sys.executable, "-c", _LOAD, backend, *IMPORTED.get(kind, ())]
    runs = [
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=120) for _ in range(TRIES)
    ]
    return min(float(each.stdout) for each in runs)


async def first_words_ms(kind: str) -> float:
    """Return the least of the times from a question to the first word, or thought, of the answer."""
    async with CASES[kind]() as settings:
        backend = await asyncio.to_thread(create_backend, settings, {settings.agent_id: settings})
        try:
            took = [await _first_word(backend, number) for number in range(ASKED + 1)]
        finally:
            await backend.aclose()
    return min(took[1:]) * 1000


async def _first_word(backend: Backend, number: int) -> float:
    began = time.perf_counter()
    async with aclosing(backend.stream(AgentInput("one two", run_id=f"run_{number}"))) as stream:
        async for emission in stream:
            if isinstance(emission, str | Token | Reasoning):
                return time.perf_counter() - began
    raise AssertionError(f"{backend} said nothing")


def main() -> None:
    """Print the table."""
    logging.disable()
    libraries = {name for names in NEEDS.values() for name in names}
    required = [
        match[0]
        for line in distribution("fanin-orchestrator").requires or ()
        if "extra ==" not in line and (match := _NAME.match(line))
    ]
    bare = closure(tuple(name for name in required if name not in libraries))
    whole = closure(tuple(required))
    print("| kind | packages | MiB | import, CPU s | first word, ms |\n| --- | --- | --- | --- | --- |")
    print(f"| the service without any | {len(bare)} | {size(bare):.0f} | | |")
    for kind in sys.argv[1:] or sorted(KINDS):
        needs = NEEDS.get(kind, ())
        there = (
            bare if set(needs) <= set(required) else whole
        )  # an extra comes on top of what is there anyway
        added = {name: part for name, part in closure(needs).items() if name not in there}
        with contextlib.redirect_stdout(io.StringIO()):
            first = asyncio.run(first_words_ms(kind))
        print(
            f"| `{kind}` | {len(added)} | {size(added):.0f} | {import_seconds(kind):.2f} | {first:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

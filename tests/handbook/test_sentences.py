"""The commands that stand within sentences of the handbook and the README: each works as it is written.

Those in blocks of their own are `test_examples`'s. Words in capitals (`RUN_ID`) stand for a value, and are filled in.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.client.sync import SyncClient
from tests.support.commands import ROOT, environment
from tests.support.patience import PATIENCE_SECONDS
from tests.support.served import orchestrator
from tests.support.zygote import command

from .layout import agents_that_ship
from .pages import NAMES, code_in, text_of

ADDRESS = "http://127.0.0.1:8080"
NAMED_ALONE = {
    "orchestrator backup", "orchestrator run", "orchestrator run --agent", "orchestrator serve",
}  # fmt: skip
"""A sentence about a command names it without all that it needs."""
SAYS = {
    "--version": "orchestrator ", "backup": ".db: ", "cancel": "", "check": "analyst", "compare": "report.html",
    "conformance": "23 of 23 clauses hold.", "panel": "panel vote over", "run": "completed",
    "schema": "json-schema.org", "tail": "completed",
}  # fmt: skip
"""What stands in the output of a command that worked."""
_COMMAND = re.compile(r"(python -m orchestrator(\.conformance)?|orchestrator) .+")
FOUND = sorted(
    {
        code
        for page in (*NAMES, "the README")
        for code in code_in(text_of(page))
        if _COMMAND.fullmatch(code) and code not in NAMED_ALONE
    }
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = agents_that_ship(tmp_path_factory.mktemp("place"))
    (folder / "questions.jsonl").write_text('"What is 6 * 7?"\n')
    (folder / "store").mkdir()
    (folder / "backups").mkdir()
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[str]:
    with orchestrator("--config", str(place / "agents_config"), "--log", log_of(place)) as address:
        yield address


def log_of(place: Path) -> str:
    return f"sqlite:///{place / 'store' / 'runs.db'}"


def filled_in(code: str, place: Path, server: str) -> list[str]:
    """Return the words of a command with a value in place of each word in capitals, and of each place of its own."""
    with SyncClient(server) as client:
        run = client.start("What is 6 * 7?", agents=["analyst", "optimist"])
        run.result()
    values = {
        "RUN_ID": run.id,
        "[AGENT_ID]": "analyst",
        "PANEL": "vote",
        "QUESTIONS": str(place / "questions.jsonl"),
        "FILE": str(place / "backups" / "other.db"),
        "URL": server,
        "a,b": "analyst,optimist",
        "/backups/runs.db": str(place / "backups" / "runs.db"),
        "sqlite:////var/lib/orchestrator/runs.db": log_of(place),
        ADDRESS: server,
    }
    return [values.get(word, word) for word in shlex.split(code)]


@pytest.fixture(scope="module")
def begun(place: Path, server: str) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Begin all of them at once: the kit waits for a quarter of a minute of silence, each time that it is named."""
    with ExitStack() as stack:
        yield {code: stack.enter_context(begin(code, place, server)) for code in FOUND}


def begin(code: str, place: Path, server: str) -> subprocess.Popen[str]:
    words = filled_in(code, place, server)
    if words[0] == "python":
        program = [sys.executable, *words[1:]]
    else:
        at = ["--server", server] if words[1] in ("tail", "cancel", "panel") else []
        program = command(*words[1:], *at)
    env = environment(ORCHESTRATOR_OFFLINE="1", ORCHESTRATOR_LOG=log_of(place), PYTHONPATH=str(ROOT))
    pipe = subprocess.PIPE
    return subprocess.Popen(program, cwd=place, env=env, stdout=pipe, stderr=pipe, text=True)


def test_commands_within_sentences_are_found() -> None:
    named = {name for name in SAYS if any(name in code for code in FOUND)}
    assert named == set(SAYS)
    assert {code for page in NAMES for code in code_in(text_of(page))} >= NAMED_ALONE


@pytest.mark.parametrize("code", FOUND)
def test_a_command_within_a_sentence_works(code: str, begun: dict[str, subprocess.Popen[str]]) -> None:
    out, err = begun[code].communicate(timeout=PATIENCE_SECONDS)
    assert begun[code].returncode == 0, err + out
    said = next(
        said for name, said in SAYS.items() if re.match(rf"(python -m )?orchestrator[ .]{name}", code)
    )
    assert said in out

"""Each provider of the handbook: its stream is read as what it is, and what the table says to write is taken."""

from __future__ import annotations

import re

import pytest

from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from tests.support.commands import ROOT

from .replays.play import play
from .replays.providers import REPLAYS
from .replays.wire import Replay


def table() -> dict[str, list[str]]:
    """Return the table's rows by the provider's name, each as what stands in backquotes in its cells."""
    page = (ROOT / "orchestrator/handbook/configuration.md").read_text("utf-8")
    section = page.partition("#### Providers\n")[2].partition("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return {line.split("|")[1].strip(): re.findall("`([^`]+)`", line) for line in lines if "---" not in line}


@pytest.mark.parametrize("replay", REPLAYS, ids=str)
async def test_its_stream_is_read_as_what_it_is(replay: Replay) -> None:
    await play(replay)


def test_the_handbook_says_which_streams_were_recorded() -> None:
    """A stream that was written after a document proves less than one that a provider sent."""
    page = (ROOT / "orchestrator/handbook/configuration.md").read_text("utf-8")
    recorded = [replay.name for replay in REPLAYS if replay.origin == "recorded"]
    assert recorded == []
    assert "each written after the provider's documentation, none recorded" in page


def test_every_row_has_a_stream() -> None:
    rows, replayed = table(), [replay.name for replay in REPLAYS]
    assert len(rows) >= 20
    assert [name for name in rows if not any(each.startswith(name) for each in replayed)] == []


@pytest.mark.parametrize("name", table())
def test_what_is_to_be_written_is_taken(name: str) -> None:
    """As it stands in the row: `key: value`, each key of an agent's file."""
    keys = dict(each.split(": ", 1) for each in table()[name] if re.match(r"(base_url|model|api): ", each))
    assert "model" in keys
    settings = OpenAIAgentsSettings.model_validate(
        {"agent_id": "a", "api_key": "k", **keys}, context={"file": None}
    )
    api = "responses" if "base_url" not in keys else "chat_completions"
    assert settings.api == keys.get("api", api)
    assert settings.base_url is None or not settings.base_url.endswith("/chat/completions")

"""The bench runs: every server answers every scenario it is asked, and the report has its shape. Never how fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.framing.base import DIALECTS
from tests.bench.chunked import Chunked
from tests.bench.contenders import NEEDS, missing, read, running
from tests.bench.options import Options
from tests.bench.plot import Line, draw
from tests.bench.result import Promise
from tests.bench.scenarios import HOMES, dialects, find
from tests.bench.scenarios.load import model_upstream
from tests.bench.servers.ours import OWN_KINDS
from tests.bench.sources import KINDS, Plan
from tests.support.commands import ROOT, environment
from tests.support.patience import PATIENCE_SECONDS


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.bench", *options],
        capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=10 * PATIENCE_SECONDS, check=False,
    )  # fmt: skip


def require_rivals() -> None:
    """Skip the test where a rival's packages are missing, or fail it where `CI` is set."""
    absent = missing(list(NEEDS))
    if absent is not None and os.environ.get("CI", "").lower() in ("", "0", "false"):
        pytest.skip(absent)
    assert absent is None, absent


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def test_quick_bench_measures_us_and_the_rivals_in_turns(tmp_path: Path) -> None:
    """Each run checks that all tokens came; here that each server took its turn in each round."""
    require_rivals()
    done = bench("--quick", "--only", "a", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    scenarios = report(tmp_path)["scenarios"]
    assert set(scenarios) == {"a"}
    for scenario in scenarios.values():
        assert set(scenario["rows"]) == {"ours", "tutorial", "stock", "sse", "limit"}
        assert {len(rounds) for rounds in scenario["rows"].values()} == {2}
    written = (tmp_path / "results.md").read_text()
    assert all(scenario["title"] in written for scenario in scenarios.values())
    assert "| a | tokens/s, ours : tutorial | ≥ 8 |" in written
    assert written in done.stdout


def test_growth_is_measured_and_drawn(tmp_path: Path) -> None:
    require_rivals()
    done = bench("--quick", "--only", "h", "--rounds", "1", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = report(tmp_path)["scenarios"]["h"]["rows"]
    assert all(sample["cpu_us"] > 0 for rounds in rows.values() for sample in rounds)
    assert (tmp_path / "growth.svg").read_text().count("<polyline") == 5


@pytest.mark.parametrize("name", ["hand", "bare"])
def test_rival_without_sdk_relays_all_that_the_model_server_says(name: str) -> None:
    """A rival that loses tokens would look cheap."""
    with model_upstream() as url, running(name, "--upstream", url) as rival:
        for pace in ("full", "500"):
            plan = Plan("sdk", 3, 40, model=f"bench-40@{pace}")
            found = read(rival, [rival.stream_request(plan)] * 2, mode="stamps")
            assert found["marks"] == 2 * 3 * 40
            assert len(found["firsts"]) == 2
            assert min(found["firsts"]) > 0


def test_each_dialect_is_measured_beside_the_own_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = {row.name for row in DIALECTS.values() if row.carrier == "stream" and row.says_pieces}
    assert set(dialects.SPEAKERS) == spoken
    monkeypatch.setattr(dialects, "SPEAKERS", ("event", "a2a"))
    monkeypatch.setattr(dialects, "PLANS", {"turns": dialects.PLANS["turns in bursts"]})
    found = find("r")(Options(rounds=1, quick=True, uvloop=False))
    assert all(sample["native_us"] > 0 for rounds in found.rows.values() for sample in rounds)
    wanted = {promise.text: promise.at_most for promise in found.promises}
    assert wanted == {
        "CPU an event, event, turns : own stream": None,
        "CPU an event, a2a, turns : own stream": 1.5,
    }


def test_agents_that_call_and_think_are_asked_for_by_plans_of_their_own() -> None:
    assert {full.kind for full, _ in dialects.PLANS.values()} <= set(KINDS) | set(OWN_KINDS)


def test_unknown_scenario_is_named() -> None:
    done = bench("--only", "a,z")
    assert done.returncode == 2
    assert "z" in done.stderr


def test_peers_are_measured_only_where_they_are_installed() -> None:
    """They need environments of their own; that none is there must be said, and must not end the whole bench."""
    assert bench("--only", "t").returncode == 2
    with pytest.raises(ValueError, match="--peers DIR"):
        find("t")(Options(rounds=1, quick=True))


@pytest.mark.parametrize("letter", HOMES)
def test_every_letter_has_its_scenario(letter: str) -> None:
    assert callable(find(letter))


@pytest.mark.parametrize("cut", range(1, 12))
def test_chunks_are_taken_out_wherever_the_body_is_cut(cut: int) -> None:
    """A stamp that a chunk's header cuts would count as a token that came years late."""
    body = b"5\r\nhello\r\nb; x=y\r\n 1234567890\r\n0\r\n\r\n"
    chunked = Chunked()
    parts = [chunked.feed(body[at : at + cut]) for at in range(0, len(body), cut)]
    assert b"".join(parts) == b"hello 1234567890"


def test_promise_is_kept_by_its_median() -> None:
    assert Promise("x", (1.0, 9.0, 10.0), at_least=8).kept
    assert not Promise("x", (1.0, 7.0, 10.0), at_least=8).kept
    assert Promise("x", (1.0, 1.4, 9.0), at_most=1.5).kept
    assert not Promise("x", (1.0, 1.6, 1.7), at_most=1.5).kept


def test_picture_has_a_point_for_each_size_within_its_frame() -> None:
    picture = draw([Line("agents", (1, 8, 256), (3.0, 2.0, 2.5))], x="how many", y="µs")
    heights = [float(part.split('"')[0]) for part in picture.split('cy="')[1:]]
    assert len(heights) == 3
    assert heights[0] < heights[2] < heights[1]
    assert all(34 <= height <= 194 for height in heights)

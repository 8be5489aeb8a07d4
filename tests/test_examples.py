"""The examples, run as their first lines say."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from orchestrator.client import Client
from tests.support.commands import ROOT, environment, finish
from tests.support.parts import require
from tests.support.patience import PATIENCE_SECONDS
from tests.support.served import orchestrator, paced_agents, serving
from tests.support.upstream import Call, Received, Stall, Turn, Upstream, failed
from tests.support.zygote import command

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service with the agents that ship; the skeptic is slow, so that it can be stopped in the middle."""
    folder = paced_agents(tmp_path_factory.mktemp("agents"), analyst=8, optimist=8, skeptic=5)
    with orchestrator("--config", str(folder)) as address:
        yield address


@asynccontextmanager
async def example(*command: str, cwd: Path = ROOT, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program; what a test leaves of it is ended."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environment(**env), stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def example_ended(*command: str, cwd: Path = ROOT, **env: str) -> tuple[int | None, str, str]:
    async with example(*command, cwd=cwd, **env) as process:
        return await finish(process)


def frames(text: str) -> list[dict[str, str]]:
    """Return the whole events of a stream as a client without a parser sees them: fields by name."""
    whole = text[: text.rfind("\n\n") + 1].split("\n\n")
    read = [
        dict(line.split(": ", 1) for line in block.splitlines() if line[:1] not in ("", ":"))
        for block in whole
    ]
    return [frame for frame in read if "id" in frame]


# ── every file says how it is run ─────────────────────────────────────────────────────────────

PROGRAMS = (
    "curl/ask.sh", "eventsource/serve.py", "progress/long_tasks.py", "sdk_agents/support.py",
    "websocket_chat/chat.py", "python_client/ask.py", "judge/compare.py", "embed/app.py", "nginx/nginx.conf",
    "ag_ui/ask.mjs",
)  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_example_says_in_its_first_lines_how_it_is_run_and_so_does_the_table(program: str) -> None:
    head = (EXAMPLES / program).read_text().splitlines()[:4]
    command = next(line.split("Run: ", 1)[1] for line in head if "Run: " in line)
    command = command.split(" [")[0]  # what may be left away
    rows = [row for row in (EXAMPLES / "README.md").read_text().splitlines() if row.startswith("| [")]
    assert any(f"`{command}`" in row for row in rows)


def test_the_table_names_every_example() -> None:
    table = (EXAMPLES / "README.md").read_text()
    found = {path.name for path in EXAMPLES.iterdir() if path.is_dir() and any(path.glob("[!_.]*"))}
    assert found >= {program.split("/")[0] for program in PROGRAMS}
    assert not [name for name in found if f"]({name}/" not in table]


def test_no_page_of_an_example_lets_the_browser_look_for_an_icon() -> None:
    """Which is a 404 in its console."""
    pages = list(EXAMPLES.glob("*/*.html"))
    assert len(pages) >= 3
    assert [page for page in pages if 'rel="icon"' not in page.read_text()] == []


def test_no_example_with_agents_of_its_own_asks_another_server() -> None:
    """Whoever has ORCHESTRATOR_SERVER set would ask that server's agents, which are others or none."""
    text = "\n".join(path.read_text() for path in EXAMPLES.rglob("*") if path.suffix in (".md", ".py", ".sh"))
    asked = re.findall(r"orchestrator run .*", text)
    assert len(asked) >= 8
    assert [command for command in asked if "--config " not in command] == []


# ── curl ──────────────────────────────────────────────────────────────────────────────────────


def test_curl_resumes_without_a_hole_after_one_agent_was_cancelled(server: str) -> None:
    """The two connections of the script together hold each event once."""
    require("curl")
    ran = subprocess.run(
        ["sh", str(EXAMPLES / "curl" / "ask.sh"), 'Is "4*38" more than 150?\nReally?'],
        capture_output=True, text=True, env=environment(ORCHESTRATOR_SERVER=server), check=False,
        timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    before, after = ("retry: " + part for part in ran.stdout.split("retry: ")[1:])
    first, second = frames(before), frames(after)
    assert first, "of what comes in 1.5 s"
    assert len(second) > 10
    numbers = [int(frame["id"].rpartition("-")[2]) for frame in first + second]
    assert numbers == list(range(1, len(numbers) + 1))
    names = [frame["event"] for frame in first + second]
    assert {"analyst.done", "optimist.done", "skeptic.cancelled"} < set(names)
    assert "skeptic.cancelled" not in names[: len(first)]
    assert names[-1] == "run.done"
    assert json.loads(second[-1]["data"])["status"] == "partial"
    assert ran.stderr.splitlines()[-1] == "204"


def test_curl_says_that_there_is_no_server() -> None:
    require("curl")
    ran = subprocess.run(
        ["sh", str(EXAMPLES / "curl" / "ask.sh")],
        capture_output=True, text=True, env=environment(ORCHESTRATOR_SERVER="http://127.0.0.1:9"),
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "No run was started at http://127.0.0.1:9." in ran.stderr


# ── agents of one's own ───────────────────────────────────────────────────────────────────────


async def run_json(folder: str, question: str, **env: str) -> tuple[int | None, list[dict[str, Any]]]:
    """Run `orchestrator run` in an example's own folder; return its exit code and events."""
    asked = command("run", "--json", question)
    code, out, err = await example_ended(*asked, cwd=EXAMPLES / folder, **env)
    assert out, err
    return code, [json.loads(line) for line in out.splitlines()]


def of(events: list[dict[str, Any]], agent_id: str, kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event.get("agent_id") == agent_id and event["type"] == kind]


async def test_own_generators_report_their_progress() -> None:
    code, events = await run_json("progress", "Count the primes below 300000, then count down from 2")
    assert code == 0
    steps = [(event["step"], event["steps"]) for event in of(events, "primes", "progress")]
    assert steps == [(step, 10) for step in range(11)]
    assert {event.get("progress_id") for event in of(events, "primes", "progress")} == {None}, "it is one bar"
    assert of(events, "primes", "done")[0]["text"] == "There are 25997 primes below 300000."
    left = [(event["step"], event["steps"]) for event in of(events, "countdown", "progress")]
    assert left == [(0, 2), (1, 2)]
    done = of(events, "countdown", "done")[0]
    assert done["text"] == "2 … 1 … lift-off!"
    assert done["t"] >= 2000
    # The long task did not hold the countdown up: their events are mixed.
    assert events.index(of(events, "countdown", "token")[0]) < events.index(of(events, "primes", "done")[0])


async def test_an_own_generator_says_why_it_cannot_answer() -> None:
    """The words of an AgentError reach the client, and the sibling goes on."""
    code, events = await run_json("progress", "Count the primes below 99999999, then count down from 1")
    assert code == 3
    error = of(events, "primes", "error")[0]
    assert error["code"] == "upstream_rejected"
    assert error["message"] == "99999999 is too much for me; the most is 20000000."
    assert of(events, "countdown", "done")[0]["text"] == "1 … lift-off!"


@asynccontextmanager
async def support_models() -> AsyncIterator[Upstream]:
    """A server whose models use the example's tools, hand off, and say what they were told."""
    async with Upstream(api_key="k") as upstream:
        order = '{"order": "1001"}'
        upstream.script("small", [
            [Call("look_up_order", order)],
            [Call("transfer_to_billing", "{}")],
            [Call("refund", order)],
            ["Order 1001 ", "is refunded."],
        ], pick="depth")  # fmt: skip
        upstream.script("large", [
            [Call("look_up_order", order)],
            [Call("days_since", '{"day": "2020-01-31"}')],
            [Call("transfer_to_clerk", "{}")],
        ], pick="depth")  # fmt: skip
        yield upstream


async def test_sdk_agents_use_their_tools_and_hand_off() -> None:
    async with support_models() as upstream:
        code, events = await run_json(
            "sdk_agents", "Where is order 1001? Refund it if it is late.",
            OPENAI_COMPATIBLE_BASE_URL=upstream.url, OPENAI_COMPATIBLE_API_KEY="k",
            SMALL_MODEL="small", LARGE_MODEL="large", OPENAI_API_KEY="",
        )  # fmt: skip
        assert code == 0, events[-1]
    assert [agent["agent_id"] for agent in events[0]["agents"]] == ["desk", "planner"]
    calls = [event["name"] for event in of(events, "desk", "tool_call")]
    assert [name for name in calls if not name.startswith("transfer_")] == ["look_up_order", "refund"]
    outputs = [event["output"] for event in of(events, "desk", "tool_result")]
    assert any(output.startswith("Order 1001 was sent on ") for output in outputs)
    assert "Order 1001 is refunded." in outputs
    assert of(events, "desk", "handoff")[0]["to"] == "billing"
    assert {event["speaker"] for event in of(events, "desk", "token")} == {"billing"}
    assert of(events, "desk", "done")[0]["text"] == "Order 1001 is refunded."
    days = [event["output"] for event in of(events, "planner", "tool_result")][1]
    assert int(days) == (date.today() - date(2020, 1, 31)).days
    assert of(events, "planner", "handoff")[0]["to"] == "clerk"
    assert {event["speaker"] for event in of(events, "planner", "token")} == {"clerk"}


async def test_sdk_agents_say_that_a_key_is_missing() -> None:
    asked = command("check")
    env = {"OPENAI_API_KEY": "", "OPENAI_COMPATIBLE_BASE_URL": ""}
    code, _, err = await example_ended(*asked, cwd=EXAMPLES / "sdk_agents", **env)
    assert code == 1
    assert "needs a key: set `api_key`, or OPENAI_API_KEY" in err


# ── panels ────────────────────────────────────────────────────────────────────────────────────

MODELS = {"OPENAI_COMPATIBLE_API_KEY": "k", "OPENAI_API_KEY": ""}


async def run_panel(
    folder: str, panel: str, question: str = "Tea?", **env: str
) -> tuple[int | None, list[dict[str, Any]]]:
    """Run `orchestrator run --panel` in an example's own folder; return its exit code and events."""
    asked = command("run", "--json", question, "--panel", panel)
    code, out, err = await example_ended(*asked, cwd=EXAMPLES / folder, **env)
    assert out, err
    return code, [json.loads(line) for line in out.splitlines()]


def result_of(events: list[dict[str, Any]]) -> dict[str, Any]:
    return [event for event in events if event["event"] == "panel.result"][-1]


def prompt_of(received: Received) -> str:
    """Return all that a model was told, as it stands in the request."""
    return "\n".join(str(message["content"]) for message in received.body["messages"])


@pytest.mark.parametrize("fails", [False, True])
async def test_a_council_hears_its_members_and_the_chairman_sums_up(fails: bool) -> None:
    async with Upstream(api_key="k") as upstream:
        upstream.script("member", [["I say ", "so."]])
        upstream.script("chair", [["All in ", "all: so."]], fault=failed(401) if fails else None)
        env = {"OPENAI_COMPATIBLE_BASE_URL": upstream.url, "SMALL_MODEL": "member", "LARGE_MODEL": "chair"}
        code, events = await run_panel("council", "council", **MODELS, **env)
        spoken_to = [received.model for received in upstream.requests]
        last = prompt_of(upstream.requests[-1])
    result = result_of(events)
    assert spoken_to[:4] == ["member", "member", "member", "chair"]
    assert "Tea?" in last
    assert last.count("I say so.") == 3
    (start,) = [event for event in of(events, result["by"], "started") if event["stage"] == "final"][-1:]
    assert {one["agent"] for one in start["inputs"]} == {"engineer", "economist", "resident"}
    if fails:
        # The economist spoke twice: its own answer stays, and the panel's is its second.
        assert (code, result["by"], result["status"]) == (3, "economist", "decided")
        assert of(events, "economist", "done")[-1]["stage"] == "final"
    else:
        assert (code, result["by"], result["status"]) == (0, "chairman", "decided")
        assert of(events, "chairman", "done")[0]["text"] == "All in all: so."


VERDICTS: list[Turn] = [
    ["Winner: A"], ["Winner: B"],  # the first model, wherever it stands
    ["Winner: A"], ["Winner: A"],  # whoever stands first
    ["Winner: B"], ["Winner: A"],  # the second model
    ["I cannot ", "say."], ["Nor now."],
]  # fmt: skip


@pytest.mark.parametrize("form", ["txt", "jsonl"])
async def test_two_models_are_compared_in_both_orders(tmp_path: Path, form: str) -> None:
    questions = ["One?", "Two?", "Three?", "Four?"]
    text = "# four\n\n" + "\n".join(questions)
    lines = "\n".join(json.dumps({"question": question}) for question in questions)
    (tmp_path / f"questions.{form}").write_text(lines if form == "jsonl" else text)
    async with Upstream(api_key="k") as upstream:
        upstream.script("left", [["An answer."]])
        upstream.script("right", [["Another answer."]])
        upstream.script("referee", VERDICTS)
        env = {
            "MODEL_A": "left",
            "MODEL_B": "right",
            "JUDGE_MODEL": "referee",
            "OPENAI_COMPATIBLE_BASE_URL": upstream.url,
        }
        with ExitStack() as stack:
            served = orchestrator("--config", str(EXAMPLES / "judge" / "agents_config"), **MODELS, **env)
            address = await asyncio.to_thread(stack.enter_context, served)
            program = (
                sys.executable,
                str(EXAMPLES / "judge" / "compare.py"),
                str(tmp_path / f"questions.{form}"),
            )
            code, out, err = await example_ended(*program, "--at-once", "1", ORCHESTRATOR_SERVER=address)
            await asyncio.to_thread(stack.close)
        asked = [prompt_of(received) for received in upstream.requests if received.model == "referee"]
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "  1  model-a       One?",
        "  2  tie           Two?",
        "  3  model-b       Three?",
        "  4  undecided     Four?",
        "",
        "model    wins  ties  losses  chosen",
        "model-a     1     1       1  3 of 6",
        "model-b     1     1       1  3 of 6",
        "4 questions, each in both orders; 1 without a verdict",
    ]
    first, second = asked[:2]
    assert first.index("An answer.") < first.index("Another answer.")
    assert second.index("An answer.") > second.index("Another answer.")


async def test_a_comparison_without_a_server_says_so() -> None:
    program = (
        sys.executable,
        str(EXAMPLES / "judge" / "compare.py"),
        str(EXAMPLES / "judge" / "questions.txt"),
    )
    code, _, err = await example_ended(*program, ORCHESTRATOR_SERVER="http://127.0.0.1:9")
    assert code == 1
    assert "http://127.0.0.1:9 does not answer" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("first", ["stalls", "breaks off", "fails"])
async def test_the_provider_that_answers_validly_wins_the_race(first: str) -> None:
    async with Upstream(api_key="k") as slow, Upstream(api_key="k") as quick:
        turn: Turn = ["Two threads ", Stall()] if first == "stalls" else ["Two threads meet, and"]
        slow.script("a", [turn], fault=failed(500) if first == "fails" else None)
        quick.script("b", [["Two threads ", "run for one thing."]], tokens_per_s=10)
        code, events = await run_panel(
            "race", "fastest",
            FIRST_BASE_URL=slow.url, FIRST_API_KEY="k", FIRST_MODEL="a",
            SECOND_BASE_URL=quick.url, SECOND_API_KEY="k", SECOND_MODEL="b",
        )  # fmt: skip
        await slow.wait_all_closed()
        assert len(slow.requests) == 1
    assert (result_of(events)["status"], result_of(events)["winner"]) == ("decided", "second")
    assert of(events, "second", "done")[0]["text"] == "Two threads run for one thing."
    ended = {"stalls": "cancelled", "breaks off": "done", "fails": "error"}[first]
    (loser,) = of(events, "first", ended)
    assert code == (0 if first == "breaks off" else 3)
    if first == "stalls":
        assert loser["reason"] == "lost_race"


# ── clients ───────────────────────────────────────────────────────────────────────────────────


async def tell(process: asyncio.subprocess.Process, line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())
    await process.stdin.drain()


async def end(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    """Close the program's keyboard and wait for its end."""
    assert process.stdin is not None
    process.stdin.close()
    return await finish(process)


async def lines_until(process: asyncio.subprocess.Process, part: str) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not lines or part not in lines[-1]:
            line = await process.stdout.readline()
            assert line, f"the output ended before {part!r}: {lines}"
            lines.append(line.decode().rstrip())
    return lines


def chat_with(server: str) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    return example(sys.executable, str(EXAMPLES / "websocket_chat" / "chat.py"), "--server", server)


async def test_the_chat_stops_one_agent_in_the_middle_and_asks_on(server: str) -> None:
    async with chat_with(server) as process:
        await tell(process, "What is 6*7, and what time is it?")
        shown = await lines_until(process, "skeptic │")
        await tell(process, "/stop skeptic")
        shown += await lines_until(process, "── ")
        assert shown[-1] == "── partial"
        assert "   skeptic ■ cancelled" in shown
        first_end = next(number for number, line in enumerate(shown) if "■" in line)
        assert {line.split()[0] for line in shown[:first_end]} == {"analyst", "optimist", "skeptic"}

        # Only who remembers the first answer can tell what is to be doubled.
        await tell(process, "and times 2?")
        shown = await lines_until(process, "■ done")
        await tell(process, "/stop")
        code, out, err = await end(process)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("── ")
    assert "84" in "".join([*shown, out])

    async with Client(server) as client:
        second, first = await client.runs(limit=2)
    assert first["conversation_id"] == second["conversation_id"] is not None
    assert first["agents"]["skeptic"]["status"] == "cancelled"


async def test_the_chat_shows_a_refusal_and_goes_on(server: str) -> None:
    async with chat_with(server) as process:
        await tell(process, "x" * 100_001)
        await lines_until(process, "! ")
        await tell(process, "What is 6*7?")
        await lines_until(process, "│")
        await tell(process, "/stop")
        code, out, err = await end(process)
    assert (code, err) == (0, "")
    assert "── " in out


async def test_the_chat_ends_when_the_server_goes() -> None:
    with ExitStack() as stack:
        address = stack.enter_context(orchestrator(cwd=EXAMPLES / "progress"))
        async with chat_with(address) as process:
            await tell(process, "Count down from 60")
            await lines_until(process, "│")
            await asyncio.to_thread(stack.close)
            # Its keyboard is still open: it ends by itself.
            code, _, err = await finish(process)
    assert (code, err) == (1, "The server has gone.\n")


async def test_the_python_client_stops_the_slower_of_two(server: str) -> None:
    program = (sys.executable, str(EXAMPLES / "python_client" / "ask.py"))
    code, out, err = await example_ended(*program, ORCHESTRATOR_SERVER=server)
    assert (code, err) == (0, "")
    assert re.search(r"ms +optimist  is done", out)
    assert not re.search(r"ms +skeptic  is done", out)
    whole, broken = out.split("\noptimist (done)\n")[1].split("\nskeptic (cancelled)\n")
    assert whole.strip()
    assert broken.strip()
    async with Client(server) as client:
        run = await client.snapshot((await client.runs(limit=1))[0]["run_id"])
    assert run["agents"]["optimist"]["text"].strip() == whole.strip()
    assert run["agents"]["skeptic"]["text"].strip() == broken.strip()


# ── embedding ─────────────────────────────────────────────────────────────────────────────────


async def test_agents_made_in_python_answer_in_an_application_of_ones_own() -> None:
    with serving([sys.executable, str(EXAMPLES / "embed" / "app.py"), "--port", "0"]) as address:
        async with Client(address) as client:
            agents = await client.agents()
            assert [agent["agent_id"] for agent in agents] == ["echo", "counter"]
            first = await (await client.start("two words", conversation_id="c")).result()
            second = await (await client.start("three more words", conversation_id="c")).result()
        async with aiohttp.request("GET", f"{address}/hello") as page:
            assert await page.text() == "A page of the application's own.\n"
    assert {name: agent.text for name, agent in first.agents.items()} == {
        "echo": "two words ",
        "counter": "8 letters",
    }
    assert second.agents["counter"].text == "14 letters"

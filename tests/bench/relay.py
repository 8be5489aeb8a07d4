"""CPU time per token of the fast models beside a bare Runner loop on the stock ones, in one run.

Each path asks the same upstream, a process of its own, for the same words through the unmodified Runner
and counts them; `whole` is this service end to end: upstream HTTP, openai-agents agents, log, one SSE client
(curl, a process of its own, as the upstream is). The paths take turns, so that both see the same machine.
`full`: eight agents as fast as
the upstream sends; `paced`: 64 agents at 38 tokens/s each. Run it: ``python -m tests.bench.relay``.

A further path is one function from an `Ask` to a coroutine that returns what it heard, and a row in `PATHS`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as FolderPath
from typing import Literal

from agents import (
    Agent,
    Model,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
)
from aiohttp import web
from openai import AsyncOpenAI

from orchestrator.backends.openai.model.fast import FastChatModel, FastResponsesModel, FastTransport
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.config import Config
from orchestrator.server.app import create_app
from orchestrator.server.app_keys import LOADED
from orchestrator.server.http.runner import ProblemRunner
from orchestrator.server.options import ServerOptions
from orchestrator.telemetry.logs import configure_logging

Api = Literal["chat_completions", "responses"]
PACE_TOKENS_PER_S = 38
FULL_TARGET, PACED_TARGET = 0.35, 0.5
"""Of the stock path's CPU time, for the whole relay."""


@dataclass(frozen=True)
class Load:
    """How many agents say how much at which pace; 0 is as fast as the upstream sends."""

    name: str
    agents: int
    tokens: int
    tokens_per_s: float
    target: float

    @property
    def model(self) -> str:
        return f"echo-{self.tokens}@{self.tokens_per_s}" if self.tokens_per_s else f"echo-{self.tokens}"


@dataclass(frozen=True)
class Ask:
    """What a path is to do: run `load` against the upstream at `url`."""

    url: str
    api: Api
    load: Load


Path = Callable[[Ask], Coroutine[None, None, int]]
"""Runs the load and returns how many characters of answers it heard."""


async def stock(ask: Ask) -> int:
    """The SDK as it comes: its client, its models, a loop that only counts."""
    async with AsyncOpenAI(base_url=ask.url, api_key="none", max_retries=0) as client:
        kind = OpenAIChatCompletionsModel if ask.api == "chat_completions" else OpenAIResponsesModel
        return await _run_all(ask.load, kind(ask.load.model, openai_client=client))


async def fast(ask: Ask) -> int:
    """The same loop on the fast models."""
    transport = FastTransport(ask.url, "none")
    try:
        kind = FastChatModel if ask.api == "chat_completions" else FastResponsesModel
        return await _run_all(ask.load, kind(ask.load.model, transport))
    finally:
        await transport.aclose()


async def whole(ask: Ask) -> int:
    """This service: its agents, spine and HTTP, and one client that reads the run's stream to its end."""
    names = [f"a{number}" for number in range(ask.load.agents)]
    keys = {"model": ask.load.model, "base_url": ask.url, "api_key": "none", "api": ask.api}
    config = Config(
        {name: OpenAIAgentsSettings.model_validate({"agent_id": name, **keys}) for name in names},
        (),
        FolderPath(),
    )
    runner = ProblemRunner(create_app(config, options=ServerOptions(max_agents_per_run=256)))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        await runner.app[LOADED]
        host, port = runner.addresses[0][:2]
        return await _read_run(f"http://{host}:{port}/v1/runs")
    finally:
        await runner.cleanup()


async def _read_run(url: str) -> int:
    """Start a run with curl and count what the agents' `done` events hold."""
    command = ["curl", "-sN", url, "-H", "Accept: text/event-stream", "--json", '{"message":"go"}']
    with tempfile.TemporaryFile() as answer:
        client = await asyncio.create_subprocess_exec(*command, stdout=answer)
        await client.wait()
        answer.seek(0)
        lines = [line[6:] for line in answer if line.startswith(b"data: ") and b'"type":"done"' in line]
    return sum(len(json.loads(line).get("text", "")) for line in lines)


async def _run_all(load: Load, model: Model) -> int:
    heard = await asyncio.gather(*(_count(model) for _ in range(load.agents)))
    return sum(heard)


async def _count(model: Model) -> int:
    agent = Agent(name="echo", model=model)
    result = Runner.run_streamed(agent, "go", run_config=RunConfig(tracing_disabled=True))
    heard = 0
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            heard += len(event.data.delta)
    return heard


PATHS: dict[str, Path] = {"stock": stock, "fast": fast, "whole": whole}


def cpu_us_per_token(path: Path, ask: Ask) -> float:
    """Run *path* once in a loop of its own; microseconds of CPU, of all threads, for each token."""
    words = len(" ".join(f"w{number}" for number in range(ask.load.tokens)))
    begin = time.process_time()
    heard = asyncio.run(path(ask))
    spent = time.process_time() - begin
    if heard != words * ask.load.agents:
        raise RuntimeError(f"heard {heard} characters, {words * ask.load.agents} were said")
    return spent / (ask.load.agents * ask.load.tokens) * 1e6


@contextmanager
def upstream() -> Iterator[str]:
    """Run the upstream as a process of its own; yields its base URL."""
    command = [sys.executable, "-m", "tests.support.upstream"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("the upstream has no output")
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def compare(url: str, api: Api, load: Load, rounds: int) -> dict[str, float]:
    """Let the paths take turns; the median of each in microseconds per token."""
    ask = Ask(url, api, load)
    warm = Ask(url, api, Load(load.name, 2, 50, 0, load.target))
    spent: dict[str, list[float]] = {name: [] for name in PATHS}
    for path in PATHS.values():
        cpu_us_per_token(path, warm)
    for _ in range(rounds):
        for name, path in PATHS.items():
            spent[name].append(cpu_us_per_token(path, ask))
    return {name: statistics.median(values) for name, values in spent.items()}


def main() -> None:
    """Print one row for each load and path."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.relay")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=2000, help="of each agent at full speed")
    parser.add_argument("--seconds", type=float, default=5.0, help="of the paced load")
    parser.add_argument("--api", choices=("chat_completions", "responses", "both"), default="both")
    parser.add_argument("--load", choices=("full", "paced", "both"), default="both")
    parser.add_argument("--path", choices=PATHS, help="only this one, for a profiler")
    options = parser.parse_args()
    configure_logging(level="warning")
    if options.path:
        for name in set(PATHS) - {options.path}:
            del PATHS[name]
    loads = [
        Load("full", 8, options.tokens, 0, FULL_TARGET),
        Load("paced", 64, int(PACE_TOKENS_PER_S * options.seconds), PACE_TOKENS_PER_S, PACED_TARGET),
    ]
    apis: list[Api] = ["chat_completions", "responses"] if options.api == "both" else [options.api]
    print(f"{'API':18}{'load':8}{'path':8}{'CPU us/token':>14}{'ratio':>8}{'target':>8}")
    with upstream() as url:
        for api in apis:
            for load in (one for one in loads if options.load in (one.name, "both")):
                for name, spent in (found := compare(url, api, load, options.rounds)).items():
                    ratio = spent / found.get("stock", spent)
                    target = f"{load.target:8.2f}" if name != "stock" else ""
                    print(f"{api:18}{load.name:8}{name:8}{spent:14.1f}{ratio:8.3f}{target}", flush=True)


if __name__ == "__main__":
    main()

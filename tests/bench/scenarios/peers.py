"""(t) servers of other frameworks, each as its makers run it, for the same agents and the same model server."""

from __future__ import annotations

from ..contenders import Contender, all_running, read
from ..options import Options
from ..peers.peer import PEERS, peers
from ..result import Column, Promise, Result, Sample, ratios, take_turns
from ..sources import Plan
from .load import model_upstream

OWN = ("ours", "hand")
AGENTS, START_TOKENS = 3, 3
RUNS = 8


def beside_peers(options: Options) -> Result:
    """CPU of a run's start and end, and of a relayed token, beside LangGraph's, LlamaIndex's and the AI SDK's server.

    Raises:
        ValueError: Nobody said where the peers' environments are.
    """
    if options.peers is None:
        raise ValueError("(t) needs --peers DIR; python -m tests.bench.peers.environment DIR makes it")
    runs, said = options.pick(30, 4), options.pick(120, 10)
    start = Plan("sdk", AGENTS, START_TOKENS, model=f"bench-{START_TOKENS}@full")
    human = Plan("sdk", AGENTS, said, model=f"bench-{said}@40")

    def once(contender: Contender) -> Sample:
        started, spoken = _cpu_s(contender, start, runs), _cpu_s(contender, human, RUNS)
        return {
            "start_ms": started / runs * 1e3,
            "token_us": spoken / (RUNS * AGENTS * said) * 1e6,
            "mib": contender.memory()["now"] / 2**20,
        }

    with (
        model_upstream() as url,
        all_running(OWN, "--upstream", url) as own,
        peers(options.peers, url) as others,
    ):
        by_name: dict[str, Contender] = {one.name: one for one in [*own, *others]}
        for one in by_name.values():
            _cpu_s(one, start, 3)  # what is imported and cached at the first use
        rows = take_turns(by_name, options.rounds, lambda name: once(by_name[name]))
    columns = (
        Column("start_ms", "CPU ms/run", 2), Column("token_us", "8 × 3 × 40/s, CPU µs/token", 1),
        Column("mib", "MiB afterwards"),
    )  # fmt: skip
    promises = [_promise(rows, name, key, text) for name in PEERS for key, text in _FIGURES.items()]
    notes = [
        "LangGraph's server works on 64 runs at a time here instead of one. LlamaIndex's runs are begun by one request "
        "and read by another. The AI SDK runs on node; its server keeps no run."
    ]
    title = (
        f"(t) servers of other frameworks: {AGENTS} agents, {START_TOKENS} tokens each, and at 40 tokens/s"
    )
    return Result(title, columns, rows, promises if not options.quick else [], notes)


_FIGURES = {"start_ms": "CPU of a run's start and end", "token_us": "CPU a token at 40/s"}


def _promise(rows: dict[str, list[Sample]], name: str, key: str, text: str) -> Promise:
    return Promise(f"{text}, {name} : ours", ratios(rows, name, "ours", key))


def _cpu_s(contender: Contender, plan: Plan, runs: int) -> float:
    """Let a client read *runs* runs of *plan* to their ends; return what the server's CPU spent on them."""
    before = contender.cpu_s()
    found = read(contender, [contender.stream_request(plan) for _ in range(runs)], spread_s=runs / 15)
    spent = contender.cpu_s() - before
    contender.tidy()
    said = plan.agents * plan.tokens * runs
    if found["marks"] != said * (2 if contender.ours else 1):
        raise RuntimeError(f"{contender.name}: {found['marks']} of {said} tokens came")
    return spent

"""Compares two models over a file of questions: a judge chooses between their answers, in both orders.

Run: python examples/judge/compare.py examples/judge/questions.txt

Needs a server that has the agents: `orchestrator serve --config examples/judge/agents_config`. Each question is one
run with an inline panel of the method `judge`; several are under way at once, and the table counts the results.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.client import Client, ClientError

ORDERS = 2


def read_questions(path: Path) -> list[str]:
    """Return the questions of a file: one a line, or JSON Lines whose objects have a `question`."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    if path.suffix in (".jsonl", ".ndjson"):
        return [json.loads(line)["question"] for line in lines if line]
    return [line for line in lines if line and not line.startswith("#")]


async def judge(client: Client, question: str, models: Sequence[str], referee: str) -> Mapping[str, Any]:
    """Return the result of one question: `status`, `winner`, `tally`, `missing`."""
    run = await client.start(question, agents=models, panel={"method": "judge", "moderator": referee})
    view = await run.result()
    result = (view.panel.result if view.panel else None) or {"status": "failed"}
    # Against an answer that is missing, the other one has won nothing.
    return {**result, "status": "failed"} if result.get("missing") else result


async def judge_all(
    client: Client, questions: Sequence[str], models: Sequence[str], referee: str, at_once: int
) -> list[Mapping[str, Any]]:
    """Judge every question, *at_once* of them at the same time, and say each result as it comes."""
    places = asyncio.Semaphore(at_once)

    async def one(number: int, question: str) -> Mapping[str, Any]:
        async with places:
            result = await judge(client, question, models, referee)
        print(f"{number:3}  {result.get('winner') or result['status']:12}  {question[:80]}", flush=True)
        return result

    return await asyncio.gather(*(one(number, question) for number, question in enumerate(questions, 1)))


def table(results: Sequence[Mapping[str, Any]], models: Sequence[str]) -> str:
    """Count wins, ties and losses for each model, and how often it was chosen in either order."""
    judged = [result for result in results if result["status"] in ("decided", "tie")]
    wins = Counter(result["winner"] for result in judged if result["status"] == "decided")
    chosen: Counter[str] = Counter()
    for result in judged:
        chosen.update({model: int(result["tally"].get(model, 0)) for model in models})
    ties = len(judged) - wins.total()
    width = max(map(len, ["model", *models]))
    lines = [f"{'model':{width}}  wins  ties  losses  chosen"]
    for model in models:
        losses = wins.total() - wins[model]
        lines.append(
            f"{model:{width}}  {wins[model]:4}  {ties:4}  {losses:6}  {chosen[model]} of {len(judged) * ORDERS}"
        )
    without = len(results) - len(judged)
    left = f"; {without} without a verdict" if without else ""
    return "\n".join([*lines, f"{len(results)} questions, each in both orders{left}"])


async def compare(given: argparse.Namespace) -> bool:
    """Ask, judge and print; return whether there was any verdict."""
    questions = read_questions(given.questions)
    async with Client(given.server, os.environ.get("ORCHESTRATOR_TOKEN")) as client:
        results = await judge_all(client, questions, given.models, given.judge, given.at_once)
    print(f"\n{table(results, given.models)}")
    return any(result["status"] in ("decided", "tie") for result in results)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("questions", type=Path, help="a question a line, or JSON Lines with `question`")
    parser.add_argument("--models", nargs=2, default=["model-a", "model-b"], metavar="AGENT")
    parser.add_argument("--judge", default="judge", metavar="AGENT")
    parser.add_argument("--at-once", type=int, default=4, help="questions under way at the same time")
    parser.add_argument("--server", default=os.environ.get("ORCHESTRATOR_SERVER", "http://127.0.0.1:8080"))
    try:
        sys.exit(0 if asyncio.run(compare(parser.parse_args())) else 1)
    except (ClientError, OSError, ValueError, KeyError) as exc:
        sys.exit(f"{type(exc).__name__}: {exc}")


if __name__ == "__main__":
    main()

"""`orchestrator conformance URL`, or `python -m orchestrator.conformance URL`: pass or fail of each clause.

Exits with 1 if one fails.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from aiohttp import ClientError, ClientSession

from .clauses import CLAUSES, Clause
from .probe import Broken, Probe, ProbeTimeout
from .silence import SILENCE_SECONDS

MESSAGE = "Say a few sentences about tea."
PATIENCE_SECONDS = 60.0

CLAUSE_PATIENCES = 3
"""A clause with many streams, each of which takes as long as may be, is given up after so many patiences."""

HANGING = 3
"""After so many clauses in a row that the server let wait, the others would wait, too."""


async def check(probe: Probe, clause: Clause) -> str | None:
    """Return how the server breaks *clause*; None if it holds.

    Raises:
        OutOfTime: The server lets the kit wait; the text says for what.
    """
    try:
        async with asyncio.timeout(CLAUSE_PATIENCES * probe.patience + SILENCE_SECONDS):
            await clause.check(probe)
    except ProbeTimeout:
        raise
    except Broken as exc:
        return str(exc)
    except ClientError as exc:
        return f"the connection failed: {type(exc).__name__}"
    except TimeoutError:
        raise ProbeTimeout("all answers together took too long") from None
    except (AttributeError, LookupError, TypeError, ValueError) as exc:
        return f"an answer has another shape: {type(exc).__name__} {exc}"
    return None


async def report(url: str, token: str | None, agents: list[str] | None, message: str, patience: float) -> int:
    """Run every clause and print what came of it; return the exit code."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    held = hung = 0
    async with ClientSession(headers=headers) as session:
        probe = Probe(session, url, message=message, agents=agents, patience=patience)
        for clause in CLAUSES:
            try:
                how, hung = await check(probe, clause), 0
            except ProbeTimeout as exc:
                how, hung = str(exc), hung + 1
            held += how is None
            verdict = "pass" if how is None else "FAIL"
            print(f"{verdict}  {clause.name} ({clause.section}): {clause.says}", flush=True)
            if how is not None:
                print(f"      {how}", flush=True)
            if hung == HANGING:
                print("The other clauses were not tried: the server lets us wait.")
                break
    print(f"{held} of {len(CLAUSES)} clauses hold.")
    return 0 if held == len(CLAUSES) else 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.conformance", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("url", nargs="?", help="the server, such as http://127.0.0.1:8080")
    where.add_argument("--url", dest="same", metavar="URL", help="the same")
    parser.add_argument(
        "--agents", help="who is asked, joined by commas; the server's default ones if left out"
    )
    parser.add_argument("--message", default=MESSAGE, help="what they are asked")
    parser.add_argument(
        "--patience", type=float, default=PATIENCE_SECONDS, help="seconds until a stream has to end (60)"
    )
    parser.add_argument("--token", default=os.environ.get("ORCHESTRATOR_TOKEN"), help="the server's token")
    given = parser.parse_args(arguments)
    agents = given.agents.split(",") if given.agents else None
    return asyncio.run(report(given.url or given.same, given.token, agents, given.message, given.patience))


if __name__ == "__main__":
    sys.exit(main())

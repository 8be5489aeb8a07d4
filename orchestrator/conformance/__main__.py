"""`python -m orchestrator.conformance URL`: a line of pass or fail for each clause; exits with 1 if one fails."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from aiohttp import ClientError, ClientSession

from .clauses import CLAUSES, Clause
from .probe import Broken, Probe


async def check(probe: Probe, clause: Clause) -> str | None:
    """Return how the server breaks *clause*; None if it holds."""
    try:
        await clause.check(probe)
    except Broken as exc:
        return str(exc)
    except ClientError as exc:
        return f"the connection failed: {type(exc).__name__}"
    except (LookupError, TypeError, ValueError) as exc:
        return f"an answer has another shape: {type(exc).__name__} {exc}"
    return None


async def report(options: argparse.Namespace) -> int:
    """Run every clause and print what came of it; return the exit code."""
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    broken = 0
    async with ClientSession(headers=headers) as session:
        agents = options.agents.split(",") if options.agents else None
        probe = Probe(session, options.url, message=options.message, agents=agents, patience=options.patience)
        for clause in CLAUSES:
            how = await check(probe, clause)
            broken += how is not None
            verdict = "pass" if how is None else "FAIL"
            print(f"{verdict}  {clause.name} ({clause.section}): {clause.says}", flush=True)
            if how is not None:
                print(f"      {how}", flush=True)
    print(f"{len(CLAUSES) - broken} of {len(CLAUSES)} clauses hold.")
    return 1 if broken else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m orchestrator.conformance", description=__doc__)
    parser.add_argument("url", help="the server, such as http://127.0.0.1:8080")
    parser.add_argument(
        "--agents", help="who is asked, joined by commas; the server's default ones if left out"
    )
    parser.add_argument("--message", default="Say a few sentences about tea.", help="what they are asked")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds until a stream has to end (60)")
    parser.add_argument("--token", default=os.environ.get("ORCHESTRATOR_TOKEN"), help="the server's token")
    return asyncio.run(report(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())

"""Asks two agents with the Python client, and stops one as soon as the other is done.

Run: python examples/python_client/ask.py "Is tea better than coffee?"

Needs a server: `orchestrator serve`. The client comes back by itself after a lost connection, and each event
is seen once.
"""

from __future__ import annotations

import argparse
import asyncio
import os

from orchestrator import Client
from orchestrator.client import Run


async def ask(server: str, question: str, first: str, second: str) -> Run:
    """Ask two agents; when one of them is done, the other need not go on."""
    sibling = {first: second, second: first}
    async with Client(server, os.environ.get("ORCHESTRATOR_TOKEN")) as client:
        run = await client.start(question, agents=[first, second])
        async for event in run:
            if event.type == "token":
                print(f"{event.t:6} ms  {event.agent_id:>10}  {event.data['text']!r}")
            elif event.type == "done" and event.agent_id is not None:
                print(f"{event.t:6} ms  {event.agent_id:>10}  is done")
                other = sibling[event.agent_id]
                if not run.agents[other].ended:
                    # Acknowledged at once; `cancelled` follows when the agent's own stream is really closed.
                    await run.cancel(other)
        return run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("question", nargs="?", default="Is tea better than coffee?")
    parser.add_argument("--server", default=os.environ.get("ORCHESTRATOR_SERVER", "http://127.0.0.1:8080"))
    parser.add_argument("--agents", nargs=2, default=["optimist", "skeptic"], metavar="AGENT")
    given = parser.parse_args()
    run = asyncio.run(ask(given.server, given.question, *given.agents))
    # The view is what the events came to: the same in the middle of a run, and at its end.
    for agent in run.agents.values():
        print(f"\n{agent.agent_id} ({agent.status})\n{agent.text}")


if __name__ == "__main__":
    main()

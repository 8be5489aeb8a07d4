"""Records the run that the page plays to whoever has not asked anything yet.

`python -m tests.browser.record_demo` asks the repository's own offline agents and their panel, and writes what was
streamed to `orchestrator/web/page/timeline/recorded.js`; `npm run bundle` in `tests/web` then serves it.
"""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

from tests.support.commands import ROOT
from tests.support.served import orchestrator

FILE = ROOT / "orchestrator" / "web" / "page" / "timeline" / "recorded.js"
MESSAGE = "What is 17.5 % of 2,480, and should we rewrite our billing service?"
HEAD = """/** A run of offline agents and their panel, as streamed. Written by `python -m tests.browser.record_demo`. */

// prettier-ignore
"""


def recorded(address: str) -> list[dict[str, object]]:
    """Ask, and return the run's events: name, data with its time."""
    body = json.dumps({"message": MESSAGE, "panel": "council"}).encode()
    started = Request(f"{address}/v1/runs", body, {"Content-Type": "application/json"})
    with urlopen(started) as answer:
        run_id = json.load(answer)["run_id"]
    events = []
    with urlopen(f"{address}/v1/runs/{run_id}/events") as stream:
        for line in stream:
            if line.startswith(b"event: "):
                name = line[7:].decode().strip()
            elif line.startswith(b"data: "):
                events.append({"event": name, **json.loads(line[6:])})
    return events


def main() -> None:
    with orchestrator("--offline", "--config", str(ROOT / "agents_config")) as address:
        events = recorded(address)
    rows = [json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in events]
    lines = ",\n".join(",".join(rows[n : n + 2]) for n in range(0, len(rows), 2))
    FILE.write_text(
        f"{HEAD}export const RECORDED = {{ message: {json.dumps(MESSAGE)}, events: [\n{lines},\n] }};\n"
    )
    print(f"{len(events)} events, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

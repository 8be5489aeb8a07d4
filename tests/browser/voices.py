"""The agents that the page is tested with: each says or does one thing that a column has to show."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

from orchestrator.backends.base import AgentInput, Emission, Finish
from orchestrator.errors import AgentError
from orchestrator.events import (
    ApprovalRequest,
    Data,
    File,
    Progress,
    Reasoning,
    Source,
    Status,
    ToolCall,
    ToolResult,
    Usage,
)

from .odd import ODD

ESSAY = """# Two ways

Growing **piece by piece** keeps the service earning while it changes, see [the notes](https://example.com/notes).

1. Put the old code behind an interface.
2. Move *one* invoice type, measure, go on.

- [x] Tests around the old behaviour
- [ ] A switch for each invoice type

```python
def total(lines: list[Line]) -> Decimal:
    # Rounded once, at the end.
    return sum((line.net for line in lines), Decimal()).quantize(CENT)
```

| way | risk | first result |
| --- | --- | --- |
| rewrite | high | in a year |
| grow | low | in a week |

> A rewrite has to be right all at once.

So: grow, and `measure` each step.
"""

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PIXEL = f"data:image/png;base64,{PNG}"

LOADED = """<script>window.pwned = 1</script>
<img src=x onerror="window.pwned = 2">

<svg onload="window.pwned = 3"><style>body { display: none }</style></svg>

[click](javascript:window.pwned=4) [data](data:text/html,<script>window.pwned=5</script>)

![tracker](https://tracker.invalid/pixel.png)

<iframe srcdoc="<script>parent.pwned = 6</script>"></iframe> <form action="/v1/runs"><button id="app">x</button></form>

```html
<script>window.pwned = 7</script><img src=x onerror=window.pwned=8>
```

```"><img/src=x/onerror=window.pwned=9>
code
```

<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.pwned=10&gt;">

the end of it
"""


def _pieces(text: str, size: int = 7) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


async def essay(request: AgentInput) -> AsyncIterator[Emission]:
    """Think, then say some Markdown in pieces that cut it anywhere."""
    yield Reasoning("The question is about risk, ")
    yield Reasoning("so the answer should be about steps.")
    for piece in _pieces(ESSAY):
        yield piece
        await asyncio.sleep(0.004)
    yield Finish(usage=Usage(input_tokens=20, output_tokens=210))


async def variant(request: AgentInput) -> AsyncIterator[Emission]:
    """Say nearly what `essay` says."""
    yield ESSAY.replace("a year", "two years").replace("low", "small")


async def talker(request: AgentInput) -> AsyncIterator[Emission]:
    """Talk until it is stopped, a line at a time; slowly at last: pages that cannot keep up would never do."""
    n = 0
    while True:
        n += 1
        yield f"Line {n} of a long speech.\n\n"
        await asyncio.sleep(0.05 if n < 60 else 0.5)


async def failing(request: AgentInput) -> AsyncIterator[Emission]:
    """Break off in the middle, the first time; answer on the second attempt."""
    yield "This much was said "
    await asyncio.sleep(0.05)
    if request.attempt == 1:
        raise AgentError("upstream_rejected", "The model refused to go on.")
    yield "and then the rest."


async def toolsmith(request: AgentInput) -> AsyncIterator[Emission]:
    """Use two tools, the second of which fails."""
    yield Status("tool", "Looking it up")
    yield ToolCall(call_id="c1", name="search", arguments='{"query": "billing"}')
    yield ToolResult(call_id="c1", output='{"hits": 3}', is_error=False)
    yield ToolCall(call_id="c2", name="fetch", arguments='{"page": 4}')
    yield ToolResult(call_id="c2", output="There is no page 4.", is_error=True)
    yield "Three pages were found."


async def careful(request: AgentInput) -> AsyncIterator[Emission]:
    """Wait for leave before it goes on."""
    yield ApprovalRequest(call_id="a1", name="send_mail", arguments='{"to": "all"}')
    allowed = await request.approve("a1")
    yield "Sent." if allowed else "Not sent."


async def polyglot(request: AgentInput) -> AsyncIterator[Emission]:
    """Say a table that no column is wide enough for, and something from right to left."""
    rows = ["extraordinary | " * 12, "--- | " * 12, "1,234.50 | " * 12]
    yield "\n".join(f"| {row}" for row in rows)
    yield "\n\nهذا نص عربي.\n\n- نقطة أولى\n\nAnd ~~this~~ that.\n"


async def silent(request: AgentInput) -> AsyncIterator[Emission]:
    """Say nothing."""
    yield Finish()


async def rememberer(request: AgentInput) -> AsyncIterator[Emission]:
    """Say what was asked before."""
    before = ", ".join(turn.message for turn in request.history) or "nothing"
    yield f"You asked **{request.message}**; before that: {before}."


_spoke: defaultdict[tuple[str, str], asyncio.Event] = defaultdict(asyncio.Event)
"""Set when an agent of a run has said something, for those that wait for it, however slow the machine is."""


async def latecomer(request: AgentInput) -> AsyncIterator[Emission]:
    """Say nothing until the chairman has begun, for whom the others have finished."""
    await _spoke[request.run_id, "chairman"].wait()
    yield "Better late than never."
    _spoke[request.run_id, "latecomer"].set()


async def chairman(request: AgentInput) -> AsyncIterator[Emission]:
    """Have the last word, in more than one piece, and go on when the latecomer has come in."""
    yield "**In short:** "
    _spoke[request.run_id, "chairman"].set()
    await _spoke[request.run_id, "latecomer"].wait()
    for piece in ("grow, ", "and measure."):
        await asyncio.sleep(0.4)
        yield piece


async def attacker(request: AgentInput) -> AsyncIterator[Emission]:
    """Say what should not run in anybody's browser, in small pieces."""
    for piece in _pieces(LOADED, 11):
        yield piece
        await asyncio.sleep(0)


async def flood(request: AgentInput) -> AsyncIterator[Emission]:
    """Say 2,000 tokens of Markdown as quickly as they are taken, 200 of them code."""
    for n in range(2_000):
        if n == 1_000:
            yield "\n\n```python\n"
        yield "x = 1  # one more\n" if 1_000 <= n < 1_200 else "**word** " if n % 25 else "next.\n\n"
        if n == 1_199:
            yield "```\n\n"
        await asyncio.sleep(0.0005)


GROWS = {"lister": "- A point\n- ", "quoter": "> ", "titler": "## "}
"""What begins the block of a murmurer of that name; else it is a paragraph."""


async def murmurer(request: AgentInput) -> AsyncIterator[Emission]:
    """Say one block without end, with a link at its beginning, until it is stopped."""
    yield GROWS.get(request.agent_id, "") + "See [the notes](https://example.com/notes) for **more**,"
    while True:
        yield " and more words,"
        await asyncio.sleep(0.02)


async def worker(request: AgentInput) -> AsyncIterator[Emission]:
    """Do three of eight steps, and tell of each; then wait until it is stopped."""
    for step in range(1, 4):
        yield Progress("Counting", step=step, steps=8)
        await asyncio.sleep(0.02)
    await asyncio.Event().wait()


async def researcher(request: AgentInput) -> AsyncIterator[Emission]:
    """Say all that is more than text, and wait for leave to send it."""
    yield ESSAY
    yield Progress("Reading what was found", step=3, steps=8)
    yield Source(
        "s1", url="https://example.com/a-rather-long-address/of-a-page", title="Notes", quote="Grow.", at=3
    )
    yield Source("s2", document="A report of many pages, on paper", quote="Measure each step, " * 12, at=9)
    yield Data("figures", {"risk": [1, 2, 3], "why": "small steps"})
    yield File("f1", "a-plot-with-a-long-name.png", "image/png", PIXEL)
    yield ApprovalRequest(
        call_id="a1", name="send_mail", arguments='{"to": "all", "body": "' + "words " * 40 + '"}'
    )
    await request.approve("a1")


async def parrot(request: AgentInput) -> AsyncIterator[Emission]:
    """Say what it was asked, in pieces."""
    for piece in _pieces(request.message, 500):
        yield piece
        await asyncio.sleep(0)


WALLS = {
    "code": "```python\n" + "def line(x): return x + 1  # one more\n" * 5_200 + "```\n",
    "table": "| n | what | why |\n| --- | --- | --- |\n"
    + "| 1 | some *words* in a cell | and more of them |\n" * 3_900,
    "list": "- an item with **some** words in it\n" * 5_500,
    "prose": "A paragraph that never ends, with `code` and **bold** in it. " * 3_150,
}
"""200 KB of each kind of block that may grow for ever; whose agent's id ends in `-short` says a quarter of it."""


async def wall(request: AgentInput) -> AsyncIterator[Emission]:
    """Say what its id names, quicker than anybody reads."""
    kind, _, which = request.agent_id.partition("-")
    text = WALLS[kind]
    for n, piece in enumerate(_pieces(text[: len(text) // 4] if which == "short" else text, 400)):
        yield piece
        if n % 8 == 0:
            await asyncio.sleep(0.01)


async def odd(request: AgentInput) -> AsyncIterator[Emission]:
    """Say the odd answer that its id names, in pieces, and a few words after it."""
    for piece in _pieces(ODD[request.agent_id], 20_000):
        yield piece
        await asyncio.sleep(0)
    yield "\n\n# The end\n"


PATIENT = ", ".join(f"{limit}: 3600" for limit in ("timeout_s", "idle_timeout_s", "approval_timeout_s"))
"""What waits for a test waits as long as that takes, however busy the machine is."""


def write_config(folder: Path, *names: str, default: tuple[str, ...] = ()) -> Path:
    """Write an `agents_config` with these voices; a name may be `flood:one` for another id."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        voice, _, other = name.partition(":")
        agent_id = other or voice
        lines = [
            "backend: function",
            f"stream: tests.browser.voices:{voice}",
            f"title: {agent_id.capitalize()}",
            f"description: The {voice} of the tests.",
            f"default: {str(agent_id in default).lower()}",
            "retry: {attempts: 1}",
            f"limits: {{max_output_chars: 2000000, {PATIENT}}}",
        ]
        (folder / f"{agent_id}.yaml").write_text("\n".join(lines) + "\n")
    return folder

"""CopilotKit's runtime, unmodified, with agents of ours behind its `HttpAgent`: asked for by `TEST_FOREIGN=1`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.support import foreign
from tests.support.commands import finish

from .agents import BROKEN, CHATTY, ODD, TOOLED, dialects_served
from .node import PROGRAM, install

PACKAGES = ("@copilotkit/runtime@1.75.0", "@ag-ui/client@0.0.59")
SCRIPT = """
import { CopilotRuntime } from "@copilotkit/runtime/v2";
import { createCopilotEndpoint } from "@copilotkit/runtime/v2/hono";
import { HttpAgent } from "@ag-ui/client";

const agents = { three: new HttpAgent({ url: `${process.argv[2]}/v1/ag-ui/chatty+tooled+broken` }) };
const app = createCopilotEndpoint({ runtime: new CopilotRuntime({ agents }), basePath: "/api" });
const info = await (await app.fetch(new Request("http://page/api/info"))).json();
const messages = [{ id: "m", role: "user", content: "hi" }];
const body = { threadId: "t", runId: "r", messages, tools: [], context: [], state: {}, forwardedProps: {} };
const headers = { "content-type": "application/json", accept: "text/event-stream" };
const asked = { method: "POST", headers, body: JSON.stringify(body) };
const answer = await app.fetch(new Request("http://page/api/agent/three/run", asked));
const lines = (await answer.text()).split("\\n").filter((line) => line.startsWith("data: {"));
const events = lines.map((line) => JSON.parse(line.slice(6)));
console.log(JSON.stringify({ agents: Object.keys(info.agents), events }));
process.exit(0);
"""

if foreign.ASKED_FOR:

    @pytest.mark.timeout(1200)
    async def test_its_page_hears_each_agent_as_a_step(tmp_path: Path) -> None:
        await asyncio.to_thread(install)
        pipe = asyncio.subprocess.PIPE
        brought = await asyncio.create_subprocess_exec(
            "npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *PACKAGES,
            cwd=tmp_path, stdout=pipe, stderr=pipe,
        )  # fmt: skip
        _, failure = await brought.communicate()
        assert brought.returncode == 0, failure
        (tmp_path / "program.mjs").write_text(SCRIPT)
        async with dialects_served() as service:
            process = await asyncio.create_subprocess_exec(
                str(PROGRAM), "program.mjs", service.url, cwd=tmp_path, stdout=pipe, stderr=pipe,
                env={"COPILOTKIT_TELEMETRY_DISABLED": "true"},
            )  # fmt: skip
            code, out, err = await finish(process)
        assert code == 0, err
        told = json.loads(out.strip("\n").split("\n")[-1])  # a text in it has U+2028
        assert told["agents"] == ["three"]
        texts: dict[str, str] = {}
        for event in told["events"]:
            if event["type"] == "TEXT_MESSAGE_CONTENT":
                agent = event["messageId"].split(".")[0]
                texts[agent] = texts.get(agent, "") + event["delta"]
        assert texts == {"chatty": "".join(CHATTY), "tooled": "".join(TOOLED), "broken": BROKEN[0]}
        thought = [e["delta"] for e in told["events"] if e["type"] == "REASONING_MESSAGE_CONTENT"]
        assert "".join(thought) == f"hm, odd {ODD}"
        assert told["events"][-1]["type"] == "RUN_FINISHED"
        (failure_told,) = [e["value"] for e in told["events"] if e.get("name") == "agent_error"]
        assert failure_told["agent_id"] == "broken"

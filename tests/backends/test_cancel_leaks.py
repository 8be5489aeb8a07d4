"""500 cancels at random moments across both SDKs leave no connection, task or pool entry behind."""

from __future__ import annotations

import asyncio
import gc
import random
from typing import Any

from orchestrator.agent.attempt import Stop
from orchestrator.backends.base import Backend
from orchestrator.backends.letta.backend import LettaBackend
from orchestrator.backends.letta.settings import LettaSettings
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.eventlog import MemoryLog
from orchestrator.run.registry import AgentRegistry
from orchestrator.supervisor.supervisor import Supervisor
from tests.support.patience import eventually

from ..support.letta.wire import EchoWire
from ..support.spine import read, start
from ..support.upstream import Upstream

RUNS, AT_ONCE = 125, 25
"""Each run has four agents: 500 cancels."""


def tasks() -> int:
    return sum("RequestHandler" not in repr(task.get_coro()) for task in asyncio.all_tasks())


async def test_five_hundred_cancels_leave_nothing() -> None:
    chance = random.Random(17)
    async with Upstream(tokens_per_s=150) as upstream, EchoWire() as wire:
        settings: dict[str, Any] = {
            f"{transport}-{api[:4]}": OpenAIAgentsSettings.model_validate(
                {"agent_id": f"{transport}-{api[:4]}", "model": "echo-12", "base_url": upstream.url,
                 "api_key": "k", "api": api, "transport": transport}
            )
            for transport, api in (("fast", "chat_completions"), ("fast", "responses"), ("sdk", "responses"))
        }  # fmt: skip
        settings["letta"] = LettaSettings(agent_id="letta", letta_agent_id="agent-1", base_url=wire.url)
        backends: dict[str, Backend] = {
            agent_id: (LettaBackend if agent_id == "letta" else OpenAIAgentsBackend)(one, settings)
            for agent_id, one in settings.items()
        }
        registry = AgentRegistry(settings, backends=backends)
        await registry.load()
        outcomes: list[str] = []

        async def one_run(supervisor: Supervisor) -> None:
            run = await start(supervisor, "say some of these words and then some more of them")
            reading = asyncio.ensure_future(read(supervisor, run))
            await asyncio.sleep(chance.uniform(0, 0.15))
            for agent_id in settings:
                run.cancel(Stop("requested"), agent_id)
                if chance.random() < 0.3:
                    await asyncio.sleep(0.002)
            events = await reading
            outcomes.extend(e.type for e in events if e.agent_id and e.type in ("done", "error", "cancelled"))

        async with Supervisor(registry, MemoryLog()) as supervisor:
            await one_run(supervisor)
            before = tasks()
            for _ in range((RUNS - 1) // AT_ONCE + 1):
                await asyncio.gather(*(one_run(supervisor) for _ in range(AT_ONCE)))
            gc.collect()
            await eventually(lambda: tasks() <= before)
        await registry.aclose()
        await upstream.wait_all_closed()
        assert upstream.open_connections == 0
    assert set(outcomes) <= {"cancelled", "done"}
    assert outcomes.count("cancelled") > len(outcomes) / 2

"""Chats with several agents over one WebSocket, and stops one of them in the middle of its answer.

Run: python examples/websocket_chat/chat.py

Needs a server: `orchestrator serve`. Type a question; while the answers come, type `/stop` for all agents or
`/stop skeptic` for one. The next question goes on in the same conversation, on the same socket.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import uuid
from threading import Thread
from typing import Any

import aiohttp

WIDTH = 60


class Chat:
    """One conversation over one socket; one question at a time."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._conversation = uuid.uuid4().hex
        self._run_id: str | None = None
        self._lines: dict[str, str] = {}
        self._ended = asyncio.Event()
        self._ended.set()

    async def obey(self, line: str) -> None:
        """Send what a line asks for: a question, or an end."""
        word, _, agent_id = line.partition(" ")
        if word == "/stop":
            if self._run_id is not None:
                target = {"agent_id": agent_id.strip()} if agent_id.strip() else {}
                await self._ws.send_json({"op": "cancel", "run_id": self._run_id, **target})
        elif line:
            # Each agent goes on from its own earlier answers. While one question is being answered, the
            # server refuses the next one of the same conversation, so it waits here.
            await self._ended.wait()
            self._ended.clear()
            start = {"op": "start", "ref": line, "message": line, "conversation_id": self._conversation}
            await self._ws.send_json(start)

    async def listen(self) -> None:
        """Print what the server sends, until the socket closes."""
        async for message in self._ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._show(message.json())
        self._ended.set()

    async def wait_ended(self) -> None:
        """Wait until the last question is answered."""
        await self._ended.wait()

    def _show(self, event: dict[str, Any]) -> None:
        match event:
            case {"op": "error", "problem": problem}:
                print(f"! {problem['detail']}", flush=True)
                if self._run_id is None:
                    self._ended.set()
            case {"agent_id": agent_id, "type": "token", "text": text} if "parent" not in event:
                self._say(agent_id, text)
            case {"agent_id": agent_id, "type": "retry"}:
                self._lines.pop(agent_id, None)
                print(f"{agent_id:>10} ↻ begins again", flush=True)
            case {"agent_id": agent_id, "type": "done" | "error" | "cancelled" as ending}:
                self._say(agent_id, "", whole=True)
                print(f"{agent_id:>10} ■ {event.get('message', ending)}", flush=True)
            case {"type": "started", "run_id": run_id} if "agent_id" not in event:
                self._run_id = run_id
            case {"type": "done", "status": status}:
                print(f"── {status}", flush=True)
                self._run_id = None
                self._ended.set()

    def _say(self, agent_id: str, text: str, *, whole: bool = False) -> None:
        """Print an agent's words line by line: the tokens of several agents come interleaved."""
        line = self._lines.get(agent_id, "") + text
        while "\n" in line or len(line) > WIDTH or (whole and line):
            head, _, line = line.partition("\n")
            if len(head) > WIDTH:
                at = head.rfind(" ", 1, WIDTH + 1)
                cut = at if at > 0 else WIDTH
                line = head[cut:].lstrip() + ("\n" + line if line else "")
                head = head[:cut]
            print(f"{agent_id:>10} │ {head}", flush=True)
        self._lines[agent_id] = line


async def chat(server: str) -> None:
    token = os.environ.get("ORCHESTRATOR_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{server}/v1/ws", protocols=["orchestrator.v1"]) as ws,
        asyncio.TaskGroup() as tasks,
    ):
        talk = Chat(ws)
        tasks.create_task(talk.listen())
        lines = read_lines()
        while (line := await lines.get()) is not None:
            await talk.obey(line.strip())
        await talk.wait_ended()
        await ws.close()


def read_lines() -> asyncio.Queue[str | None]:
    """Read the keyboard in a thread, so that answers are printed meanwhile; None at its end."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def read() -> None:
        # A file object of its own: Python closes sys.stdin at exit, which fails while a thread reads it.
        with open(os.dup(sys.stdin.fileno()), encoding=sys.stdin.encoding, errors="replace") as keyboard:
            for line in keyboard:
                loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    Thread(target=read, daemon=True).start()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default=os.environ.get("ORCHESTRATOR_SERVER", "http://127.0.0.1:8080"))
    try:
        asyncio.run(chat(parser.parse_args().server))
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()

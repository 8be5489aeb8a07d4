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
    """One conversation over one socket, and what it looks like on a terminal."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._questions = asyncio.Queue[str | None]()
        self._ended = asyncio.Event()
        self._leaving = False
        self._run_id: str | None = None
        self._unprinted: dict[str, str] = {}

    async def take(self, line: str) -> None:
        """Obey one line of the keyboard: `/stop` at once, a question when it is its turn."""
        command, _, agent_id = line.partition(" ")
        if command != "/stop":
            await self._questions.put(line)
        elif self._run_id is not None:
            target = {"agent_id": agent_id.strip()} if agent_id.strip() else {}
            await self._ws.send_json({"op": "cancel", "run_id": self._run_id, **target})

    async def finish(self) -> None:
        """Say that no more questions come."""
        await self._questions.put(None)

    async def ask(self) -> None:
        """Ask one question after the other: a conversation has one run at a time. Then close the socket."""
        conversation = uuid.uuid4().hex
        while (question := await self._questions.get()) is not None:
            self._ended.clear()
            await self._ws.send_json(
                # `ref` comes back with run.started, and with a refusal.
                {"op": "start", "ref": "chat", "message": question, "conversation_id": conversation}
            )
            await self._ended.wait()
        self._leaving = True
        await self._ws.close()

    async def listen(self) -> None:
        """Show what the server sends, until the socket closes."""
        async for message in self._ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._show(message.json())
        if not self._leaving:
            # The run goes on without us. A new socket could take it up again with
            # {"op": "attach", "run_id": …, "after": the id seen last}.
            raise ConnectionError("The server has gone.")

    def _show(self, event: dict[str, Any]) -> None:
        match event:
            case {"op": "error", "ref": ref, "problem": {"detail": detail}}:
                print(f"! {detail}", flush=True)
                if ref == "chat":
                    self._ended.set()
            case {"agent_id": agent_id, "type": "token", "text": text} if "parent" not in event:
                self._say(agent_id, text)
            case {"agent_id": agent_id, "type": "retry", "code": code}:
                self._unprinted.pop(agent_id, None)
                print(f"{agent_id:>10} ↻ begins again after {code}", flush=True)
            case {"agent_id": agent_id, "type": "done" | "error" | "cancelled" as ending}:
                self._say(agent_id, "\n")
                print(f"{agent_id:>10} ■ {event.get('message', ending)}", flush=True)
            case {"agent_id": _}:
                pass  # reasoning, tools, status: a richer chat shows them
            case {"type": "started", "run_id": run_id}:
                self._run_id = run_id
            case {"type": "done", "status": status}:
                print(f"── {status}", flush=True)
                self._run_id = None
                self._ended.set()

    def _say(self, agent_id: str, text: str) -> None:
        """Print an agent's words by the line, since the tokens of all agents come interleaved."""
        rest = self._unprinted.get(agent_id, "") + text
        while "\n" in rest or len(rest) > WIDTH:
            end = rest.find("\n", 0, WIDTH + 1)
            end = end if end >= 0 else rest.rfind(" ", 1, WIDTH + 1)
            end = end if end >= 0 else WIDTH
            line, rest = rest[:end], rest[end:].removeprefix(rest[end] if rest[end].isspace() else "")
            if line:
                print(f"{agent_id:>10} │ {line}", flush=True)
        self._unprinted[agent_id] = rest


async def chat(server: str) -> None:
    """Chat until the keyboard ends (Ctrl-D) and the last question is answered."""
    token = os.environ.get("ORCHESTRATOR_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{server}/v1/ws", protocols=["orchestrator.v1"]) as ws,
        asyncio.TaskGroup() as tasks,
    ):
        talk = Chat(ws)
        tasks.create_task(talk.listen())
        tasks.create_task(talk.ask())
        lines = read_lines()
        while (line := await lines.get()) is not None:
            if line.strip():
                await talk.take(line.strip())
        await talk.finish()


def read_lines() -> asyncio.Queue[str | None]:
    """Read the keyboard in a thread, so that answers are shown meanwhile; None at its end."""
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
    """Run the chat; say in one line what went wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default=os.environ.get("ORCHESTRATOR_SERVER", "http://127.0.0.1:8080"))
    trouble = ""
    try:
        asyncio.run(chat(parser.parse_args().server))
    except* (aiohttp.ClientError, ConnectionError) as group:
        trouble = str(group.exceptions[0])
    except* KeyboardInterrupt:
        print()
    if trouble:
        sys.exit(trouble)


if __name__ == "__main__":
    main()

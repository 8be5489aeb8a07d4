"""A shell command as an agent: it reads the question from its stdin, and what it prints is the answer.

RECIPE_COMMAND names it; to stop the agent ends the command and all that it has started.
"""

import asyncio
import codecs
import os
import signal
from asyncio.subprocess import PIPE

from orchestrator import AgentError

COMMAND = os.environ.get("RECIPE_COMMAND", "tr a-z A-Z")


async def answer(request):
    process = await asyncio.create_subprocess_shell(COMMAND, stdin=PIPE, stdout=PIPE, start_new_session=True)
    try:
        process.stdin.write(request.message.encode())
        process.stdin.close()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a piece may end within a character
        while piece := await process.stdout.read(4096):
            yield decoder.decode(piece)
        if code := await process.wait():
            raise AgentError("upstream_unavailable", f"The command ended with {code}.")
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)

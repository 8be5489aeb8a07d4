"""The app as its own program: ``python app.py "Where is order 7?"``. Knows nothing of the service."""

import asyncio
import sys

from agents import Runner
from customer import Customer, session_of
from desk import clerk, desk


async def main(message: str) -> None:
    """Answer one message, as JSON."""
    async with clerk.mcp_servers[0]:
        result = await Runner.run(desk, message, context=Customer("Ada"), session=session_of("terminal"))
    print(result.final_output.model_dump_json())
    session_of("terminal").close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

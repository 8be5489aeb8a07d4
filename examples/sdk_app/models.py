"""Where the app's models are: a client of its own, set as the SDK's default."""

import os

from agents import set_default_openai_api, set_default_openai_client, set_tracing_disabled
from openai import AsyncOpenAI

client = AsyncOpenAI(
    base_url=os.environ.get("DESK_MODELS_URL", "http://127.0.0.1:11434/v1"),
    api_key=os.environ.get("DESK_MODELS_KEY", "none"),
    default_headers={"X-App": "desk"},
)
set_default_openai_client(client)
set_default_openai_api("chat_completions")
set_tracing_disabled(True)

"""An app's own agent whose model's name has the SDK's prefix for LiteLLM."""

from __future__ import annotations

from typing import Any

from agents import Agent

own = Agent[Any](name="own", model="litellm/openai/m")

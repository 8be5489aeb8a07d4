"""Apps' own agents: one whose model's name has the SDK's prefix for LiteLLM, one whose model is made of its class."""

from __future__ import annotations

from typing import Any

from agents import Agent
from agents.extensions.models.litellm_model import LitellmModel


class OwnModel(LitellmModel):
    """A model of a class of the user's own."""


own = Agent[Any](name="own", model="litellm/openai/m")
made = Agent[Any](name="made", model=LitellmModel("openai/m"))
of_ones_own_class = Agent[Any](name="of ones own class", model=OwnModel("openai/m"))

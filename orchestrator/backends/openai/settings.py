"""The keys of an agent with `backend: openai-agents`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, model_validator
from typing_extensions import TypedDict

from ...settings.agent import AgentSettings
from ...settings.scalars import (
    AgentId,
    Flag,
    Free,
    IntFromZero,
    Number,
    NumberFromZero,
    PositiveInt,
    PositiveNumber,
    Reference,
    Settings,
    Text,
    Url,
)

Api = Literal["responses", "chat_completions"]


class MCPServer(Settings):
    """A tool server that speaks the Model Context Protocol: a program to start, or an address."""

    command: Text | None = None
    """Program to start; speaks over its standard input and output."""
    args: tuple[str, ...] = ()
    env: dict[str, SecretStr] = Field(default_factory=dict)
    url: Url | None = None
    """Address of a server that runs already."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    transport: Literal["stdio", "http", "sse"] | None = None
    """How it is spoken to: `stdio` a `command`, `http` a `url`; `sse` is the older HTTP transport."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] | None = None
    """Begins the names of its tools, with a `_`, so that two servers may have tools of one name."""
    start_timeout_s: PositiveNumber = 15
    """How long it may take to start, or to answer first."""
    call_timeout_s: PositiveNumber | None = None
    """How long a call may take; `limits.tool_timeout_s` unless given, else the attempt's time."""

    tell_errors: Flag = False
    """Whether what the server says of a failed call goes to the model and to clients; it may hold anything."""

    @model_validator(mode="after")
    def _check_kind(self) -> MCPServer:
        if (self.command is None) == (self.url is None):
            raise ValueError("should have either `command` (with `args`, `env`) or `url` (with `headers`)")
        if self.url is not None and (self.args or self.env):
            raise ValueError("has a `url`, so `args` and `env` mean nothing; remove them")
        if self.command is not None and self.headers:
            raise ValueError("has a `command`, so `headers` mean nothing; remove them")
        if self.transport is not None and (self.transport == "stdio") != (self.command is not None):
            raise ValueError(
                f"has `transport: {self.transport}`; a `command` is spoken to over stdio, a `url` over http or sse"
            )
        return self

    @property
    def program_or_host(self) -> str:
        """What can be said of it to anybody: its program's name, or its address without path, query and credentials."""
        if self.command is not None:
            return Path(self.command).name
        return urlsplit(self.url or "").hostname or "?"


class ModelSettings(TypedDict, total=False):
    """The keys of `agents.ModelSettings`, but for its `retry`: one layer retries, and that is `retry:` above.

    Stays a plain mapping, holding only the keys that the file gives.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", hide_input_in_errors=True)  # type: ignore[misc]  # pydantic's way

    temperature: NumberFromZero
    top_p: Annotated[NumberFromZero, Field(le=1)]
    frequency_penalty: Number
    presence_penalty: Number
    tool_choice: Text
    parallel_tool_calls: Flag
    truncation: Literal["auto", "disabled"]
    max_tokens: PositiveInt
    reasoning: dict[str, Free]
    verbosity: Literal["low", "medium", "high"]
    metadata: dict[str, str]
    store: Flag
    prompt_cache_retention: Literal["in_memory", "24h"]
    prompt_cache_options: dict[str, Free]
    include_usage: Flag
    preserve_raw_usage: Flag
    response_include: list[str]
    top_logprobs: IntFromZero
    context_management: list[dict[str, Free]]
    timeout: PositiveNumber
    extra_query: dict[str, Free]
    extra_body: dict[str, Free]
    extra_headers: dict[str, str]
    extra_args: dict[str, Free]


_NEVER_VARY = ("extra_query", "extra_body", "extra_headers", "extra_args", "metadata", "store", "timeout")
"""Through these a request could change anything of the call, its model and its credentials included."""


def _api_from_base_url(data: dict[str, Any]) -> Api:
    return "responses" if data["base_url"] is None else "chat_completions"


class OpenAIAgentsSettings(AgentSettings):
    """An agent of the OpenAI Agents SDK: the user's own object (`agent`), or the keys that make one.

    `api`, `base_url`, `api_key`, `transport`, `max_turns` and `tracing` say how it is run and go with both.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["agent"]}, {"required": ["model"]}]})

    takes_over: ClassVar[bool] = True
    may_vary: ClassVar[tuple[str, ...]] = (
        "instructions",
        "model",
        *(f"model_settings.{key}" for key in ModelSettings.__annotations__ if key not in _NEVER_VARY),
    )
    backend: Literal["openai-agents"] = "openai-agents"
    agent: Reference | None = None
    """An `agents.Agent` of your own, as "module:attribute", or a function that returns one: called once."""
    context: Reference | None = None
    """A function, as "module:function", called for each attempt with our `AgentInput`: returns the run's context."""
    session: Reference | None = None
    """The same for a session, which then remembers; the earlier turns that we keep are not sent."""
    hooks: Reference | None = None
    """The same for the run's hooks."""
    run_config: Reference | None = None
    """The same for a `RunConfig`."""
    model: Text | None = None
    """Name of the model."""
    instructions: str | None = None
    """The system prompt."""
    instructions_file: Text | None = None
    """A file that holds the system prompt; its path starts at this file's folder."""
    base_url: Url | None = None
    """Any OpenAI-compatible server."""
    api: Api = Field(default_factory=_api_from_base_url)
    """`responses`, or `chat_completions` if `base_url` is set."""
    api_key: SecretStr | None = None
    model_settings: ModelSettings = Field(default_factory=lambda: ModelSettings(), repr=False)
    """Temperature, max_tokens, reasoning and so on, as in `agents.ModelSettings`."""
    tools: tuple[Reference, ...] = ()
    """Functions the model may call, as "module:function"."""
    handoffs: tuple[AgentId, ...] = ()
    """Ids of agents that may take over."""
    mcp_servers: tuple[MCPServer, ...] = ()
    max_turns: PositiveInt = 10
    """Calls of the model in one answer; then the error `max_turns`."""
    tracing: Flag = False
    """Whether the SDK uploads traces."""
    transport: Literal["fast", "sdk"] = "fast"
    """`sdk` decodes with the SDK's stock model instead of our own."""

    @property
    def hands_off_to(self) -> tuple[str, ...]:
        """Ids of the agents that may take over."""
        return self.handoffs

    @property
    def named_model(self) -> str | None:
        """The model's name; None for an `agent` of the user's own."""
        return self.model

    @property
    def hints(self) -> tuple[str, ...]:
        """Name the MCP servers whose tools the model cannot tell apart by a prefix."""
        named = [
            f"mcp_servers[{at}] ({server.program_or_host})" for at, server in enumerate(self.mcp_servers)
        ]
        prefixes = [server.prefix for server in self.mcp_servers]
        found = []
        for at, prefix in enumerate(prefixes):
            if prefix in prefixes[:at]:
                both = f"{named[prefixes.index(prefix)]} and {named[at]}"
                numbered = f"server{at + 1}_{f'{prefix}_' if prefix else ''}<name>"
                found.append(f"{both} have one prefix; a tool of one name is {numbered} of the second")
        return tuple(found)

    @model_validator(mode="after")
    def _check_source(self) -> OpenAIAgentsSettings:
        if self.instructions is not None and self.instructions_file is not None:
            raise ValueError("has both `instructions` and `instructions_file`; remove one")
        if self.agent is None:
            if self.model is None:
                raise ValueError('needs `model`, or `agent` ("module:attribute") for an Agent of your own')
            return self
        if self.variants:
            raise ValueError("has `agent`, which brings its own settings; remove `variants`")
        for key in _AGENT_BRINGS:
            if key in self.model_fields_set and getattr(self, key) is not None:
                raise ValueError(f"has `agent`, which brings its own `{key}`; remove one of the two")
        return self


_AGENT_BRINGS = (
    "model", "instructions", "instructions_file", "model_settings", "tools", "handoffs", "mcp_servers",
)  # fmt: skip

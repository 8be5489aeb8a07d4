"""What one agent may be told: the models behind a file of agents_config, one class per backend.

Owns names, types, defaults and what fits together within one agent. Reads no file, imports no SDK, and
no message it writes holds a value (a value may be a secret; `config` adds it where it may be shown).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import (
    Annotated,
    Any,
    Literal,
    Self,  # pydantic needs this one below Python 3.12
    get_args,
    get_type_hints,
)
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    model_validator,
)
from typing_extensions import TypedDict, is_typeddict

from ..events.base import AGENT_ID_PATTERN, RESERVED_IDS
from .environment import EnvText

Api = Literal["responses", "chat_completions"]
REFERENCE_PATTERN = r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*$"
_TRUTH = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)

# ── scalars ───────────────────────────────────────────────────────────────────────────────────
# YAML says what is a number and what is text, so numbers are strict: `"3"`, `yes` and `true` are no number.
# A variable is always text, so its text is read as the type that the key wants.


def _number_from_variable(value: Any) -> Any:
    if isinstance(value, EnvText):
        for read in (int, float):
            try:
                return read(value)
            except ValueError:
                continue
    return value


def _truth_from_variable(value: Any) -> Any:
    return _TRUTH.get(value.strip().lower(), value) if isinstance(value, EnvText) else value


def _check_enabled(value: Any) -> Any:
    if isinstance(value, bool) or value == "auto":
        return value
    raise ValueError("should be true, false or auto")  # a Literal alone would take 1 for true


def _plain(value: Any) -> Any:
    """Free the texts in a free-form value of their mark, so that any JSON encoder takes them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, EnvText) else value


def check_agent_id(value: str) -> str:
    """Return *value*; ValueError says what is wrong with it as an agent's id."""
    if value in RESERVED_IDS:
        raise ValueError(f"is reserved ({', '.join(sorted(RESERVED_IDS))} are); choose another")
    if not re.fullmatch(AGENT_ID_PATTERN, value):
        raise ValueError("should be 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit; rename it")
    return value


def _check_reference(value: str) -> str:
    if not re.fullmatch(REFERENCE_PATTERN, value):
        raise ValueError('should look like "package.module:name"')
    return value


def _check_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(c.isspace() for c in value):
        raise ValueError("should be a whole address such as http://127.0.0.1:11434/v1")
    return value


_as_number = BeforeValidator(_number_from_variable)
Flag = Annotated[bool, Field(strict=True), BeforeValidator(_truth_from_variable)]
Text = Annotated[str, Field(min_length=1)]
AgentId = Annotated[
    str,
    AfterValidator(check_agent_id),
    Field(json_schema_extra={"pattern": f"^{AGENT_ID_PATTERN}$", "not": {"enum": sorted(RESERVED_IDS)}}),
]
Reference = Annotated[
    str, AfterValidator(_check_reference), Field(json_schema_extra={"pattern": REFERENCE_PATTERN})
]
Url = Annotated[str, AfterValidator(_check_url), Field(json_schema_extra={"pattern": "^https?://"})]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False), _as_number]
PositiveNumber = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False), _as_number]
NumberFromZero = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False), _as_number]
PositiveInt = Annotated[int, Field(strict=True, gt=0), _as_number]
IntFromZero = Annotated[int, Field(strict=True, ge=0), _as_number]
Enabled = Annotated[
    Literal[True, False, "auto"], BeforeValidator(_check_enabled), BeforeValidator(_truth_from_variable)
]
Free = Annotated[Any, BeforeValidator(_plain)]

# ── parts ─────────────────────────────────────────────────────────────────────────────────────


class Settings(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )


class Limits(Settings):
    """What an agent may take before it is stopped or held back."""

    timeout_s: PositiveNumber = 300
    """Seconds for a whole attempt."""
    first_token_timeout_s: PositiveNumber = 60
    """Seconds until the first event."""
    idle_timeout_s: PositiveNumber = 60
    """Seconds between two events."""
    tool_timeout_s: PositiveNumber | None = None
    """Seconds for one call of a tool; without it only the other limits hold."""
    approval_timeout_s: PositiveNumber = 300
    """Seconds to wait for the answer to an approval request."""
    max_output_chars: PositiveInt = 200_000
    """Characters of an answer; then the error `output_limit`."""
    max_output_tokens: PositiveInt | None = None
    """Tokens of an answer, as the provider counts them; then the error `budget`."""
    max_cost: PositiveNumber | None = None
    """Cost of an answer in the price table's currency; then the error `budget`."""
    max_chars_per_s: NumberFromZero = 0
    """Paces what the agent says, as a ceiling; 0 is none."""
    mailbox: PositiveInt = 256
    """Events buffered before the agent is held back."""


class RetryPolicy(Settings):
    """When and how often a failed attempt is tried again."""

    attempts: PositiveInt = 3
    """Tries in all, for errors that are `retryable`."""
    backoff_s: NumberFromZero = 0.5
    """Seconds before the second try; doubles, with jitter. A `Retry-After` wins."""
    max_backoff_s: NumberFromZero = 20
    """Seconds that the exponential backoff does not exceed."""
    after_first_token: Flag = False
    """Whether a retry may void text that was sent already."""

    @model_validator(mode="after")
    def _check_order(self) -> RetryPolicy:
        if self.max_backoff_s < self.backoff_s:
            raise ValueError("has a `max_backoff_s` smaller than its `backoff_s`; raise it")
        return self


class Prices(Settings):
    """What a million tokens cost, in a currency of your choice; `limits.max_cost` is in the same."""

    input: NumberFromZero
    """Per million tokens that the model reads."""
    output: NumberFromZero
    """Per million tokens that the model writes, reasoning included."""


class MCPServer(Settings):
    """A tool server that speaks the Model Context Protocol: a program to start, or an address."""

    command: Text | None = None
    """Program to start; speaks over its standard input and output."""
    args: tuple[str, ...] = ()
    env: dict[str, SecretStr] = Field(default_factory=dict)
    url: Url | None = None
    """Address of a server that runs already."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_kind(self) -> MCPServer:
        if (self.command is None) == (self.url is None):
            raise ValueError("should have either `command` (with `args`, `env`) or `url` (with `headers`)")
        if self.url is not None and (self.args or self.env):
            raise ValueError("has a `url`, so `args` and `env` mean nothing; remove them")
        if self.command is not None and self.headers:
            raise ValueError("has a `command`, so `headers` mean nothing; remove them")
        return self


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


# ── agents ────────────────────────────────────────────────────────────────────────────────────


def _title_from_id(data: dict[str, Any]) -> str:
    title: str = data["agent_id"]
    return title


def _api_from_base_url(data: dict[str, Any]) -> Api:
    return "responses" if data["base_url"] is None else "chat_completions"


class AgentSettings(Settings):
    """What every agent has, whatever its backend."""

    agent_id: AgentId
    """Prefix of the agent's events; the file's name without `.yaml` unless given."""
    title: Text = Field(default_factory=_title_from_id)
    """Name that people see; the id unless given."""
    description: str = ""
    """What the agent is for, in a sentence."""
    backend: str
    """What kind of agent it is."""
    default: Flag = False
    """Whether it takes part where a request names no agents."""
    enabled: Enabled = True
    """`auto` leaves the agent out while a variable that it needs is not set."""
    limits: Limits = Field(default_factory=Limits)
    retry: RetryPolicy = Field(default_factory=RetryPolicy)
    on_worker_lost: Literal["fail", "restart"] = "fail"
    """What becomes of an attempt whose process died: the error `worker_lost`, or another attempt besides."""
    prices: Prices | None = None
    """What its tokens cost; none are built in. Needed for `limits.max_cost`."""
    coalesce_ms: IntFromZero = 0
    """Milliseconds to gather tokens for; 0 merges them only while nobody has fetched them."""
    _file: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _check_prices(self) -> Self:
        if self.limits.max_cost is not None and self.prices is None:
            raise ValueError("has `limits.max_cost` but no `prices`; say what a million tokens cost")
        return self

    @property
    def output_cap(self) -> int | None:
        """The most output tokens that the limits can pay for, as far as it is known before."""
        caps = [] if self.limits.max_output_tokens is None else [self.limits.max_output_tokens]
        if self.limits.max_cost is not None and self.prices is not None and self.prices.output:
            caps.append(int(self.limits.max_cost / self.prices.output * 1_000_000))
        return max(1, min(caps)) if caps else None

    @property
    def file(self) -> str:
        """Path of the YAML file, as given; empty for settings that came from none."""
        return self._file

    def model_post_init(self, context: Any, /) -> None:
        """Take the file's path from the validation context."""
        if isinstance(context, Mapping):
            self._file = context["file"]


class OpenAIAgentsSettings(AgentSettings):
    """An agent of the OpenAI Agents SDK: the user's own object (`agent`), or the keys that make one.

    `api`, `base_url`, `api_key`, `transport`, `max_turns` and `tracing` say how it is run and go with both.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["agent"]}, {"required": ["model"]}]})

    backend: Literal["openai-agents"] = "openai-agents"
    agent: Reference | None = None
    """An `agents.Agent` of your own, as "module:attribute"."""
    model: Text | None = None
    """Name of the model."""
    instructions: str | None = None
    """The system prompt."""
    instructions_file: Text | None = None
    """A file that holds the system prompt; its path starts at this file's folder."""
    base_url: Url | None = None
    """Any OpenAI-compatible server."""
    api: Api = Field(default_factory=_api_from_base_url)
    """`responses`, or `chat_completions` where `base_url` is set."""
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

    @model_validator(mode="after")
    def _check_source(self) -> OpenAIAgentsSettings:
        if self.instructions is not None and self.instructions_file is not None:
            raise ValueError("has both `instructions` and `instructions_file`; remove one")
        if self.agent is None:
            if self.model is None:
                raise ValueError('needs `model`, or `agent` ("module:attribute") for an Agent of your own')
            return self
        for key in _AGENT_BRINGS:
            if key in self.model_fields_set and getattr(self, key) is not None:
                raise ValueError(f"has `agent`, which brings its own `{key}`; remove one of the two")
        return self


_AGENT_BRINGS = (
    "model", "instructions", "instructions_file", "model_settings", "tools", "handoffs", "mcp_servers",
)  # fmt: skip


class LettaSettings(AgentSettings):
    """An agent that lives in a Letta server."""

    backend: Literal["letta"] = "letta"
    letta_agent_id: Text
    """The agent's id at the Letta server."""
    base_url: Url | None = None
    """Address of the server; the hosted one unless given."""
    api_key: SecretStr | None = None
    stream_tokens: Flag = True
    """Whether text comes token by token, not message by message."""
    background: Flag = True
    """Whether, where the server offers it, a dropped connection is re-attached instead of failing."""


class FunctionSettings(AgentSettings):
    """An async generator function of the user's own."""

    backend: Literal["function"] = "function"
    stream: Reference
    """The function, as "module:function": `(AgentInput) -> AsyncIterator[str | Event payload]`."""


class OfflineSettings(AgentSettings):
    """A deterministic stand-in that needs no key and no network."""

    backend: Literal["offline"] = "offline"
    instructions: str = ""
    """The system prompt."""
    tools: tuple[Reference, ...] = ()
    """Functions it may call, as "module:function"."""
    tokens_per_s: PositiveNumber = 30
    """How fast it speaks."""
    seed: IntFromZero = 0
    """Chooses among its turns of phrase; the same seed gives the same answer."""


SETTINGS: Mapping[str, type[AgentSettings]] = {
    "openai-agents": OpenAIAgentsSettings,
    "letta": LettaSettings,
    "function": FunctionSettings,
    "offline": OfflineSettings,
}
"""Backend → the class of its settings."""


def _keys_of(annotation: object) -> frozenset[str]:
    """The keys of a mapping with fixed keys; none for any other type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return frozenset(annotation.model_fields)
    if is_typeddict(annotation):
        return frozenset(get_type_hints(annotation))
    return frozenset().union(*map(_keys_of, get_args(annotation)))


def parts_of(model: type[Settings]) -> dict[tuple[str, ...], frozenset[str]]:
    """Return where in *model* a mapping with fixed keys stands (indexes left out), and the keys it may hold."""
    fields = model.model_fields.items()
    return {(name,): keys for name, field in fields if (keys := _keys_of(field.annotation))}

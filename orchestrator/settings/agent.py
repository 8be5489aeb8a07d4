"""The settings of every agent, whatever its kind: names, limits, retries, prices.

The keys of one kind alone are in `backends/<kind>/settings.py`. Owns types, defaults and what fits together within
one agent. Reads no file and imports no SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import (
    Any,
    ClassVar,
    Literal,
    Self,  # pydantic needs this one below Python 3.12
    get_args,
    get_type_hints,
)

from pydantic import BaseModel, Field, PrivateAttr, model_validator
from typing_extensions import is_typeddict

from ..errors import ConfigError, ConfigProblem
from .scalars import (
    AgentId,
    Enabled,
    Flag,
    IntFromZero,
    NumberFromZero,
    PositiveInt,
    PositiveNumber,
    Settings,
    Text,
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
    """Per million tokens that the model writes."""
    cached_input: NumberFromZero | None = None
    """Per million of those read tokens that the provider had in its cache; as `input` unless given."""
    reasoning: NumberFromZero | None = None
    """Per million of those written tokens that are reasoning; as `output` unless given."""


def _title_from_id(data: dict[str, Any]) -> str:
    title: str = data["agent_id"]
    return title


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
    """Whether it takes part if a request names no agents."""
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
    variants: tuple[Text, ...] = ()
    """Keys that a request may change for itself, such as `model_settings.temperature`."""
    variant_models: tuple[Text, ...] = ()
    """The models that it may choose, if `model` is among `variants`."""
    may_vary: ClassVar[tuple[str, ...]] = ()
    """What agents of this kind may list in `variants`."""
    takes_over: ClassVar[bool] = False
    """Whether an agent of this kind can be named in another's `handoffs`."""
    _file: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _check_prices(self) -> Self:
        if self.limits.max_cost is not None and self.prices is None:
            raise ValueError("has `limits.max_cost` but no `prices`; say what a million tokens cost")
        return self

    @model_validator(mode="after")
    def _check_variants(self) -> Self:
        for key in self.variants:
            if key not in self.may_vary:
                known = ", ".join(self.may_vary) or "none for this `backend`"
                raise ValueError(f"has {key[:80]!r} in `variants`; possible are: {known}")
        if ("model" in self.variants) != bool(self.variant_models):
            raise ValueError(
                "has one of `variant_models` and `model` in `variants`; the one needs the other, to say which models"
            )
        if self.variant_models and self.limits.max_cost is not None:
            raise ValueError("has `limits.max_cost`, and what `variant_models` cost is not known; remove one")
        return self

    @property
    def output_cap(self) -> int | None:
        """The most output tokens that the limits can pay for, as far as it is known before."""
        caps = [] if self.limits.max_output_tokens is None else [self.limits.max_output_tokens]
        prices, most = self.prices, self.limits.max_cost
        dearest = 0.0 if prices is None else max(prices.output, prices.reasoning or 0.0)
        if most is not None and dearest:
            caps.append(int(most / dearest * 1_000_000))
        return max(1, min(caps)) if caps else None

    @property
    def file(self) -> str:
        """Path of the YAML file, as given; empty for settings that came from none."""
        return self._file

    @property
    def hands_off_to(self) -> tuple[str, ...]:
        """Ids of the agents that may take over from this one."""
        return ()

    @property
    def named_model(self) -> str | None:
        """The model that the settings name; None if they name none."""
        return None

    @property
    def hints(self) -> tuple[str, ...]:
        """What `orchestrator check` says of settings that are right, and may yet not do what their writer thinks."""
        return ()

    @property
    def source(self) -> str:
        """What a problem names as its place: the file, or else the agent."""
        return self.file or f"agent {self.agent_id}"

    def problem(self, key: str, message: str) -> ConfigError:
        """Return the error that says what is wrong with the value of *key*."""
        return ConfigError([ConfigProblem(self.source, None, key, message)])

    def model_post_init(self, context: Any, /) -> None:
        """Take the file's path from the validation context."""
        if isinstance(context, Mapping):
            self._file = context["file"]


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

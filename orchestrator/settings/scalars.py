"""The types of the values in agents' and panels' files: what is read as a number, a truth, an id or an address.

YAML says what is a number and what is text, so numbers are strict: `"3"`, `yes` and `true` are no number. A
variable is always text, so its text is read as the type that the key wants. No message holds a value, because
a value may be a secret; `config` adds it if it may be shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ..events.base import AGENT_ID_PATTERN, RESERVED_IDS
from .environment import EnvText

REFERENCE_PATTERN = r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*$"
_TRUTH = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)


class Settings(BaseModel):
    """A mapping with fixed keys: no unknown ones, and frozen once it is checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


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

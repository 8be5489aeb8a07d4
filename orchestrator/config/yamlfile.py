"""One YAML file as plain data that still knows its lines; knows nothing of agents.

YAML 1.2 is read into ruamel.yaml's nodes and turned into data here, not by its constructor, because a
constructor stops at the first duplicate key and forgets where every value stood.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLWarning
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from ..errors import ConfigError, ConfigProblem
from ..settings.environment import EnvText, expand

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys of mappings and indexes of lists, from the top."""

MAX_FILE_BYTES = 1_000_000
MAX_SECRET_BYTES = 64 * 1024
"""Of a file that a value names by ``${file:…}``."""

MAX_DEPTH = 32
MAX_VALUES = 10_000  # aliases of aliases grow exponentially ("billion laughs"); a real file has dozens
_TYPED_SCALARS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))
_TEXT_SCALARS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "timestamp", "merge", "value"))


@dataclass(frozen=True, slots=True)
class MissingVariable:
    """A variable that a value needs and nobody set, or a file that cannot be read (`is_file`)."""

    name: str
    path: KeyPath
    line: int
    is_file: bool = False

    @property
    def reason(self) -> str:
        """What is wrong with it, in the words of a message."""
        if self.is_file:
            return f"the file {self.name} cannot be read, or is empty"
        return f"the variable {self.name} is not set"

    @property
    def fallback(self) -> str:
        """How to give it a fallback."""
        return f"${{{'file' if self.is_file else 'env'}:{self.name}:-…}}"


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file's top-level mapping.

    Args:
        file: The path as given.
        data: Mappings, lists and scalars. Strings that came from a variable are `EnvText`; if one is
            empty (``${env:NAME:-}``, or the variable is missing) a mapping leaves its key out.
        lines: The line of each value, counted from 1: of its key in a mapping, of itself in a list.
        missing: Variables that are not set, and files that cannot be read.
        problems: Duplicate keys, keys that are no strings, unknown tags, malformed references.
    """

    file: str
    data: dict[str, Any]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    missing: tuple[MissingVariable, ...] = ()
    problems: tuple[ConfigProblem, ...] = ()

    def line(self, path: KeyPath) -> int | None:
        """Return the line of the value at *path*, else that of the nearest value around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None

    def value(self, path: KeyPath) -> Any:
        """Return the value at *path* as the file has it, None if there is none."""
        found: Any = self.data
        for step in path:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def problem(self, path: KeyPath, message: str) -> ConfigProblem:
        """Say *message* about the value at *path*."""
        return ConfigProblem(self.file, self.line(path), key_name(path), message)


def key_name(path: KeyPath) -> str:
    """Spell *path* as people write it: ``limits.timeout_s``, ``tools[1]``."""
    name = ""
    for step in path:
        if isinstance(step, int):
            name += f"[{step}]"
        else:
            shown = step if step.isprintable() else ascii(step)
            name += f".{shown}" if name else shown
    return name


def read_yaml(path: Path, environ: Mapping[str, str], *, example: str = "backend: offline") -> YamlFile:
    """Read the file at *path* and fill in its variables from *environ*.

    Args:
        example: What such a file must hold, for the message about one that holds nothing.
    Raises:
        ConfigError: The file cannot be read as YAML with a mapping at the top.
    """
    try:
        with path.open("rb") as stream:
            source = stream.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise _unreadable(str(path), None, f"cannot be read ({exc.strerror}); check the file") from exc
    return parse_yaml(source, file=str(path), environ=environ, example=example)


def parse_yaml(
    source: bytes, *, file: str, environ: Mapping[str, str], example: str = "backend: offline"
) -> YamlFile:
    """Read *source*; as `read_yaml`, without the file."""
    if len(source) > MAX_FILE_BYTES:
        raise _unreadable(file, None, f"is larger than {MAX_FILE_BYTES:,} bytes; is it the right file?")
    text = decode_utf8(source, file=file)
    node, yaml = _compose(text, file)
    if node is None:
        raise _unreadable(file, None, f"is empty; write at least `{example}`")
    if not isinstance(node, MappingNode):
        line = node.start_mark.line + 1
        raise _unreadable(file, line, f"should hold keys and values at the top, such as `{example}`")
    builder = _Builder(file, text.splitlines(), environ, yaml)
    data = builder.mapping(node, ())
    return YamlFile(file, data, builder.lines, tuple(builder.missing), tuple(builder.problems))


def decode_utf8(source: bytes, *, file: str) -> str:
    """Decode *source*, without a byte order mark.

    Raises:
        ConfigError: It is not UTF-8.
    """
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        message = f"is not UTF-8 (byte 0x{exc.object[exc.start]:02x}); save it as UTF-8"
        raise _unreadable(file, line, message) from exc


def _unreadable(file: str, line: int | None, message: str) -> ConfigError:
    return ConfigError([ConfigProblem(file, line, "", message)])


def _compose(text: str, file: str) -> tuple[Node | None, YAML]:
    yaml = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", YAMLWarning)  # an anchor's name used again is legal
            return yaml.compose(text), yaml
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        what = ", ".join(part for part in (exc.context, exc.problem) if part)
        if mark and "${" in "".join(text.splitlines()[mark.line : mark.line + 1]):
            what += '; inside { } and [ ] a variable needs quotes: "${env:NAME}"'
        raise _unreadable(file, mark.line + 1 if mark else None, f"is not valid YAML: {what}") from exc
    except ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        raise _unreadable(file, line, f"is not valid YAML: {exc.reason}; remove that character") from exc
    except RecursionError as exc:
        raise _too_deep(file, None) from exc
    except (YAMLError, ValueError, ArithmeticError) as exc:
        # ruamel.yaml's scanner lets the latter two out for "\UFFFFFFFF" and for %YAML with 5,000 digits.
        raise _unreadable(file, None, f"is not valid YAML ({exc}); look for odd escapes") from exc


def _too_deep(file: str, line: int | None) -> ConfigError:
    return _unreadable(file, line, f"is nested more than {MAX_DEPTH} levels deep; flatten it")


class _Builder:
    """Turns nodes into data and remembers lines, missing variables and problems on the way."""

    def __init__(self, file: str, source: list[str], environ: Mapping[str, str], yaml: YAML) -> None:
        self._file = file
        self._source = source
        self._environ = environ
        self._constructor = yaml.constructor
        self._values = 0
        self.lines: dict[KeyPath, int] = {}
        self.missing: list[MissingVariable] = []
        self.problems: list[ConfigProblem] = []

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode) or str(key_node.tag) not in _TEXT_SCALARS:
                self._report(path, line, "has a key that is no text; put it in quotes")
                continue
            key = key_node.value
            at = (*path, key)
            if key in seen:
                self._report(at, line, f"stands twice, first in line {seen[key]}; remove one")
                continue
            seen[key] = line
            self.lines[at] = line
            value = self._build(value_node, at)
            if value or not isinstance(value, EnvText):
                data[key] = value
        return data

    def _sequence(self, node: SequenceNode, path: KeyPath) -> list[Any]:
        data = []
        for index, item in enumerate(node.value):
            at = (*path, index)
            self.lines[at] = item.start_mark.line + 1
            data.append(self._build(item, at))
        return data

    def _build(self, node: Node, path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        self._values += 1
        if self._values > MAX_VALUES:
            raise _unreadable(self._file, line, f"has more than {MAX_VALUES:,} values; shorten it")
        if len(path) > MAX_DEPTH:
            raise _too_deep(self._file, line)
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            return self._sequence(node, path)
        return self._scalar(node, path)

    def _scalar(self, node: Node, path: KeyPath) -> Any:
        tag = str(node.tag)
        if tag in _TEXT_SCALARS:
            return self._text(node, path)
        line = node.start_mark.line + 1
        if tag not in _TYPED_SCALARS:
            self._report(path, line, f"has the tag {tag}, which means nothing here; remove it")
            return None
        try:
            return self._constructor.construct_object(node)
        except (YAMLError, ValueError, LookupError, ArithmeticError) as exc:
            self._report(path, line, f"is no {tag.rpartition(':')[2]} ({type(exc).__name__}); correct it")
            return None

    def _text(self, node: Node, path: KeyPath) -> str:
        expansion = expand(node.value, self._environ, self._read_file)
        for name in expansion.missing:
            line = self._line_of(node, f"${{env:{name}}}")
            self.missing.append(MissingVariable(name, path, line))
        for name in expansion.unread:
            line = self._line_of(node, f"${{file:{name}}}")
            self.missing.append(MissingVariable(name, path, line, is_file=True))
        for broken in expansion.malformed:
            message = (
                f"{broken!r} is malformed; write ${{env:NAME}}, ${{env:NAME:-fallback}} or ${{file:PATH}}"
            )
            self._report(path, self._line_of(node, broken), message)
        return EnvText() if expansion.missing or expansion.unread else expansion.text

    def _read_file(self, name: str) -> str | None:
        """Return what a file holds, without the line end that most editors add; a relative name is from the folder."""
        path = Path(self._file).parent / name
        try:
            if not path.is_file():  # a pipe might never end
                return None
            with path.open("rb") as stream:
                content = stream.read(MAX_SECRET_BYTES + 1)
            return content.decode().rstrip("\r\n") if len(content) <= MAX_SECRET_BYTES else None
        except (OSError, ValueError):
            return None

    def _line_of(self, node: Node, text: str) -> int:
        first: int = node.start_mark.line
        for index in range(first, min(node.end_mark.line + 1, len(self._source))):
            if text in self._source[index]:
                return index + 1
        return first + 1

    def _report(self, path: KeyPath, line: int, message: str) -> None:
        self.problems.append(ConfigProblem(self._file, line, key_name(path), message))


def is_from_variable(value: object) -> bool:
    """Return whether *value*, or anything in it, came from a variable and must not be shown."""
    if isinstance(value, Mapping):
        return any(map(is_from_variable, value.values()))
    if isinstance(value, list):
        return any(map(is_from_variable, value))
    return isinstance(value, EnvText)

"""The tokens that callers must have: given, or in a file that is read again when it changes. Owns no route."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import string
import time
from collections.abc import Mapping
from pathlib import Path

import structlog
from aiohttp import hdrs, web

from ....errors import ConfigError, ConfigProblem
from ..problem import ProblemError

log = structlog.get_logger(__name__)

WEBSOCKET_PROTOCOL = "orchestrator.v1"
TOKEN_PROTOCOL_PREFIX = "bearer."  # noqa: S105  the name of a place for a token, not a token
"""A browser's WebSocket can set no header: it offers this and the token in base64url beside ours."""

TOKEN_BITS = 128
LOOK_SECONDS = 1.0
"""How late a change of the file is seen, at most."""

TOKEN_NAME = web.RequestKey("token_name", str)
"""Which token a request had, by its name; for the log."""

_CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits)


class Tokens:
    """The tokens of one kind by their names.

    Args:
        token: One that was given as it is, of the name `token`.
        file: Further ones, one a line: `token`, or `name token`; a line that begins with # is none. It is looked at
            again when it changes, so that tokens rotate without a restart.
    """

    def __init__(self, token: str | None = None, file: Path | None = None) -> None:
        self._given = {"token": token} if token else {}
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._looked_at = 0.0
        self._tokens: dict[str, str] = dict(self._given)
        if file is not None:
            self._tokens = self._given | read_tokens(file)
            self._seen = _stamp(file)

    @property
    def wanted(self) -> bool:
        """Whether there is any, so that everybody must have one."""
        return bool(self._given) or self._file is not None

    @property
    def all(self) -> Mapping[str, str]:
        """Return the tokens that count just now, by their names."""
        now = time.monotonic()
        if self._file is not None and now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._tokens

    def name_of(self, offered: bytes) -> str | None:
        """Return the name of the token that was offered; None: it is none of ours. Compares all, in constant time."""
        found = None
        for name, token in self.all.items():
            if hmac.compare_digest(offered, token.encode()):
                found = name
        return found

    def _look(self) -> None:
        if self._file is None or (stamp := _stamp(self._file)) == self._seen:
            return
        self._seen = stamp
        try:
            self._tokens = self._given | read_tokens(self._file)
        except ConfigError as exc:
            # The old ones hold: a file that is just being written must lock nobody out.
            log.error("tokens_not_read", error=str(exc))
        else:
            log.info("tokens_read", names=sorted(self._tokens))


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def read_tokens(file: Path) -> dict[str, str]:
    """Read a file of tokens.

    Raises:
        ConfigError: It cannot be read, or holds none or a wrong one; no token is in the message.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as exc:
        raise _wrong("--token-file", f"{file} cannot be read ({type(exc).__name__})") from exc
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        *names, token = line.split()
        name = names[0] if names else f"token-{number}"
        if len(names) > 1 or not _can_be_sent(token):
            raise _wrong("--token-file", f"{file}: line {number} is neither a token nor a name and a token")
        if name in found:
            raise _wrong("--token-file", f"{file}: line {number} has the name of an earlier one")
        found[name] = token
    if not found:
        raise _wrong("--token-file", f"{file} holds no token")
    return found


def check_strength(tokens: Mapping[str, str], *, option: str = "--token") -> None:
    """Refuse a token that may be guessed, for a server that others can reach.

    Raises:
        ConfigError: One has fewer than `TOKEN_BITS`, even if its characters were chosen at random.
    """
    for name, token in tokens.items():
        if bits_of(token) < TOKEN_BITS:
            message = (
                f"the token {name!r} has less than {TOKEN_BITS} bits, which is too few if other machines can reach "
                "the server; make one with: openssl rand -hex 32"
            )
            raise _wrong(option, message)


def bits_of(token: str) -> float:
    """Return how many bits a token has at most: its length, in the alphabet that it shows, as far as it varies."""
    rest = set(token) - set("".join(_CLASSES))
    alphabet = sum(len(each) for each in _CLASSES if set(token) & set(each)) + (32 if rest else 0)
    return len(token) * min(math.log2(max(alphabet, 2)), 1.5 * math.log2(len(set(token)) or 1))


def check_sendable(token: str | None) -> None:
    """Raise ConfigError if a token cannot be sent in a header."""
    if token is not None and not _can_be_sent(token):
        raise _wrong("--token", "must be one or more printable ASCII characters without a space")


def require_token(request: web.Request, tokens: Tokens) -> None:
    """Let a request through whose token is one of ours.

    Raises:
        ProblemError: 401 there is none, or another; 400 it was offered in a wrong way.
    """
    offered = _websocket_token(request)
    if not tokens.wanted:
        return
    scheme, _, credentials = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer":
        offered = credentials.strip().encode("utf-8", "surrogateescape")
    if offered is None:
        raise _unauthorized(
            "This needs a token: send `Authorization: Bearer …`.", 'Bearer realm="orchestrator"'
        )
    name = tokens.name_of(offered)
    if name is None:
        challenge = 'Bearer realm="orchestrator", error="invalid_token"'
        raise _unauthorized("The token is not right.", challenge)
    request[TOKEN_NAME] = name


def _can_be_sent(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def _wrong(key: str, message: str) -> ConfigError:
    return ConfigError([ConfigProblem("orchestrator serve", None, key, message)])


def _websocket_token(request: web.Request) -> bytes | None:
    """Return the token that an upgrade offers as a subprotocol, None if there is none.

    Raises:
        ProblemError: 400, a token without our own subprotocol: aiohttp would find none that it knows, and
            write all of them into its log.
    """
    offers = [
        part.strip()
        for value in request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])
        for part in value.split(",")
    ]
    tokens = [
        part.removeprefix(TOKEN_PROTOCOL_PREFIX) for part in offers if part.startswith(TOKEN_PROTOCOL_PREFIX)
    ]
    if not tokens:
        return None
    if WEBSOCKET_PROTOCOL not in offers or len(tokens) > 1:
        raise ProblemError(
            400, f"Offer the subprotocols {WEBSOCKET_PROTOCOL} and one {TOKEN_PROTOCOL_PREFIX}…."
        )
    padded = tokens[0] + "=" * (-len(tokens[0]) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _unauthorized(detail: str, challenge: str) -> ProblemError:
    return ProblemError(401, detail, headers={hdrs.WWW_AUTHENTICATE: challenge})

"""Decides who may talk to the server: Host and Origin allow-lists, CORS, the token, the headers that guard answers.

Owns no route and no limit. The token guards everything below `/v1`. Open without it are `/` and its assets,
`/docs`, `/openapi.json`, `/healthz`, `/readyz` and `/metrics` (agents' ids and numbers, no content).
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from multidict import istr

from ....errors import ConfigError, ConfigProblem
from ..problem import ProblemError
from .origin import (
    Authority,
    Origin,
    is_loopback_name,
    parse_address,
    parse_authority,
    parse_origin,
    same_authority,
)
from .proxies import TrustedProxies
from .tokens import Tokens, check_sendable, check_strength, require_token

SECURITY_HEADERS = {
    istr("X-Content-Type-Options"): "nosniff",
    # `no-referrer` would turn the Origin of our own page's same-origin requests into "null".
    istr("Referrer-Policy"): "same-origin",
    istr("Cross-Origin-Resource-Policy"): "same-origin",
    istr("Content-Security-Policy"): (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
}
CORS_METHODS = "GET, POST, DELETE"
CORS_REQUEST_HEADERS = "Authorization, Content-Type, Accept, Last-Event-ID, Idempotency-Key"
CORS_EXPOSED_HEADERS = "Run-Id, Location, Retry-After"
PREFLIGHT_MAX_AGE_SECONDS = 600

OPERATORS_PATHS = frozenset({"/metrics", "/readyz"})
DOCS_PATHS = frozenset({"/docs", "/openapi.json"})

API_RESOURCES = web.AppKey("api_resources", frozenset[web.AbstractResource])
_SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_NULL_ORIGIN = "null"


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """The rules that `orchestrator serve` was given.

    Args:
        host: The address or name the server binds.
        token: Asked for on everything under `/v1`; None asks for none. token_file: Further ones, as `Tokens` has it.
        metrics_token: Asked for on `/metrics` and `/readyz`.
        trusted_proxies: Networks whose `X-Forwarded-…` is believed, as `TrustedProxies` has it.
        root_path: What the addresses that we give out begin with, unless a trusted proxy says otherwise.
        allow_hosts: Further `Host` values, each with or without a port; without one, any port. `*.name` is every
            name below it, and not the name itself.
        allow_origins: Origins of foreign pages that may call, as in ``https://app.example``; or ``null``.
        admin_port: Where alone operators' pages are answered, and nothing else but `/healthz`; None: everywhere.
        uds: The Unix socket over which clients come, in place of a port.
    """

    host: str = "127.0.0.1"
    token: str | None = None
    token_file: Path | None = None
    metrics_token: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    root_path: str = ""
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    admin_port: int | None = None
    uds: Path | None = None


def check_bind(host: str, token: str | None, token_file: Path | None = None) -> None:
    """Refuse to serve other machines without a token. Resolves names, so it may block.

    Raises:
        ConfigError: *host* is not loopback alone and there is no token, or one that may be guessed; or a token cannot
            be sent.
    """
    check_sendable(token)
    tokens = Tokens(token, token_file)
    if tokens.wanted:
        try:
            alone = _binds_loopback_only(host)
        except ConfigError:
            return  # the listener names an address that there is not
        if not alone:
            check_strength(tokens.all)
    if not tokens.wanted and not _binds_loopback_only(host):
        message = (
            f"{host or 'every address'!r} can be reached from other machines, so a token is needed: "
            "set ORCHESTRATOR_TOKEN (or --token), or bind 127.0.0.1"
        )
        raise _config_error("--host", message)


def _binds_loopback_only(host: str) -> bool:
    if not host:
        return False  # the socket layer takes an empty host for every address
    address = parse_address(host)
    if address is not None:
        return address.is_loopback
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise _config_error("--host", f"{host!r} cannot be resolved") from exc
    return all(is_loopback_name(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found)


def _config_error(key: str, message: str) -> ConfigError:
    return ConfigError([ConfigProblem("orchestrator serve", None, key, message)])


class HostRule:
    """The `Host` values that are ours; a name that an attacker points at us (DNS rebinding) is not.

    An address bound to every interface is reached by addresses nobody listed. Rebinding needs a name, so
    there an address literal is taken as it is.
    """

    def __init__(self, settings: SecuritySettings) -> None:
        self._allowed = [self._parse(text) for text in settings.allow_hosts if not text.startswith("*.")]
        self._below = [self._parse(text[2:]) for text in settings.allow_hosts if text.startswith("*.")]
        bound = parse_address(settings.host)
        self._bound = parse_authority(f"[{settings.host}]" if ":" in settings.host else settings.host)
        self._any_address = not settings.host or (bound is not None and bound.is_unspecified)

    @staticmethod
    def _parse(text: str) -> Authority:
        found = parse_authority(text) or parse_authority(f"[{text}]")
        if found is None:
            raise _config_error(
                "--allow-host", f"{text!r} is no host; write name, *.name, name:port or [address]:port"
            )
        return found

    def allows(self, authority: Authority) -> bool:
        if is_loopback_name(authority.host):
            return True
        if any(authority.host == a.host and a.port in (None, authority.port) for a in self._allowed):
            return True
        address = authority.address
        if address is None and any(
            authority.host.endswith(f".{a.host}") and a.port in (None, authority.port) for a in self._below
        ):
            return True
        if address is not None and address.is_unspecified:
            return False  # browsers let pages reach 0.0.0.0, and it is nobody's address
        if self._bound is not None and authority.host == self._bound.host:
            return True
        return self._any_address and address is not None


class OriginRule:
    """The foreign pages that may call."""

    def __init__(self, settings: SecuritySettings) -> None:
        self._null = _NULL_ORIGIN in settings.allow_origins
        self._allowed = {self._parse(text) for text in settings.allow_origins if text != _NULL_ORIGIN}

    @staticmethod
    def _parse(text: str) -> Origin:
        found = parse_origin(text.removesuffix("/"))
        if found is None:
            raise _config_error("--allow-origin", f"{text!r} is no origin; write scheme://host[:port]")
        return found

    def lists(self, text: str) -> bool:
        """Whether the allow-list names the origin *text*."""
        if text == _NULL_ORIGIN:
            return self._null
        return parse_origin(text) in self._allowed

    def allows(self, text: str, request: web.Request) -> bool:
        """Whether *text* is on the list, or is where *request* itself goes."""
        origin, authority = parse_origin(text), parse_authority(request.headers.get(hdrs.HOST, ""))
        if origin is None or authority is None:
            return self.lists(text)
        return same_authority(origin, authority, secure=request.secure) or self.lists(text)


def setup_security(app: web.Application, settings: SecuritySettings) -> None:
    """Guard *app*; call it after `setup_problems`, so that refusals become problems.

    Raises:
        ConfigError: An entry of an allow-list cannot be read.
    """
    hosts, origins = HostRule(settings), OriginRule(settings)
    app.middlewares.append(_guard(hosts, origins, settings))

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        _add_cors(request, response, origins)

    app.on_response_prepare.append(add_headers)


def mark_api(app: web.Application) -> None:
    """Remember which of *app*'s routes are the API's, wherever it is mounted later. Call it once they are added."""
    app[API_RESOURCES] = frozenset(r for r in app.router.resources() if _is_v1(r.canonical))


def _guard(hosts: HostRule, origins: OriginRule, settings: SecuritySettings) -> Middleware:
    tokens, reading = Tokens(settings.token, settings.token_file), Tokens(settings.metrics_token)
    proxies = TrustedProxies(settings.trusted_proxies)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        proxies.note(request, settings.root_path)
        _check_host(request, hosts)
        if settings.admin_port is not None:
            _check_port(request, settings.admin_port, settings.uds)
        _check_origin(request, origins)
        if _is_preflight(request):
            return _preflight(request)
        if under_v1(request):
            require_token(request, tokens)
        elif reading.wanted and request.path in OPERATORS_PATHS:
            require_token(request, reading)
        return await handler(request)

    return guard


def _check_port(request: web.Request, admin_port: int, uds: Path | None) -> None:
    """Answer operators' pages on their own port, and nothing else there."""
    path = request.path
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    if path == "/healthz" or (isinstance(name, str) and name != str(uds)):
        return  # our own workers ask each other over sockets of the file system
    is_operators = path in OPERATORS_PATHS | DOCS_PATHS or path.startswith("/docs/")
    if is_operators != (isinstance(name, tuple) and name[1] == admin_port):
        raise ProblemError(404, "There is no such page on this port.")


def under_v1(request: web.Request) -> bool:
    """Whether the request is for the API: by its path, and by the route it matched, whatever the spelling."""
    resource = request.match_info.route.resource
    return _is_v1(request.path) or resource in request.app.get(API_RESOURCES, frozenset())


def _is_v1(path: str) -> bool:
    return path == "/v1" or path.startswith("/v1/")


# ── Host and Origin ───────────────────────────────────────────────────────────────────────────


def _check_host(request: web.Request, rule: HostRule) -> None:
    values = request.headers.getall(hdrs.HOST, [])
    authority = parse_authority(values[0]) if len(values) == 1 else None
    if authority is None:
        raise ProblemError(400, "The request needs exactly one valid Host header.")
    target = _target_authority(request)
    if not rule.allows(authority) or (target is not None and not rule.allows(target)):
        raise ProblemError(403, "This server does not answer for that Host; --allow-host adds one.")


def _target_authority(request: web.Request) -> Authority | None:
    """Return the host that an absolute-form target names, which counts more than `Host`; None for the usual form.

    Source: RFC 9112, 3.2.2.
    """
    target = request.raw_path
    if target.startswith("/") or target == "*":
        return None
    scheme, separator, rest = target.partition("://")
    authority = parse_authority(re.split(r"[/?#]", rest, maxsplit=1)[0]) if separator else None
    if authority is None or scheme.lower() not in ("http", "https"):
        raise ProblemError(400, "The request's target must be a path.")
    return authority


def _check_origin(request: web.Request, rule: OriginRule) -> None:
    """Refuse what a foreign page sends: all of it below /v1, elsewhere what could change something."""
    guarded = under_v1(request) or request.method not in _SAFE_METHODS or _is_preflight(request)
    if not guarded:
        return
    values = request.headers.getall(hdrs.ORIGIN, [])
    if len(values) > 1 or any(not rule.allows(value, request) for value in values):
        raise ProblemError(403, "Pages of that Origin may not call this server; --allow-origin adds one.")
    if not values and _is_foreign_fetch(request):
        raise ProblemError(403, "Pages of other sites may not call this server.")


def _is_foreign_fetch(request: web.Request) -> bool:
    """Whether a browser says that another site's page caused this; a link that a person follows may read.

    Source: W3C Fetch Metadata. A request without these headers is from no current browser.
    """
    if request.headers.get("Sec-Fetch-Site") not in ("cross-site", "same-site"):
        return False
    follows_link = request.headers.get("Sec-Fetch-Mode") == "navigate" and (
        request.headers.get("Sec-Fetch-Dest") == "document"
    )
    return not (follows_link and request.method in _SAFE_METHODS)


# ── CORS ──────────────────────────────────────────────────────────────────────────────────────


def _is_preflight(request: web.Request) -> bool:
    headers = request.headers
    return (
        request.method == hdrs.METH_OPTIONS
        and hdrs.ORIGIN in headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in headers
    )


def _preflight(request: web.Request) -> web.Response:
    """Answer a preflight of an origin that was let through; it carries no token, and needs none."""
    response = web.Response(status=204)
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = CORS_METHODS
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = CORS_REQUEST_HEADERS
    response.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = str(PREFLIGHT_MAX_AGE_SECONDS)
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        response.headers["Access-Control-Allow-Private-Network"] = "true"
    return response


def _add_cors(request: web.Request, response: web.StreamResponse, rule: OriginRule) -> None:
    if not under_v1(request) and not _is_preflight(request):
        return
    vary = response.headers.get(hdrs.VARY)
    response.headers[hdrs.VARY] = f"{vary}, Origin" if vary else "Origin"
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and rule.lists(origin):
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = CORS_EXPOSED_HEADERS

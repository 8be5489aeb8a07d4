"""Covers `orchestrator/server/http/guards/tokens.py`: the tokens that callers must have."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from orchestrator.errors import ConfigError
from orchestrator.server.http.guards import tokens as module
from orchestrator.server.http.guards.tokens import (
    TOKEN_NAME,
    Tokens,
    bits_of,
    check_sendable,
    check_strength,
    read_tokens,
    require_token,
)
from orchestrator.server.http.problem import ProblemError

STRONG = "6f1c9b0d4e8a27355bd0c41f9e7a8832"


@pytest.mark.parametrize(
    ("token", "strong"),
    [
        (STRONG, True), ("hV3x-9QeTz_Lw7RkP2mYbA", True), ("a" * 64, False), ("12345678901234567890", False),
        ("correct-horse", False), ("abab" * 20, False),
    ],
)  # fmt: skip
def test_a_token_has_128_bits_where_others_can_reach_us(token: str, strong: bool) -> None:
    assert (bits_of(token) >= 128) is strong


def test_tokens_rotate_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old and new ones count beside each other; a file that is just being written locks nobody out."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    file = tmp_path / "tokens"
    file.write_text(f"# of last year\nold {STRONG}\n")
    tokens = Tokens("given", file)
    assert (tokens.name_of(STRONG.encode()), tokens.name_of(b"given"), tokens.name_of(b"x")) == (
        "old",
        "token",
        None,
    )
    file.write_text(f"old {STRONG}\nnew {STRONG}2\n")
    assert tokens.name_of(f"{STRONG}2".encode()) == "new"
    file.write_text("")
    assert tokens.name_of(STRONG.encode()) == "old"
    file.write_text(f"new {STRONG}2\nother {STRONG}34\n")
    assert tokens.name_of(STRONG.encode()) is None
    for wrong in ("", "a b c\n", "name \u00e9\n", "a x\na y\n"):
        file.write_text(wrong)
        with pytest.raises(ConfigError) as caught:
            Tokens(None, file)
        assert "x" not in str(caught.value).replace("--token-file", "").replace(str(file), "")


def test_a_weak_token_is_named_and_not_said() -> None:
    check_strength({"a": STRONG})
    with pytest.raises(ConfigError, match="'weak'") as caught:
        check_strength({"a": STRONG, "weak": "hunter2"}, option="--metrics-token")
    assert "hunter2" not in str(caught.value)
    assert caught.value.problems[0].key == "--metrics-token"


@pytest.mark.parametrize("token", ["", " ", "a b", "tök", "a\nb"])
def test_what_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="--token"):
        check_sendable(token)


def test_lines_are_tokens_with_or_without_a_name(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# comment\n\none\nann two\n")
    assert read_tokens(file) == {"token-3": "one", "ann": "two"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        read_tokens(tmp_path / "none")


def test_a_file_that_breaks_while_serving_is_logged_without_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    file = tmp_path / "tokens"
    file.write_text("ann s3cret\n")
    tokens = Tokens(None, file)
    file.write_text("ann s3cret too many\n")
    with capture_logs() as logs:
        assert tokens.name_of(b"s3cret") == "ann"
    assert [log["event"] for log in logs] == ["tokens_not_read"]
    assert "s3cret" not in str(logs)


def offered(**headers: str) -> str | None:
    """Ask with a token; return the name under which it was let through."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = make_mocked_request("GET", "/", headers=named)
    require_token(request, Tokens(STRONG))
    return request.get(TOKEN_NAME)


def as_protocol(token: str) -> str:
    return f"orchestrator.v1, bearer.{base64.urlsafe_b64encode(token.encode()).decode().rstrip('=')}"


def test_a_token_is_taken_from_the_header_or_from_a_websockets_offer() -> None:
    assert offered(Authorization=f"Bearer {STRONG}") == "token"
    assert offered(Authorization=f"bearer  {STRONG} ") == "token"
    assert offered(Sec_WebSocket_Protocol=as_protocol(STRONG)) == "token"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401), ({"Authorization": f"Basic {STRONG}"}, 401), ({"Authorization": "Bearer x"}, 401),
        ({"Authorization": "Bearer tök"}, 401), ({"Sec_WebSocket_Protocol": as_protocol("x")}, 401),
        ({"Sec_WebSocket_Protocol": "orchestrator.v1, bearer.!"}, 401), ({"Sec_WebSocket_Protocol": "bearer.eA"}, 400),
        ({"Sec_WebSocket_Protocol": "orchestrator.v1, bearer.eA, bearer.eA"}, 400),
    ],
)  # fmt: skip
def test_without_a_right_token_nobody_gets_in(headers: dict[str, str], status: int) -> None:
    with pytest.raises(ProblemError) as caught:
        offered(**headers)
    assert caught.value.problem.status == status


def test_where_no_token_is_wanted_everybody_gets_in() -> None:
    request = make_mocked_request("GET", "/")
    require_token(request, Tokens())
    assert TOKEN_NAME not in request

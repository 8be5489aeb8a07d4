"""Covers `orchestrator/telemetry/redaction.py`: what looks like a credential inside of a text."""

from __future__ import annotations

import pytest

from orchestrator.telemetry import redaction
from orchestrator.telemetry.redaction import REDACTED, redact_text


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2hunter2",
        "authorization: basic aHVudGVyMjpodW50ZXIy hunter",
        "redis://:hunter2@db:6379/0",
        "postgres://me:hunter2@db/x",
        "Incorrect API key provided: sk-hunter2hunter2hunter2",
        "GET /v1/x?access_token=hunter2&a=1",
        "api_key=hunter2",
        "offered bearer.aHVudGVyMg",
        "{'api_key': 'hunter2', 'model': 'm'}",
        '{"client_secret": "hunter2"}',
        "Client(api_key='hunter2', timeout=3)",
        'password = "hunter2 hunter2"',
        "{'Authorization': 'hunter2'}",
        "authorization: hunter2",
        "MY_SERVICE_TOKEN=hunter2",
        "no such user: ghp_hunter2hunter2hunter2",
        "xoxb-hunter2-hunter2-hunter2",
        "AKIAhunter2hunter2",
        "eyJhunter2.hunter2.hunter2",
    ],
)
def test_credentials_inside_texts_are_blanked(text: str) -> None:
    cleaned = redact_text(text)
    assert REDACTED in cleaned
    for secret in ("hunter2", "aHVudGVyMg", "aHVudGVyMjpodW50ZXIy"):
        assert secret not in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "Listening on http://127.0.0.1:8080/",
        "the bearer of news",
        "a risk-free task",
        "tokens=12",
        "12 s",
        "Unexpected token: )",
        "{'output_tokens': 12}",
        "author: me",
        "max_tokens=200",
    ],
)
def test_ordinary_texts_are_kept(text: str) -> None:
    assert redact_text(text) == text


def test_what_is_kept_of_harmless_texts_holds_no_credential_and_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Short texts come in most lines and are looked through once; a key is never among what is kept."""
    kept: set[str] = set()
    monkeypatch.setattr(redaction, "_HARMLESS", kept)
    for n in range(2 * redaction._MAX_HARMLESS):
        assert redact_text(f"agent {n}") == f"agent {n}"
    assert 0 < len(kept) <= redaction._MAX_HARMLESS
    for _ in range(2):
        assert "hunter22" not in redact_text("token=hunter22")
    assert redact_text("x" * 5000) == "x" * 5000
    assert all("hunter22" not in text and len(text) < 5000 for text in kept)

"""Covers `orchestrator/server/http/guards/origin.py`: hosts and origins as browsers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.server.http.guards.origin import (
    Authority,
    Origin,
    is_loopback_name,
    parse_address,
    parse_authority,
    parse_origin,
    same_authority,
)


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("Example.COM", Authority("example.com", None)), ("a.b:8080", Authority("a.b", 8080)),
        ("a.b.:80", Authority("a.b", 80)), ("[::1]:80", Authority("::1", 80)), ("[::1]", Authority("::1", None)),
        ("127.0.0.1:0", Authority("127.0.0.1", 0)),
        ("", None), ("a b", None), ("a:", None), ("a:99999", None), ("::1", None), ("[a.b]", None), ("[::1", None),
        ("a/b", None), ("user@a", None), (".", None), ("a:80:80", None), ("[::zz]", None),
    ],
)  # fmt: skip
def test_a_host_is_a_name_or_an_address_and_perhaps_a_port(text: str, authority: Authority | None) -> None:
    assert parse_authority(text) == authority


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://a.b", Origin("https", "a.b", None)), ("HTTPS://A.b:443", Origin("https", "a.b", None)),
        ("http://a.b:443", Origin("http", "a.b", 443)), ("app://x", Origin("app", "x", None)),
        ("null", None), ("", None), ("https://", None), ("https://a/", None), ("://a", None), ("1x://a", None),
    ],
)  # fmt: skip
def test_an_origins_port_is_left_out_if_it_is_the_schemes_own(text: str, origin: Origin | None) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    ("origin", "host", "secure", "same"),
    [
        ("http://a", "a", False, True), ("http://a", "a:80", False, True), ("http://a:8080", "a:8080", False, True),
        ("https://a", "a", False, True), ("http://a", "a", True, False), ("https://a:443", "a", True, True),
        ("http://a", "b", False, False), ("http://a:81", "a", False, False), ("app://a", "a", False, False),
    ],
)  # fmt: skip
def test_a_page_is_ours_if_it_came_from_where_it_asks(
    origin: str, host: str, secure: bool, same: bool
) -> None:
    """Behind a proxy that ends TLS the page is https and the request plain; the reverse is another origin."""
    page, authority = parse_origin(origin), parse_authority(host)
    assert page is not None
    assert authority is not None
    assert same_authority(page, authority, secure=secure) is same


def test_an_address_that_ipv6_maps_is_the_same_address() -> None:
    """Else a rule for 127.0.0.1 would not hold for a socket of both families."""
    assert parse_address("::ffff:127.0.0.1") == parse_address("127.0.0.1")
    assert parse_address("localhost") is None


@given(st.text(max_size=40))
def test_parsing_takes_any_text(text: str) -> None:
    """What comes from a header may be anything."""
    authority = parse_authority(text)
    if authority is not None:
        shown = f"[{authority.host}]" if ":" in authority.host else authority.host
        again = parse_authority(shown if authority.port is None else f"{shown}:{authority.port}")
        assert again == authority
    parse_origin(text)
    is_loopback_name(text)


@given(st.sampled_from(["localhost", "127.0.0.1"]), st.text(alphabet="abc.-0189", min_size=1, max_size=10))
def test_nothing_around_a_loopback_name_is_loopback(name: str, around: str) -> None:
    assert not is_loopback_name(f"{name}.{around}x")
    assert not is_loopback_name(f"{around}x{name}")

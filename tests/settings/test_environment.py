"""What becomes of ``${env:…}`` in a string."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.settings.environment import expand

name_st = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
plain_st = st.text(st.characters(exclude_characters="${}"), max_size=12)


@given(st.lists(st.tuples(plain_st, name_st, st.none() | plain_st), max_size=5), plain_st, st.data())
def test_expansion_equals_replacing_one_by_one(
    parts: list[tuple[str, str, str | None]], tail: str, data: st.DataObject
) -> None:
    names = sorted({name for _, name, _ in parts})
    environ = {name: data.draw(st.text(max_size=6)) for name in names if data.draw(st.booleans())}
    text, wanted, missing = "", "", []
    for before, name, fallback in parts:
        text += before + (f"${{env:{name}}}" if fallback is None else f"${{env:{name}:-{fallback}}}")
        value = environ.get(name) or fallback
        wanted += before + (value or "")
        if value is None:
            missing.append(name)
    result = expand(text + tail, environ)
    assert result.text == wanted + tail
    assert result.missing == tuple(dict.fromkeys(missing))
    assert result.malformed == ()


def test_a_variables_own_reference_is_not_expanded() -> None:
    """Whoever sets one variable must not read another."""
    assert expand("${env:A}", {"A": "${env:B}", "B": "secret"}).text == "${env:B}"


def test_a_file_is_read_once_and_what_it_holds_stays_as_it_is() -> None:
    read: list[str] = []

    def read_file(path: str) -> str | None:
        read.append(path)
        return {"/run/key": "${env:A}${file:/b}", "empty": ""}.get(path)

    result = expand("a ${file:/run/key} ${env:A} ${file:no:-x y}", {"A": "${file:/run/key}"}, read_file)
    assert (result.text, result.missing, result.unread) == (
        "a ${env:A}${file:/b} ${file:/run/key} x y",
        (),
        (),
    )
    assert read == ["/run/key", "no"]
    assert expand("${file:empty}${file:b c/d.txt}", {}, read_file).unread == ("empty", "b c/d.txt")
    assert expand("${file:}", {}, read_file).malformed == ("${file:}",)
    assert expand("${file:/run/key}", {}).unread == ("/run/key",), "nobody reads files unless he was told how"


@given(st.text(st.sampled_from("${}env:-AB \n")), st.dictionaries(st.sampled_from("AB"), st.text(max_size=3)))
def test_every_reference_is_expanded_missing_or_malformed(text: str, environ: dict[str, str]) -> None:
    result = expand(text, {key: value.replace("$", "") for key, value in environ.items()})
    if not result.missing and not result.malformed:
        assert "${env:" not in result.text

"""A patch leads to the right document, changes nothing where it does not fit, and costs no more than it may."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.backends.ag_ui.json_patch import MAX_WORK, PatchError, apply_patch, weight_of

# RFC 6902, appendix A, and RFC 6901's escapes.
GOOD: list[tuple[Any, list[dict[str, Any]], Any]] = [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": 1}], {"foo": ["bar", 1, "baz"]}),
    ({"baz": 1, "foo": 2}, [{"op": "remove", "path": "/baz"}], {"foo": 2}),
    ({"foo": [1, 2, 3]}, [{"op": "remove", "path": "/foo/1"}], {"foo": [1, 3]}),
    ({"baz": 1, "foo": 2}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo", "foo": 2}),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    ({"foo": list("abcd")}, [{"op": "move", "from": "/foo/1", "path": "/foo/3"}], {"foo": list("acdb")}),
    ({"baz": [1.0]}, [{"op": "test", "path": "/baz", "value": [1]}], {"baz": [1.0]}),
    ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}], {"foo": ["bar", ["abc", "def"]]}),
    ({"a/b": 1, "m~n": 2, "~1": 3}, [{"op": "replace", "path": "/a~1b", "value": 9},
                                     {"op": "remove", "path": "/m~0n"},
                                     {"op": "test", "path": "/~01", "value": 3}], {"a/b": 9, "~1": 3}),
    ({"": {"": 1}}, [{"op": "replace", "path": "//", "value": None}], {"": {"": None}}),
    ({"a": 1}, [{"op": "replace", "path": "", "value": [0]}, {"op": "add", "path": "/0", "value": 7}], [7, 0]),
    ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "add", "path": "/b/-", "value": 2}],
     {"a": [1], "b": [1, 2]}),
    ({"a": {"b": 1}}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": {"b": 1}}),
    ({}, [], {}),
]  # fmt: skip

BAD: list[tuple[Any, Any]] = [
    ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}]),
    ({"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": "qux"}]),
    ({"a": 1}, [{"op": "replace", "path": "/b", "value": 2}]),
    ({"a": 1}, [{"op": "remove", "path": "/b"}]),
    ({"a": [1]}, [{"op": "add", "path": "/a/2", "value": 2}]),
    ({"a": [1]}, [{"op": "add", "path": "/a/01", "value": 2}]),
    ({"a": [1]}, [{"op": "replace", "path": "/a/-", "value": 2}]),
    ({"a": [1]}, [{"op": "replace", "path": "/a/-1", "value": 2}]),
    ({"a": {"b": 1}}, [{"op": "move", "from": "/a", "path": "/a/b/c"}]),
    ({"a": 1}, [{"op": "test", "path": "/a", "value": True}]),
    ({"a": [0]}, [{"op": "test", "path": "/a", "value": [False]}]),
    ({"a": 1}, [{"op": "add", "path": "/a"}]),
    ({"a": 1}, [{"op": "add", "path": "a", "value": 1}]),
    ({"a": 1}, [{"op": "add", "path": 7, "value": 1}]),
    ({"a": 1}, [{"op": "spoil", "path": "/a"}]),
    ({"a": 1}, [{"op": "add", "path": "/a" * 65, "value": 1}]),
    ({"a": 1}, ["add"]),
    ({"a": 1}, {"op": "add", "path": "/a", "value": 1}),
    (None, [{"op": "add", "path": "/a", "value": 1}]),
]


@pytest.mark.parametrize(("document", "patch", "result"), GOOD)
def test_a_patch_leads_to_the_right_document(document: Any, patch: Any, result: Any) -> None:
    before = repr(document)
    assert apply_patch(document, patch) == result
    assert repr(document) == before


@pytest.mark.parametrize(("document", "patch"), BAD)
def test_a_patch_that_does_not_fit_changes_nothing(document: Any, patch: Any) -> None:
    before = repr(document)
    with pytest.raises(PatchError):
        apply_patch(document, patch)
    assert repr(document) == before


def test_what_a_patch_costs_is_bounded() -> None:
    wide = {"a": [0] * (MAX_WORK // 100)}
    with pytest.raises(PatchError, match="costs too much"):
        apply_patch(wide, [{"op": "add", "path": "/a/0", "value": 1}] * 1000)


def test_a_document_that_copies_itself_is_weighed_only_so_far() -> None:
    document: Any = {"a": "x" * 10}
    patch = [{"op": "copy", "from": "", "path": "/a"}] * 40
    assert weight_of(apply_patch(document, patch), 1000) <= 1100
    patch = [{"op": "copy", "from": "", "path": f"/{number}"} for number in range(40)]
    assert weight_of(apply_patch(document, patch), 10_000) > 10_000

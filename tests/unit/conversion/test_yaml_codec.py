from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.codec import MAX_DEPTH, DecodeError
from conversion.yaml_codec import MAX_ALIASED, MAX_REPORTED, YamlCodec

BOUNDED = settings(derandomize=True, deadline=None, database=None)
codec = YamlCodec()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["yes", "n", "1:30", "0x1", "2001-01-01", "", "~", "<<", "=", "a\n b", "\n", "- x", "# c", "1_0", ".5", "\u2028", "x\r"]
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(-(2.0**53), 2.0**53)  # beyond, JSON writes other digits
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@BOUNDED
@given(VALUES)
def test_round_trip(value):
    decoded = codec.decode(codec.encode(value))
    assert decoded.value == value
    assert decoded.duplicates == ()
    assert decoded.notices == ()


def test_an_object_as_the_reference_prints_it():
    value = {"spec": {"size": 1, "on": "yes", "list": [{"b": 1, "a": []}]}, "kind": "Thing", "a10": 1, "a9": None}
    assert codec.encode(value).decode() == (
        'a9: null\na10: 1\nkind: Thing\nspec:\n  list:\n  - a: []\n    b: 1\n  "on": "yes"\n  size: 1\n'
    )


def test_duplicate_keys_in_the_references_words():
    decoded = codec.decode(b"apiVersion: v1\nkind: Thing\nmetadata: {name: a}\nspec:\n  size: 1\n  size: 2\n  l:\n  - {x: 1, x: 2}\n")
    assert decoded.value["spec"] == {"size": 2, "l": [{"x": 2}]}
    assert decoded.duplicates == ("spec.size", "spec.l[0].x")
    assert decoded.warnings == ('line 6: key "size" already set in map', 'line 8: key "x" already set in map')
    assert decoded.strict_errors == (
        'yaml: unmarshal errors:\n  line 6: key "size" already set in map\n  line 8: key "x" already set in map',
    )


def test_reported_duplicates_are_bounded():
    decoded = codec.decode(b"".join(b"k%d: 1\nk%d: 2\n" % (i, i) for i in range(MAX_REPORTED + 50)))
    assert len(decoded.notices) == MAX_REPORTED
    assert len(decoded.value) == MAX_REPORTED + 50


def test_one_document():
    for data in (b"---\na: 1\n", b"a: 1\n---\n", b"a: 1\n...\n", b"# c\n---\na: 1\n...\n---\n# d\n"):
        assert codec.decode(data).value == {"a": 1}
    with pytest.raises(DecodeError, match="single document"):
        codec.decode(b"a: 1\n---\nb: 2\n")


def test_keys_are_written_as_go_writes_them():
    assert codec.decode(b"16777217.0: a").value == {"1.6777216e+07": "a"}
    with pytest.raises(DecodeError, match="unsupported map key of type: uint64"):
        codec.decode(b"18446744073709551615: a")


def test_json_is_yaml():
    assert codec.decode(b'{"kind": "Thing", "spec": {"a": [1, 2.5, true, null, "x"]}}\n').value == {
        "kind": "Thing",
        "spec": {"a": [1, 2.5, True, None, "x"]},
    }


def test_aliases_are_values_of_their_own():
    value = codec.decode(b"a: &a {x: [1]}\nb: *a\n").value
    assert value == {"a": {"x": [1]}, "b": {"x": [1]}}
    value["b"]["x"].append(2)
    assert value["a"] == {"x": [1]}


def bomb(levels, width):
    lines = ["a0: &a0 [" + ",".join(["x"] * width) + "]"]
    lines += [f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * width) + "]" for i in range(1, levels)]
    return "\n".join(lines).encode()


def test_alias_bombs():
    assert codec.decode(bomb(3, 10)).value["a2"][9][9][9] == "x"
    with pytest.raises(DecodeError, match="excessive aliasing"):
        codec.decode(bomb(9, 9))
    with pytest.raises(DecodeError, match="excessive aliasing"):
        codec.decode(b"a: &a {" + b",".join(b"k%d: 1" % i for i in range(1000)) + b"}\nb:\n" + b"- *a\n" * (MAX_ALIASED // 1000 + 1))
    merges = b"a: &a {" + b",".join(b"k%d: 1" % i for i in range(1000)) + b"}\nb:\n" + b"- {<<: *a}\n" * (MAX_ALIASED // 1000 + 1)
    with pytest.raises(DecodeError, match="excessive aliasing"):
        codec.decode(merges)


@pytest.mark.parametrize("data", [b"&a [*a]", b"&a {x: *a}", b"a: &a {<<: *a}", b"a: &a\n- b: [*a]\n"])
def test_an_anchor_in_itself(data):
    with pytest.raises(DecodeError, match="contains itself"):
        codec.decode(data)


@pytest.mark.parametrize("opening", [b"- ", b"? ", b"[", b"{a: "])
def test_depth(opening):
    # 200,000 levels end a process that hands them to PyYAML's composer.
    for levels in (MAX_DEPTH + 1, 200_000):
        with pytest.raises(DecodeError, match="exceeded max"):
            codec.decode(opening * levels)
    assert codec.decode(b"- " * MAX_DEPTH).value


def test_depth_through_aliases():
    lines = [b"a0: &a0 " + b"[" * 200 + b"]" * 200, b"a1: " + b"[" * 100 + b"*a0" + b"]" * 100]
    with pytest.raises(DecodeError, match="exceeded max depth"):
        codec.decode(b"\n".join(lines))


def test_it_does_not_stream():
    assert codec.stream_media_type is None
    with pytest.raises(ValueError, match="stream"):
        codec.event("ADDED", b"")
    with pytest.raises(ValueError, match="stream"):
        codec.list_parts("v1", "ThingList", {})


def test_what_json_lacks_is_not_written():
    with pytest.raises(TypeError):
        codec.encode({"a": b"bytes"})

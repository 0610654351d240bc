from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.codec import MAX_DEPTH, DecodeError
from conversion.json_codec import MAX_REPORTED, JsonCodec

BOUNDED = settings(derandomize=True, deadline=None, database=None)
codec = JsonCodec()
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def approximate(value):
    """Make floats of the numbers that a float without a fraction may have been: the shortest digits are not its exact value."""
    if isinstance(value, dict):
        return {key: approximate(child) for key, child in value.items()}
    if isinstance(value, list):
        return [approximate(child) for child in value]
    return float(value) if isinstance(value, int | float) and abs(value) >= 2**53 else value


@BOUNDED
@given(VALUES)
def test_round_trip(value):
    decoded = codec.decode(codec.encode(value))
    assert approximate(decoded.value) == approximate(value)
    assert decoded.duplicates == ()
    assert codec.decode(codec.encode_pretty(value)).value == decoded.value
    assert codec.decode(codec.encode(decoded.value)).value == decoded.value


@BOUNDED
@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_whatever_the_writer(value, indent, ascii_only):
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only, separators=(" ,\n", " :  ")).encode()
    decoded = codec.decode(data)
    assert approximate(decoded.value) == approximate(value)
    assert decoded.duplicates == ()


@st.composite
def bodies_with_duplicates(draw):
    """A body, written by hand from pairs, and the paths that stand twice in it."""
    duplicates = []

    def write(pairs, path):
        seen, parts = set(), []
        for key, value in pairs:
            here = f"{path}.{key}" if path else key
            if key in seen and here not in duplicates:
                duplicates.append(here)
            seen.add(key)
            name = draw(st.sampled_from([json.dumps(key), '"' + "".join(f"\\u{ord(c):04x}" for c in key) + '"']))
            text = write(value, here) if isinstance(value, list) else json.dumps(value)
            parts.append(name + draw(st.sampled_from([":", " : ", ":\n"])) + text)
        return "{" + ",".join(parts) + "}"

    key = st.sampled_from(["a", "b", "c:", '":', "é"])
    leaf = st.sampled_from([1, "x", '":', "a:b", "::", None])
    pairs = st.recursive(
        st.lists(st.tuples(key, leaf), max_size=4),
        lambda inner: st.lists(st.tuples(key, inner | leaf), max_size=4),
        max_leaves=12,
    )
    return write(draw(pairs), "").encode(), tuple(duplicates)


@BOUNDED
@given(bodies_with_duplicates())
def test_duplicates_are_found_whatever_the_spelling(case):
    data, duplicates = case
    decoded = codec.decode(data)
    assert decoded.duplicates == duplicates
    assert decoded.value == json.loads(data)


@pytest.mark.parametrize(
    "data",
    [
        rb'{"a":1,"a":2,"b":"\u003a"}',  # an escaped colon makes up for the lost one
        rb'{"a":1,"a":2,"b":"\u003A"}',
        rb'{"a" :1,"a":2,"b":"\":"}',
    ],
)
def test_nothing_hides_a_duplicate(data):
    assert codec.decode(data).duplicates == ("a",)


def test_words_of_duplicates():
    decoded = codec.decode(b'{"spec":{"size":1,"size":2,"list":[{"a":1,"a":2}],"size":3}}')
    assert decoded.value == {"spec": {"size": 3, "list": [{"a": 2}]}}
    assert decoded.duplicates == ("spec.size", "spec.list[0].a")
    assert decoded.strict_errors == ('duplicate field "spec.size"', 'duplicate field "spec.list[0].a"')
    assert decoded.warnings == decoded.strict_errors


def test_reported_duplicates_are_bounded():
    fields = ",".join(f'"k{i}":1,"k{i}":2' for i in range(MAX_REPORTED + 50))
    decoded = codec.decode(f"{{{fields}}}".encode())
    assert len(decoded.duplicates) == MAX_REPORTED
    assert len(decoded.value) == MAX_REPORTED + 50


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("prefix", ["", '"\\ud800",'], ids=["plain", "exact"])
def test_depth(opening, closing, prefix):
    def nested(levels):
        body = opening * (levels - 1) + "1" + closing * (levels - 1)
        return f"[{prefix}{body}]".encode()

    assert codec.decode(nested(MAX_DEPTH)).value
    for levels in (MAX_DEPTH + 1, 1024, 1025, 5000, 200_000):
        with pytest.raises(DecodeError, match="exceeded max depth"):
            codec.decode(nested(levels))


def test_numbers_are_those_of_the_reference():
    assert codec.decode(b"[9223372036854775807,-9223372036854775808,-0]").value == [2**63 - 1, -(2**63), 0]
    floats = codec.decode(b"[9223372036854775808,-9223372036854775809,18446744073709551615]").value
    assert all(type(number) is float for number in floats)
    # What has no fraction is written without one by the reference, and is an integer from then on.
    whole = codec.decode(b"[1.0,1e3,1e16,-2.50e1,9007199254740993.0,-0.0]").value
    assert whole == [1, 1000, 10**16, -25, 9007199254740992, 0]
    assert all(type(number) is int for number in whole)
    assert codec.decode(b'{"a":1.5,"b":"1.0","c":1e19}').value == {"a": 1.5, "b": "1.0", "c": 1e19}
    with pytest.raises(DecodeError, match="cannot unmarshal number 1e400"):
        codec.decode(b'{"a":1e400}')
    with pytest.raises(DecodeError, match="unexpected end"):
        codec.decode(b'{"a":1e400')
    # Long digits are refused or rounded in linear time.
    assert codec.decode(b"9" * 300).value == 1e300
    with pytest.raises(DecodeError):
        codec.decode(b"9" * 1_000_000)


def test_bad_utf8_becomes_replacement_characters():
    assert codec.decode(b'{"a":"\xff\xe2\x82","\xfe":"\\ud800"}').value == {"a": "\ufffd\ufffd\ufffd", "\ufffd": "\ufffd"}


def test_frames():
    body = codec.encode({"kind": "Thing", "metadata": {}})
    assert body == b'{"kind":"Thing","metadata":{}}'
    assert codec.event("ADDED", body) == b'{"type":"ADDED","object":{"kind":"Thing","metadata":{}}}\n'
    assert json.loads(codec.event('odd"type', body))["type"] == 'odd"type'
    assert codec.encode_pretty({"a": [], "b": {"c": 1}}) == b'{\n  "a": [],\n  "b": {\n    "c": 1\n  }\n}'


@pytest.mark.parametrize("count", [0, 1, 3])
def test_list_parts(count):
    metadata = {"resourceVersion": "7", "continue": "x"}
    items = [{"metadata": {"name": f"n{i}"}} for i in range(count)]
    before, between, after = codec.list_parts("v1", "ThingList", metadata)
    data = before + between.join(map(codec.encode, items)) + after
    assert data.startswith(b'{"kind":"ThingList","apiVersion":"v1","metadata":{')
    assert data.endswith(b"]}\n")
    assert json.loads(data) == {"kind": "ThingList", "apiVersion": "v1", "metadata": metadata, "items": items}


def test_what_json_lacks_is_not_written():
    for value in ({"a": object()}, {1: 2}, "\ud800"):
        with pytest.raises(TypeError):
            codec.encode(value)

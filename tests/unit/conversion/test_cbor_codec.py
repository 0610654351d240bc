"""PROTOCOL.md section 5, fact by fact."""

from __future__ import annotations

import base64
import io

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion import cbor_codec
from conversion.cbor_codec import EACH, CborCodec, binary_fields
from conversion.cbor_reader import CborReader
from conversion.codec import MAX_DEPTH, DecodeError

BOUNDED = settings(derandomize=True, deadline=None, database=None)
codec = CborCodec()
SELF = bytes.fromhex("d9d9f7")
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@BOUNDED
@given(VALUES)
def test_round_trip(value):
    assert codec.decode(codec.encode(value)).value == value


@BOUNDED
@given(VALUES, st.booleans(), st.booleans())
def test_both_readers_read_what_the_library_writes(value, canonical, indefinite):
    data = cbor2.dumps(value, canonical=canonical, indefinite_containers=indefinite)
    assert CborReader(data).read() == value == codec.decode(data).value == codec.decode(SELF + data).value


def test_every_item_starts_with_the_tag():
    assert codec.encode({"a": 1}) == SELF + bytes.fromhex("a1 41 61 01")
    assert codec.encode_pretty({"a": 1}) == codec.encode({"a": 1})


def test_an_event_tags_its_object_again():
    body = codec.encode({"kind": "T"})
    assert codec.event("ADDED", body) == SELF + b"\xa2\x44type\x45ADDED\x46object" + SELF + b"\xa1\x44kind\x41T"
    sequence = codec.event("ADDED", body) + codec.event("DELETED", body)
    source = io.BytesIO(sequence)
    first, second = cbor2.load(source), cbor2.load(source)
    assert (first[b"type"], second[b"type"]) == (b"ADDED", b"DELETED")
    assert codec.decode(codec.event("ADDED", body)).value == {"type": "ADDED", "object": {"kind": "T"}}


def test_input_needs_no_tag_and_may_be_text_or_bytes():
    want = {"kind": "Thing", "b": "x"}
    for data in ("a2 646b696e64 655468696e67 6162 6178", "a2 446b696e64 455468696e67 4162 4178", "a2 646b696e64 455468696e67 4162 6178"):
        assert codec.decode(bytes.fromhex(data)).value == want
        assert codec.decode(SELF + bytes.fromhex(data)).value == want


def test_strings_and_keys_are_byte_strings_on_output():
    assert codec.encode({"a": ["é", ""]}) == SELF + bytes.fromhex("a1 4161 82 42c3a9 40")
    assert codec.encode("x" * 300)[3:6] == bytes.fromhex("59012c")


def test_binary_fields_are_tag_22():
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"k": "AP8B", "bad": "not base64!"}, "stringData": {"s": "AP8B"}}
    data = codec.encode(secret)
    assert bytes.fromhex("416b d6 43 00ff01") in data
    assert b"\x43bad\x4bnot base64!" in data
    assert b"\x41s\x44AP8B" in data
    assert codec.decode(data).value == secret
    assert secret["data"]["k"] == "AP8B"


def test_binary_fields_of_lists_items_and_by_name():
    secrets = {"apiVersion": "v1", "kind": "SecretList", "items": [{"data": {"k": "AP8B"}}, {}]}
    assert binary_fields(secrets) == (("items", EACH, "data", EACH),)
    assert bytes.fromhex("d64300ff01") in codec.encode(secrets)
    item = {"data": {"k": "AP8B"}}
    assert bytes.fromhex("d64300ff01") not in codec.encode(item)
    assert bytes.fromhex("d64300ff01") in codec.encode(item, binary=[("data", EACH)])
    assert bytes.fromhex("d64300ff01") not in codec.encode({**item, "apiVersion": "v1", "kind": "Secret"}, binary=())
    hook = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    assert bytes.fromhex("d64300ff01") in codec.encode({**hook, "webhooks": [{"clientConfig": {"caBundle": "AP8B"}}]})
    for odd in ({"kind": 1, "apiVersion": []}, {"kind": "Secret", "apiVersion": "v1", "data": None}, {"kind": "Secret", "apiVersion": "v1", "data": {"a": 1}}):
        assert codec.decode(codec.encode(odd)).value == odd


def test_tag_22_becomes_base64_text_and_plain_bytes_stay_text():
    assert codec.decode(bytes.fromhex("d64300ff01")).value == base64.b64encode(b"\0\xff\1").decode()
    assert codec.decode(b"\x44AP8B").value == "AP8B"


def test_indefinite_lengths_are_accepted():
    assert codec.decode(bytes.fromhex("bf 5f 4161 4162 ff 9f 01 7f 6163 ff ff ff")).value == {"ab": [1, "c"]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a3 446b696e64 01 4161 01 446b696e64 02", 'cbor: found duplicate map key "kind" at map element index 2'),
        ("a2 4161 01 6161 02", 'cbor: found duplicate map key "a" at map element index 1'),
        ("a0 00", "1 bytes of extraneous data"),
        ("d9d9f7 a0 0000", "2 bytes of extraneous data starting at index 4"),
        ("f7", "simple value 23 is not recognized"),
        ("f8 20", "simple value 32 is not recognized"),
        ("1b 8000000000000000", "overflows Go's int64"),
        ("3b 8000000000000000", "overflows Go's int64"),
        ("f9 7e00", "floating-point NaN"),
        ("fb 7ff0000000000000", "floating-point infinity"),
        ("61 ff", "invalid UTF-8 string"),
        ("a1 01 01", "into Go value of type string"),
        ("c2 41 01", "bignum"),
        ("", "EOF"),
        ("9b 00000000 3fffffff", "unexpected EOF"),
        ("5b 00000000 3fffffff", "unexpected EOF"),
    ],
)
def test_refused(data, message):
    with pytest.raises(DecodeError) as raised:
        codec.decode(bytes.fromhex(data))
    assert message in str(raised.value)


def test_times_are_text():
    assert codec.decode(b"\xc0\x74" + b"2013-03-21T20:04:00Z").value == "2013-03-21T20:04:00Z"
    with pytest.raises(DecodeError, match="out of range"):
        codec.decode(bytes.fromhex("c1 fb 7e37e43c8800759c"))


@pytest.mark.parametrize("level", [b"\x81", b"\xa1\x41a", b"\x9f", b"\xd8\x63"])
def test_depth(level):
    if level != b"\x9f":
        codec.decode(level * MAX_DEPTH + b"\x01")
    for levels in (MAX_DEPTH + 1, 5000, 200_000):
        with pytest.raises(DecodeError, match="exceeded max nested level"):
            codec.decode(level * levels + b"\x01")


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("count", [0, 2, 23, 24, 300])
def test_list_parts(count, known):
    metadata = {"resourceVersion": "7"}
    items = [{"metadata": {"name": f"n{i}"}} for i in range(count)]
    before, between, after = codec.list_parts("v1", "ThingList", metadata, count if known else None)
    data = before + between.join(map(codec.encode, items)) + after
    want = {"kind": "ThingList", "apiVersion": "v1", "metadata": metadata, "items": items}
    assert codec.decode(data).value == want == CborReader(data).read()
    assert data.startswith(SELF + b"\xa4")


def test_plain_items_are_the_librarys(monkeypatch):
    monkeypatch.setattr(cbor_codec, "CborReader", None)
    assert codec.decode(codec.encode({"a": [{"b": "c"}, 2.5, -1, None]})).value == {"a": [{"b": "c"}, 2.5, -1, None]}
    with pytest.raises(TypeError):
        codec.decode(bytes.fromhex("d64300ff01"))

"""Decoders raise DecodeError and nothing else, whatever the bytes; the fast and the exact readers agree."""

from __future__ import annotations

import json

import cbor2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conversion.cbor_codec import CborCodec
from conversion.cbor_reader import CborReader
from conversion.codec import DecodeError
from conversion.json_codec import JsonCodec, _Exact
from conversion.yaml_codec import YamlCodec

BOUNDED = settings(max_examples=400, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
CODECS = {"json": JsonCodec(), "yaml": YamlCodec(), "cbor": CborCodec()}
OBJECT = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "a", "labels": {"x": 'é:"\\'}, "generation": 2**62},
    "data": {"k": "AP8B"},
    "spec": [None, True, False, -1, 1.5, 10**18, "", [[]], {}],
}
TOKENS = {
    "json": [b"{", b"}", b"[", b"]", b":", b",", b'"a"', b'"', b"\\", b"\\u003a", b"\\ud800", b"1", b"-", b"1e9", b"9" * 20, b"null", b"tru", b" ", b"\xff", b"NaN"],
    "yaml": [b"a", b": ", b"\n", b"  ", b"- ", b"&a ", b"*a", b"<<: ", b"[", b"]", b"{", b"}", b"!!int ", b"!!binary ", b"'", b'"', b"|", b">", b"? ", b"---\n", b"...\n", b"~", b"0x1", b"1e400", b".inf", b"#", b"%YAML 1.1\n", b"\t", b"\xff", b"!", b"!<x> "],
    "cbor": [bytes((byte,)) for byte in (0x00, 0x17, 0x18, 0x1B, 0x20, 0x3B, 0x40, 0x41, 0x5F, 0x61, 0x7F, 0x80, 0x81, 0x82, 0x9B, 0x9F, 0xA1, 0xA2, 0xBB, 0xBF, 0xC0, 0xC1, 0xC2, 0xD6, 0xD8, 0xF4, 0xF6, 0xF7, 0xF8, 0xF9, 0xFB, 0xFF)] + [b"\xd9\xd9\xf7", b"\xd8\x1c", b"\xd8\x1d\x00", b"\xd9\x01\x02", b"\xc4\x82", b"\xc5\x82", b"\xd8\x19\x00", b"\x41a", b"\x61a"],
}


def outcome(read):
    try:
        return read(), None
    except DecodeError as e:
        return None, str(e)


@st.composite
def mangled(draw, name):
    """Tokens in any order, or an encoded object with bytes changed, cut out and put in."""
    if draw(st.booleans()):
        return b"".join(draw(st.lists(st.sampled_from(TOKENS[name]) | st.binary(max_size=2), max_size=24)))
    data = bytearray(CODECS[name].encode(OBJECT))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3) | st.sampled_from(TOKENS[name]))
    return bytes(data)


@pytest.mark.parametrize("name", CODECS)
@BOUNDED
@given(data=st.data())
def test_only_decode_errors(name, data):
    body = data.draw(st.binary(max_size=64) | mangled(name))
    decoded, error = outcome(lambda: CODECS[name].decode(body))
    if error is None:
        # What is accepted can be written in every format again, and is of JSON's types alone.
        assert json.loads(json.dumps(decoded.value)) == decoded.value
        for codec in CODECS.values():
            codec.encode(decoded.value)


@BOUNDED
@given(st.binary(max_size=48) | mangled("cbor"))
@example(b"\xf8\x14")
@example(b"\xa2\x61a\x01\x41a\x02")
@example(b"\xd9\xd9\xf7\xd9\xd9\xf7\x80")
@example(b"\xa1\x41\xff\x01")
def test_the_cbor_library_and_the_exact_reader_agree(body):
    fast, exact = outcome(lambda: CborCodec().decode(body).value), outcome(lambda: CborReader(body).read())
    assert fast == exact
    assert _types(fast[0]) == _types(exact[0])


@BOUNDED
@given(st.binary(max_size=48) | mangled("cbor"))
def test_what_the_cbor_library_refuses_is_refused(body):
    value, _ = outcome(lambda: CborCodec().decode(body).value)
    if value is not None:
        cbor2.loads(body, tag_hook=lambda tag, immutable: tag.value, semantic_decoders=dict.fromkeys((0, 1, 4, 5, *range(21, 64), 100, 256, 258, 260, 261, 1004, 43000), lambda content, immutable: content))


@BOUNDED
@given(st.binary(max_size=48) | mangled("json"))
@example(b"[9223372036854775808]")
@example(b"[-0, 1E2, 1e-400]")
def test_the_json_library_and_the_exact_parser_agree(body):
    fast, exact = outcome(lambda: JsonCodec().decode(body)), outcome(lambda: _Exact().decode(body))
    assert fast == exact
    assert _types(fast[0] and fast[0].value) == _types(exact[0] and exact[0].value)


@BOUNDED
@given(mangled("json"))
def test_json_as_the_standard_library_has_it(body):
    value, error = outcome(lambda: JsonCodec().decode(body).value)
    try:
        text = body.decode()
        # Beyond int64 integers are floats here, as in the reference.
        want = json.loads(text, parse_constant=lambda name: 1 / 0, parse_int=lambda digits: int(digits) if abs(int(digits)) < 2**63 else float(digits))
    except (ValueError, ZeroDivisionError):
        return  # not JSON, or not UTF-8, which is read with replacements
    if error is None and "\\u" not in text:
        assert value == want


def _types(value):
    if isinstance(value, dict):
        return {key: _types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_types(item) for item in value]
    return type(value)

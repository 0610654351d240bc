"""OpenAPI documents in protobuf. reference/openapi.json holds parts of two documents that apiextensions-apiserver published
of a definition with odd texts, and what gnostic makes of them."""

from __future__ import annotations

import base64
import json
import re
import struct
from pathlib import Path
from typing import ClassVar

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import example, given

from conversion.errors import Unencodable
from conversion.openapi_protobuf import ENCODER_V2, ENCODER_V3
from conversion.openapi_protobuf_yaml import yaml_text
from conversion.protobuf_wire import fields

RECORDED = json.loads((Path(__file__).parent / "reference" / "openapi.json").read_text())
ENCODERS = {"v2": ENCODER_V2, "v3": ENCODER_V3}


@pytest.mark.parametrize("version", ENCODERS)
def test_every_byte_is_the_references(version):
    recorded = RECORDED[version]
    assert ENCODERS[version].encode("Document", recorded["document"]) == base64.b64decode(recorded["protobuf"])


def shuffled(node, order):
    """Put the fields of messages in another order, but no pairs."""
    if isinstance(node, dict):
        keys = list(node)
        if "type" in node or "operationId" in node:
            extensions = [key for key in keys if key.startswith("x-")]
            rest = [key for key in keys if key not in extensions]
            order.shuffle(rest)
            keys = [*rest, *extensions]
        return {key: shuffled(node[key], order) for key in keys}
    return [shuffled(item, order) for item in node] if isinstance(node, list) else node


@given(st.sampled_from(sorted(ENCODERS)), st.randoms(use_true_random=False))
def test_the_order_of_fields_does_not_matter(version, order):
    recorded = RECORDED[version]["document"]
    paths = {key: order.choice(list(recorded["paths"].values())) for key in ("/a", "/b")}
    encoder = ENCODERS[version]
    plain, mixed = encoder.encode("Paths", paths), encoder.encode("Paths", shuffled(paths, order))
    assert mixed == plain


@pytest.mark.parametrize(
    ("version", "schemas", "message"), [("v2", "definitions", "Schema"), ("v3", "schemas", "SchemaOrReference")]
)
def test_a_part_that_is_encoded_already_stands_for_itself(version, schemas, message):
    recorded, encoder = RECORDED[version], ENCODERS[version]
    document = dict(recorded["document"])
    holder = document if version == "v2" else dict(document["components"])
    holder[schemas] = {name: encoder.encode(message, schema) for name, schema in holder[schemas].items()}
    document["paths"] = {path: encoder.encode("PathItem", item) for path, item in document["paths"].items()}
    if version == "v3":
        document["components"] = holder
    assert encoder.encode("Document", document) == base64.b64decode(recorded["protobuf"])


# What is left out and what is not


def read(data):
    return [(number, value) for number, _, value in fields(data, "test")]


@pytest.mark.parametrize(
    "zero", [{"title": ""}, {"uniqueItems": False}, {"minLength": 0}, {"minimum": 0}, {"required": []}, {"enum": []}]
)
def test_zeros_are_left_out(zero):
    assert ENCODER_V2.encode("Schema", zero) == b""
    assert ENCODER_V3.encode("Schema", zero) == b""


def test_zeros_in_a_oneof_stay():
    assert read(ENCODER_V3.encode("Schema", {"default": 0})) == [(33, b"\x09" + bytes(8))]
    assert read(ENCODER_V3.encode("Schema", {"default": False})) == [(33, b"\x10\x00")]
    assert read(ENCODER_V3.encode("Schema", {"default": ""})) == [(33, b"\x1a\x00")]
    assert read(ENCODER_V2.encode("Schema", {"additionalProperties": False})) == [(21, b"\x10\x00")]


def test_zeros_in_lists_and_messages_stay():
    assert read(ENCODER_V2.encode("Schema", {"required": ["", "a"]})) == [(19, b""), (19, b"a")]
    assert read(ENCODER_V2.encode("Schema", {"properties": {}})) == [(25, b"")]


def test_a_default_with_parts_has_no_place_in_version_3():
    assert read(ENCODER_V3.encode("Schema", {"default": {"a": 1}})) == [(33, b"")]
    assert read(ENCODER_V2.encode("Schema", {"default": {"a": 1}})) == [(5, b"\x12\x05a: 1\n")]


def test_numbers():
    assert read(ENCODER_V2.encode("Schema", {"minimum": -1, "maximum": 2.5, "minLength": -1})) == [
        (7, struct.pack("<d", 2.5)),
        (9, struct.pack("<d", -1)),
        (12, 2**64 - 1),
    ]
    # Minus zero is no zero.
    assert read(ENCODER_V2.encode("Schema", {"minimum": -0.0})) == [(9, struct.pack("<d", -0.0))]


def test_what_has_a_reference_is_one():
    reference = {"$ref": "#/components/schemas/A", "description": "d"}
    assert read(ENCODER_V3.encode("SchemaOrReference", reference))[0][0] == 2
    # A property may have the name.
    assert read(ENCODER_V3.encode("SchemaOrReference", {"properties": {"$ref": {"type": "string"}}}))[0][0] == 1


@pytest.mark.parametrize(
    ("message", "value", "said"),
    [
        ("Schema", {"properties": {"a": {"oneOf": []}}}, "properties.a.oneOf must be absent, not list"),
        ("Schema", {"title": 1}, "title must be a string, not int"),
        ("Schema", {"uniqueItems": "yes"}, "uniqueItems must be a boolean, not str"),
        ("Schema", {"minLength": 1.5}, "minLength must be an integer, not float"),
        ("Schema", {"minimum": True}, "minimum must be a number, not bool"),
        ("Schema", {"required": "a"}, "required must be a list, not str"),
        ("Schema", {"items": []}, "items must be an object, not list"),
        ("PathItem", {"parameters": [{"in": "cookie"}]}, "parameters must be one of query, path, not dict"),
        ("Schema", {"default": {1, 2}}, "default must be a JSON value, not set"),
    ],
)
def test_what_the_table_does_not_know_is_refused(message, value, said):
    with pytest.raises(Unencodable) as caught:
        ENCODER_V2.encode(message, value)
    assert str(caught.value) == said


def test_what_gnostic_alone_refuses_is_written():
    """One definition with such a text would take the document from all kinds (docs/differences.md)."""
    assert read(ENCODER_V2.encode("Schema", {"description": "a\x7f"})) == [(4, b"a\x7f")]
    assert read(ENCODER_V3.encode("Schema", {"externalDocs": {"description": "d"}})) == [(6, b"\x0a\x01d")]


@pytest.mark.parametrize("key", ["items", "additionalProperties", "not"])
def test_deep_schemas(key):
    schema = {"type": "object"}
    for _ in range(250):
        schema = {key: schema}
    assert len(ENCODER_V3.encode("Schema", schema)) > 250


# YAML texts


class GoYaml(yaml.SafeLoader):
    """Reads plain scalars as go-yaml v3 does: YAML 1.2's words, and 1.1's numbers and times."""

    yaml_implicit_resolvers: ClassVar[dict] = {}


for tag, first, pattern in [
    ("bool", "tTfF", r"true|True|TRUE|false|False|FALSE"),
    ("null", "nN~", r"null|Null|NULL|~"),
    ("int", "-+0123456789", r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|[0-9][0-9_]*)"),
    ("float", "-+.0123456789", r"[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"),
    ("timestamp", "0123456789", r"\d{4}-\d\d?-\d\d?(?:[Tt ].*)?"),
]:
    GoYaml.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), list(first))

TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12),
    st.text("ab01 \n\t'\"\\:#-?.,[]{}&*!|>%@`~=<_+eExX\r\x00\x85\u2028\ufeff\U0001f600", max_size=8),
    st.sampled_from(
        ["", "null", "True", "no", "0x1F", "1e3", ".inf", "2001-01-02", "12:30", "<<", "---", "k" * 200, "a\n\nb\n\n"]
    ),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1)),
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(TEXTS, below, max_size=4)),
    max_leaves=12,
)


@given(VALUES)
@example({"a": [[{"b": ["c\nd", {"e" * 129: [1]}]}]]})
@example({"k\nk": {"a": []}, "": {}})
def test_a_text_is_read_back(value):
    assert yaml.load(yaml_text(value), GoYaml) == value


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (-5, "-5"), (1.5, "1.5"), (1e21, "1e+21"), (1.0, "1.0"), (2**64 - 1, str(2**64 - 1))]
)
def test_numbers_keep_their_digits(number, text):
    assert yaml_text(number) == f"{text}\n"

"""The quick verdict and the walk that knows the causes agree, whatever the schema and the value."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.routes import ROUTE
from watchd.schema.checks import is_valid
from watchd.schema.structural import Node
from watchd.schema.validation import examine

NUMBERS = st.sampled_from(
    [0, 1, -1, 2, 3, 10, 2**31, -(2**31) - 1, 2**53, 2**63 - 1, 2**63, 1e20, 0.5, 1.0, 2.5, 1e-7, 3.5e38]
)
TEXTS = st.sampled_from(["", "a", "ab", "B", "12", "日本", "2020-01-01", "1h", "::1", "x" * 70])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
FIELDS = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(FIELDS, below, max_size=3), max_leaves=8
)
SIZES = st.integers(0, 3)
LIMITS = {
    "minLength": SIZES,
    "maxLength": SIZES,
    "pattern": st.sampled_from(["^a", "[[:alpha:]]", r"\d{2}", "(?i)b", "("]),
    "format": st.sampled_from(["date", "duration", "ipv6", "int32", "int64", "float", "unheard-of"]),
    "minimum": NUMBERS,
    "maximum": NUMBERS,
    "exclusiveMinimum": st.booleans(),
    "exclusiveMaximum": st.booleans(),
    "multipleOf": st.sampled_from([1, 2, 0.5, 0.1, 2**63, 0]),
    "minItems": SIZES,
    "maxItems": SIZES,
    "uniqueItems": st.booleans(),
    "minProperties": SIZES,
    "maxProperties": SIZES,
    "required": st.lists(FIELDS, max_size=2),
    "enum": st.lists(SCALARS, max_size=3),
    "nullable": st.booleans(),
    "type": st.sampled_from(["object", "array", "string", "integer", "number", "boolean"]),
    "x-kubernetes-int-or-string": st.booleans(),
}


def _schema(below):
    parts = st.lists(below, min_size=1, max_size=3)
    nested = {
        "properties": st.dictionaries(FIELDS, below, max_size=3),
        "additionalProperties": below | st.booleans(),
        "items": below,
        "allOf": parts,
        "anyOf": parts,
        "oneOf": parts,
        "not": below,
    }
    return st.fixed_dictionaries({}, optional={**LIMITS, **nested})


SCHEMAS = st.recursive(st.fixed_dictionaries({}, optional=LIMITS), _schema, max_leaves=6)


@settings(max_examples=400, deadline=None)
@given(schema=SCHEMAS, value=VALUES)
@example(schema={"type": "integer", "minimum": 2.5}, value=3)
@example(schema={"type": "integer", "enum": [2]}, value=2.5)
@example(schema={"type": "number", "maximum": 2**63}, value=2**63)
def test_both_come_to_the_same_verdict(schema, value):
    assert is_valid(value, Node(schema)) == (not examine(value, Node(schema)).problems)


@settings(max_examples=100, deadline=None)
@given(value=st.dictionaries(st.sampled_from(list(ROUTE["properties"])), VALUES, max_size=3))
def test_both_agree_about_a_rich_schema(value):
    assert is_valid(value, Node(ROUTE)) == (not examine(value, Node(ROUTE)).problems)


@pytest.mark.parametrize(
    ("schema", "value", "problems"),
    [
        (
            {"type": "integer"},
            1.5,
            [
                'x in body must be of type integer: "number"',
                "Checked value must be of type integer (default format) in x",
            ],
        ),
        (
            {"type": "integer", "minimum": 2.5},
            2,
            [
                "Minimum boundary value must be of type integer (default format) in x",
                "x in body should be greater than or equal to 2.5",
            ],
        ),
        (
            {"type": "number", "exclusiveMaximum": True, "maximum": 1e6},
            1000000,
            ["x in body should be less than 1000000"],
        ),
        ({"type": "number", "maximum": 1e6}, 1e7, ["x in body should be less than or equal to 1e+06"]),
        ({"enum": ["a", 1]}, 2, ["x in body should be one of ['a', '1']"]),
        ({"type": "string", "nullable": True, "enum": ["a"]}, None, ["x in body should be one of ['a']"]),
        ({"not": {"type": "string"}}, "a", ['"x" must not validate the schema (not)']),
        (
            {"allOf": [{"type": "string"}, {"type": "string", "minLength": 2}]},
            "a",
            ["x in body should be at least 2 chars long", '"x" must validate all the schemas (allOf)'],
        ),
        # Of alternatives that fail, the one with the most passed checks is told.
        (
            {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]},
            "ab",
            ['"x" must validate at least one schema (anyOf)', "x in body should be at most 1 chars long"],
        ),
    ],
)
def test_words(schema, value, problems):
    assert list(examine(value, Node(schema), "x").problems) == problems

"""JSON values as the reference's decoder has them: their types, copies and equality.

1, 1.0 and true are three values, and an integer that 64 bits do not hold is a floating point number.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
"""Integers outside of these are floating point numbers."""

_KINDS: dict[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    type(None): "null",
}


def kind_of(value: Any) -> str:
    """Name a value's JSON type, integers apart from numbers."""
    kind = _KINDS[value.__class__]
    return "number" if kind == "integer" and not INT64_MIN <= value <= INT64_MAX else kind


def copy_json(value: Any) -> Any:
    """Return a deep copy."""
    kind = value.__class__
    if kind is dict:
        return {key: copy_json(child) for key, child in value.items()}
    if kind is list:
        return [copy_json(child) for child in value]
    return value


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are deeply the same."""
    if one.__class__ is not other.__class__:
        return False
    if one.__class__ is dict:
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if one.__class__ is list:
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)


def identity(value: Any) -> Hashable:
    """Return a key that only the same value has."""
    kind = value.__class__
    if kind is dict or kind is list:
        return (kind, json.dumps(value, sort_keys=True))
    return (kind, value)

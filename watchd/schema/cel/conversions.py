"""Conversions between types: int(), string(), duration() and their like."""

from __future__ import annotations

import math
import re
from typing import Any

from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.times import (
    SECOND,
    duration_text,
    parse_duration,
    parse_timestamp,
    timestamp,
    timestamp_text,
)
from watchd.schema.cel.values import (
    MAX_INT,
    MAX_UINT,
    MIN_INT,
    Duration,
    Opaque,
    Timestamp,
    TypeValue,
    Uint,
    no_overload,
    type_name,
    whole,
)
from watchd.status import go_number

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_DECIMAL = re.compile("[+-]?[0-9]+", re.ASCII)
_DIGITS = re.compile("[0-9]+", re.ASCII)
_DOUBLE = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity|nan)", re.ASCII | re.IGNORECASE
)


def _unreadable(kind: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from 'string' to '{kind}'")


def to_bool(value: Any) -> bool:
    """Read a bool."""
    if type(value) is bool:
        return value
    if type(value) is not str:
        raise no_overload()
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    raise _unreadable("bool")


def to_bytes(value: Any) -> bytes:
    """Return a text in UTF-8."""
    if type(value) is bytes:
        return value
    if type(value) is str:
        return value.encode("utf-8", "replace")
    raise no_overload()


def to_double(value: Any) -> float:
    """Read or convert a double."""
    if type(value) in {int, float, Uint}:
        return float(value)
    if type(value) is not str:
        raise no_overload()
    if _DOUBLE.fullmatch(value) is None:
        raise _unreadable("double")
    found = float(value)
    if math.isinf(found) and "inf" not in value.lower():
        raise _unreadable("double")
    return found


def to_int(value: Any) -> int:  # noqa: C901 - a table of cases
    """Read or convert an int; a double loses its fraction, a time is in seconds."""
    kind = type(value)
    if kind is int:
        return int(value)
    if kind is Uint:
        if value > MAX_INT:
            raise EvaluationError("integer overflow")
        return int(value)
    if kind is float:
        if not MIN_INT < value < MAX_INT:
            raise EvaluationError("integer overflow")
        return int(value)
    if kind is Timestamp:
        return int(value.nanoseconds // SECOND)
    if kind is Duration:
        return int(value.nanoseconds)
    if kind is not str:
        raise no_overload()
    if _DECIMAL.fullmatch(value) is None:
        raise _unreadable("int")
    found = whole(value.lstrip("+-"))
    found = -found if value[0] == "-" else found
    if not MIN_INT <= found <= MAX_INT:
        raise _unreadable("int")
    return found


def to_uint(value: Any) -> Uint:
    """Read or convert an unsigned int."""
    kind = type(value)
    if kind is Uint:
        return Uint(value)
    if kind is int or kind is float:
        if not 0 <= value <= MAX_UINT or (kind is float and value >= MAX_UINT):
            raise EvaluationError("unsigned integer overflow")
        return Uint(value)
    if kind is not str:
        raise no_overload()
    if _DIGITS.fullmatch(value) is None:
        raise _unreadable("uint")
    if whole(value) > MAX_UINT:
        raise _unreadable("uint")
    return Uint(whole(value))


def to_string(value: Any) -> str:  # noqa: PLR0911 - a table of cases
    """Write a value."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is Uint:
        return str(int(value))
    if kind is float:
        return go_number(value)
    if kind is bytes:
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None
    if kind is Timestamp:
        return timestamp_text(value)
    if kind is Duration:
        return duration_text(value)
    if isinstance(value, Opaque) and value.type_name.startswith("net."):
        return str(value)
    raise no_overload()


def to_duration(value: Any) -> Duration:
    """Read a duration."""
    if type(value) is Duration:
        return value
    if type(value) is not str:
        raise no_overload()
    found = parse_duration(value)
    if found is None:
        raise _unreadable("google.protobuf.Duration")
    return found


def to_timestamp(value: Any) -> Timestamp:
    """Read a timestamp, or take seconds since 1970."""
    if type(value) is Timestamp:
        return value
    if type(value) is int:
        return timestamp(value * SECOND)
    if type(value) is not str:
        raise no_overload()
    found = parse_timestamp(value)
    if found is None:
        raise _unreadable("google.protobuf.Timestamp")
    return found


def to_type(value: Any) -> TypeValue:
    """Return the type of a value."""
    return TypeValue(type_name(value))


def to_dyn(value: Any) -> Any:
    """Return a value whose type the checker forgets."""
    return value

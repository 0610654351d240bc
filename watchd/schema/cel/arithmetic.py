"""Operators over numbers, texts, lists and times; overflow is an error, as in Go's 64 bits."""

from __future__ import annotations

import math
from typing import Any

from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.times import duration, timestamp
from watchd.schema.cel.values import (
    MAX_INT,
    MAX_UINT,
    MIN_INT,
    DataList,
    Duration,
    Timestamp,
    Uint,
    compare,
    no_overload,
)


def checked_int(value: int) -> int:
    """Return an int that fits into 64 bits.

    Raises:
        EvaluationError: it does not.

    """
    if MIN_INT <= value <= MAX_INT:
        return value
    raise EvaluationError("integer overflow")


def checked_uint(value: int) -> Uint:
    """Return an unsigned int that fits into 64 bits.

    Raises:
        EvaluationError: it does not.

    """
    if 0 <= value <= MAX_UINT:
        return Uint(value)
    raise EvaluationError("unsigned integer overflow")


def add(one: Any, two: Any) -> Any:
    """Add numbers or times, or append texts or lists."""
    kind, other = type(one), type(two)
    if kind is other:
        if kind is int:
            return checked_int(one + two)
        if kind in {str, float, bytes}:
            return one + two
        if kind is Uint:
            return checked_uint(int(one) + int(two))
        if kind is Duration:
            return duration(one.nanoseconds + two.nanoseconds)
    if isinstance(one, list) and isinstance(two, list):
        return one.plus(two) if isinstance(one, DataList) else [*one, *two]
    if {kind, other} == {Timestamp, Duration}:
        return timestamp(one.nanoseconds + two.nanoseconds)
    raise no_overload()


def subtract(one: Any, two: Any) -> Any:
    """Subtract numbers or times."""
    kind, other = type(one), type(two)
    if kind is other:
        if kind is int:
            return checked_int(one - two)
        if kind is float:
            return one - two
        if kind is Uint:
            return checked_uint(int(one) - int(two))
        if kind in {Duration, Timestamp}:
            return duration(one.nanoseconds - two.nanoseconds)
    if kind is Timestamp and other is Duration:
        return timestamp(one.nanoseconds - two.nanoseconds)
    raise no_overload()


def multiply(one: Any, two: Any) -> Any:
    """Multiply numbers."""
    kind = type(one)
    if kind is type(two):
        if kind is int:
            return checked_int(one * two)
        if kind is float:
            return one * two
        if kind is Uint:
            return checked_uint(int(one) * int(two))
    raise no_overload()


def divide(one: Any, two: Any) -> Any:
    """Divide numbers; integers towards zero."""
    kind = type(one)
    if kind is not type(two) or kind not in {int, float, Uint}:
        raise no_overload()
    if kind is float:
        if two:
            return one / two
        return math.nan if math.isnan(one) or not one else math.copysign(math.inf, one) * math.copysign(1, two)
    if not two:
        raise EvaluationError("division by zero")
    quotient = abs(int(one)) // abs(int(two))
    if kind is Uint:
        return Uint(quotient)
    return checked_int(quotient if (one < 0) == (two < 0) else -quotient)


def modulo(one: Any, two: Any) -> Any:
    """Return the rest of a division, with the sign of the first number."""
    kind = type(one)
    if kind is not type(two) or kind not in {int, Uint}:
        raise no_overload()
    if not two:
        raise EvaluationError("modulus by zero")
    if kind is int and one == MIN_INT and two == -1:
        raise EvaluationError("integer overflow")
    rest = abs(int(one)) % abs(int(two))
    if kind is Uint:
        return Uint(rest)
    return -rest if one < 0 else rest


def negate(one: Any) -> Any:
    """Turn the sign of a number."""
    if type(one) is int:
        return checked_int(-one)
    if type(one) is float:
        return -one
    raise no_overload()


def less(one: Any, two: Any) -> bool:
    """Tell whether one value comes before another."""
    return compare(one, two) < 0


def less_equals(one: Any, two: Any) -> bool:
    """Tell whether one value comes before another or is the same."""
    return compare(one, two) <= 0


def greater(one: Any, two: Any) -> bool:
    """Tell whether one value comes after another."""
    return compare(one, two) > 0


def greater_equals(one: Any, two: Any) -> bool:
    """Tell whether one value comes after another or is the same."""
    return compare(one, two) >= 0

"""Functions over lists: Kubernetes' own, CEL's list extension (version 3) and sets."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from itertools import pairwise
from typing import Any

from watchd.schema.cel.arithmetic import add
from watchd.schema.cel.errors import CostExceeded, EvaluationError
from watchd.schema.cel.values import (
    NONE,
    Duration,
    Optional,
    Timestamp,
    Uint,
    compare,
    equals,
    no_overload,
)

RANGE_LIMIT = 1_000_000
"""The most elements of lists.range; with as many an evaluation costs more than it may."""

_ORDERED = frozenset({int, Uint, float, str, bytes, bool, Timestamp, Duration})


def same(one: Any, two: Any) -> bool:
    """Tell whether values are equal; those that cannot be compared are not."""
    try:
        return equals(one, two)
    except EvaluationError:
        return False


def holds(values: list[Any], wanted: Any) -> bool:
    """Tell whether a list holds a value."""
    return any(same(value, wanted) for value in values)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise no_overload()
    return value


def is_sorted(values: list[Any]) -> bool:
    """Tell whether no element is greater than the next."""
    _list(values)
    return all(compare(one, two) <= 0 for one, two in pairwise(values))


_ZEROS: dict[str, Any] = {
    "list_int_sum_int": 0,
    "list_uint_sum_uint": Uint(0),
    "list_double_sum_double": 0.0,
    "list_duration_sum_duration": Duration(0),
}


def sum_from(overload: str) -> Callable[[list[Any]], Any]:
    """Return the function that adds the elements of a list of one type."""
    zero = _ZEROS.get(overload)

    def total(values: list[Any]) -> Any:
        _list(values)
        out = zero
        if out is None:
            out = next((Uint(0) if type(one) is Uint else type(one)(0) for one in values), 0)
        for value in values:
            out = add(out, value)
        return out

    return total


def _best(name: str, sign: int) -> Callable[[list[Any]], Any]:
    def find(values: list[Any]) -> Any:
        if not _list(values):
            raise EvaluationError(f"{name} called on empty list")
        best = values[0]
        for value in values[1:]:
            if compare(value, best) == sign:
                best = value
        return best

    return find


least = _best("min", -1)
"""Return the least element."""

greatest = _best("max", 1)
"""Return the greatest element."""


def index_of(values: list[Any], wanted: Any) -> int:
    """Return where an element first stands, or -1."""
    return next((index for index, value in enumerate(values) if same(value, wanted)), -1)


def last_index_of(values: list[Any], wanted: Any) -> int:
    """Return where an element last stands, or -1."""
    return next((index for index in range(len(values) - 1, -1, -1) if same(values[index], wanted)), -1)


def distinct(values: list[Any]) -> list[Any]:
    """Leave out elements that came before."""
    out: list[Any] = []
    for value in _list(values):
        if not holds(out, value):
            out.append(value)
    return out


def flatten(values: list[Any], depth: int = 1) -> list[Any]:
    """Put the elements of inner lists, to a depth, in the places of the lists."""
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    out: list[Any] = []
    for value in _list(values):
        if isinstance(value, list) and depth > 0:
            out.extend(flatten(value, depth - 1))
        else:
            out.append(value)
    return out


def numbers(count: int) -> list[int]:
    """Return the integers from 0 up to a count."""
    if count < 0:
        raise EvaluationError(f"lists.range: size must be non-negative, got {count}")
    if count > RANGE_LIMIT:
        raise EvaluationError(f"lists.range: size {count} exceeds maximum allowed ({RANGE_LIMIT})")
    if count == RANGE_LIMIT:
        raise CostExceeded
    return list(range(count))


def reverse(values: list[Any]) -> list[Any]:
    """Turn the order."""
    return list(reversed(_list(values)))


def part(values: list[Any], start: int, end: int) -> list[Any]:
    """Return the elements between two places."""
    if start < 0 or end < 0:
        raise EvaluationError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        why = "start index must be less than or equal to end index"
        raise EvaluationError(f"cannot slice({start}, {end}), {why}")
    if len(_list(values)) < end:
        raise EvaluationError(f"cannot slice({start}, {end}), list is length {len(values)}")
    return values[start:end]


def sort(values: list[Any]) -> list[Any]:
    """Return the elements in order."""
    return sort_by(values, values)


def sort_by(values: list[Any], keys: list[Any]) -> list[Any]:
    """Return the elements in the order of their keys."""
    if len(_list(values)) != len(_list(keys)):
        raise EvaluationError(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, "
            f"but got {len(values)} and {len(keys)} elements respectively"
        )
    if not keys:
        return values
    kind = type(keys[0])
    if kind not in _ORDERED:
        raise EvaluationError("list elements must be comparable")
    if any(type(key) is not kind for key in keys):
        raise EvaluationError("list elements must have the same type")
    def order(one: int, two: int) -> int:
        return compare(keys[one], keys[two])

    return [values[index] for index in sorted(range(len(keys)), key=cmp_to_key(order))]


def first(values: list[Any]) -> Optional:
    """Return the first element, if there is one."""
    return Optional(values[0], present=True) if _list(values) else NONE


def last(values: list[Any]) -> Optional:
    """Return the last element, if there is one."""
    return Optional(values[-1], present=True) if _list(values) else NONE


def includes_all(values: list[Any], others: list[Any]) -> bool:
    """Tell whether a list holds each element of another."""
    return all(holds(_list(values), other) for other in _list(others))


def equivalent(values: list[Any], others: list[Any]) -> bool:
    """Tell whether two lists hold the same elements, whatever their order and number."""
    return includes_all(values, others) and includes_all(others, values)


def intersects(values: list[Any], others: list[Any]) -> bool:
    """Tell whether two lists have an element in common."""
    return any(holds(_list(others), value) for value in _list(values))


def unwrap(values: list[Any]) -> list[Any]:
    """Return the values of the optionals that have one."""
    if any(type(value) is not Optional for value in _list(values)):
        raise no_overload()
    return [value.value for value in values if value.present]

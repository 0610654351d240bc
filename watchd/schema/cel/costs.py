"""What calls cost when they are evaluated: units of about 50 ns of the reference's time (cel-go's cost model)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchd.schema.cel.named_formats import NamedFormat
from watchd.schema.cel.network import Cidr, Ip
from watchd.schema.cel.values import Opaque, Struct
from watchd.schema.cel.values import size as size_of

LIST = 10
"""Making a list."""
MAP = 30
"""Making a map."""
LIMIT = 1_000_000
"""What one evaluation may cost (PerCallLimit)."""
BUDGET = 10_000_000
"""What all evaluations of one write may cost (RuntimeCELCostBudget)."""

Cost = Callable[[Any, tuple[Any, ...]], int]
"""The result and the arguments of a call to its cost."""


def _size(value: Any) -> int:
    if isinstance(value, Ip):
        return 4 if value.address.version == 4 else 16
    if isinstance(value, Cidr):
        return (value.bits + 7) // 8
    return size_of(value)


def tenths(size: int) -> int:
    """Return the cost of walking over a text once."""
    return (size + 9) // 10


def _walk(argument: int, times: int = 1) -> Cost:
    return lambda _, args: tenths(times * _size(args[argument]))


def regex_cost(text: int, pattern: int) -> int:
    """Return the cost of matching a text of one length with a pattern of another."""
    return tenths(text + 1) * ((pattern + 3) // 4)


def _pattern(_: Any, args: tuple[Any, ...]) -> int:
    return regex_cost(_size(args[0]), _size(args[1]))


def traversal(value: Any) -> int:
    """Return the cost of walking over all that a value holds."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace")) // 10
    if isinstance(value, bytes):
        return len(value) // 10
    if isinstance(value, list):
        return sum(map(traversal, value))
    if isinstance(value, Struct):
        return sum(traversal(name) + traversal(value.find(name)) for name in value.names())
    if isinstance(value, dict):
        return sum(traversal(key) + traversal(inner) for key, inner in value.items())
    return 1


def _traversal(_: Any, args: tuple[Any, ...]) -> int:
    return traversal(args[0])


def _joined(result: Any, _: tuple[Any, ...]) -> int:
    return tenths(2 * _size(result))


def _contains_ip(*, parsed: bool) -> Cost:
    def cost(_: Any, args: tuple[Any, ...]) -> int:
        return tenths(2 * _size(args[0])) + (tenths(_size(args[1])) if parsed else 0)

    return cost


def _contains_cidr(*, parsed: bool) -> Cost:
    def cost(_: Any, args: tuple[Any, ...]) -> int:
        size = _size(args[0])
        return tenths(2 * size) + tenths(size) + 1 + (tenths(_size(args[1])) if parsed else 0)

    return cost


def _validate(_: Any, args: tuple[Any, ...]) -> int:
    form = args[0]
    return regex_cost(_size(args[1]), form.pattern_size) if isinstance(form, NamedFormat) else 1


def _smaller(_: Any, args: tuple[Any, ...]) -> int:
    return tenths(min(_size(args[0]), _size(args[1])))


def equality(one: Any, two: Any) -> int:
    """Return the cost of comparing two values for equality."""
    return 1 if isinstance(one, Opaque) and one.type_name else tenths(min(_size(one), _size(two)))


def _both(_: Any, args: tuple[Any, ...]) -> int:
    return tenths(_size(args[0]) + _size(args[1]))


def _part(_: Any, args: tuple[Any, ...]) -> int:
    return tenths(_size(args[0])) * tenths(_size(args[1]))


def _made(result: Any, _: tuple[Any, ...]) -> int:
    return _size(result) + LIST + 1


def _flattened(_: Any, args: tuple[Any, ...]) -> int:
    depth = args[1] if len(args) == 2 else 1
    return _size(args[0]) * depth + LIST + 1


def _squared(argument: int) -> Cost:
    def cost(_: Any, args: tuple[Any, ...]) -> int:
        values = args[argument]
        size = len(values)
        factor = 2.1 if size and isinstance(values[0], str | bytes) else 2.0
        return int(size * size * factor) + LIST + 1

    return cost


def _sets(times: int) -> Cost:
    return lambda _, args: 1 + _size(args[0]) * _size(args[1]) * times


_BY_FUNCTION: dict[str, Cost] = {
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _traversal),
    **dict.fromkeys(("url", "lowerAscii", "upperAscii", "substring", "trim"), _walk(0)),
    **dict.fromkeys(("replace", "split", "ip.isCanonical"), _walk(0, 2)),
    "join": _joined,
    **dict.fromkeys(("find", "findAll"), _pattern),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "ip", "quantity", "isQuantity", "semver", "isSemver"), _walk(0)),
    "containsIP": _contains_ip(parsed=False),
    "containsCIDR": _contains_cidr(parsed=False),
    "validate": _validate,
}

_BY_OVERLOAD: dict[str, Cost] = {
    **dict.fromkeys(("list_slice", "lists_range", "list_reverse"), _made),
    **dict.fromkeys(("list_flatten", "list_flatten_int"), _flattened),
    "list_distinct": _squared(0),
    **dict.fromkeys(("list_sets_contains_list", "list_sets_intersects_list"), _sets(1)),
    "list_sets_equivalent_list": _sets(2),
    "cidr_contains_ip_string": _contains_ip(parsed=True),
    "cidr_contains_cidr_string": _contains_cidr(parsed=True),
    **dict.fromkeys(("starts_with_string", "ends_with_string"), _walk(1)),
    **dict.fromkeys(("string_to_bytes", "bytes_to_string", "strings_quote", "string_format"), _walk(0)),
    "in_list": lambda _, args: _size(args[1]),
    **dict.fromkeys(
        (f"{order}_{kind}" for order in ("less", "greater", "less_equals", "greater_equals") for kind in ("string", "bytes")),
        _smaller,
    ),
    **dict.fromkeys(("add_string", "add_bytes"), _both),
    **dict.fromkeys(("matches", "matches_string"), _pattern),
    "contains_string": _part,
}


def of(function: str, overload: str) -> Cost | None:
    """Return what a call costs, None where that is always 1.

    Args:
        function: its name.
        overload: the one that it can only be; empty where there are several.

    """
    if overload.endswith("_sort"):
        return _squared(0)
    if overload.endswith("_sortByAssociatedKeys"):
        return _squared(1)
    if overload == "cidr_ip":
        return None
    return _BY_OVERLOAD.get(overload) or _BY_FUNCTION.get(function)

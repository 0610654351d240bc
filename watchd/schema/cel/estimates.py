"""What calls can cost, and what size their results can have, by function (cel-go's and Kubernetes' estimators)."""

from __future__ import annotations

import math
from collections.abc import Callable

from watchd.schema.cel.ast import Literal
from watchd.schema.cel.costs import LIST
from watchd.schema.cel.sizes import ONE, UNLIMITED, Estimated, Part, Range, Sizes, add, by, cap, multiply, union
from watchd.schema.cel.types import Kind

MAX_FORMAT = 64
"""Characters of a named format, for comparisons."""
FORMAT_PATTERN = 128
"""Characters of a named format's pattern."""

_ADDRESS: Range = (4, 16)
"""Bytes of an address."""

Rule = Callable[[Sizes, Part | None, list[Part]], Estimated | None]
"""Target and arguments to the estimate; None where the rule does not fit the call."""


def estimated(sizes: Sizes, function: str, overload: str, target: Part | None, args: list[Part]) -> Estimated | None:
    """Return the estimate of a call without its arguments, None where it costs 1 or is an operator of its own."""
    if overload.endswith("_sort") and target is not None:
        return _sorting(sizes, target, overload)
    if overload.endswith("_sortByAssociatedKeys"):
        return _sorting(sizes, args[0], overload)
    rule = _BY_OVERLOAD.get(overload) or _BY_FUNCTION.get(function)
    return None if rule is None else rule(sizes, target, args)


def _fixed(cost: int) -> Rule:
    return lambda _sizes, _target, _args: ((cost, cost), None)


def _allocated(factor: float, size: Range) -> Estimated:
    return add(by(size, factor), ONE, (LIST, LIST)), size


def _sorting(sizes: Sizes, part: Part, overload: str) -> Estimated:
    size = sizes.size_of(part)
    texts = overload.startswith(("list_string_", "list_bytes_"))
    return _allocated(2.1 if texts else 2.0, multiply(size, size))


def _literal_number(part: Part, default: int) -> int:
    if isinstance(part.node, Literal) and type(part.node.value) is int:
        return max(part.node.value, 0)
    return default


def _wrapped(value: int) -> int:
    # What is below zero comes out near the maximum, as unsigned numbers do.
    return value & UNLIMITED


def _slice(sizes: Sizes, target: Part | None, args: list[Part]) -> Estimated | None:
    if target is None:
        return None
    start = _literal_number(args[0], 0)
    length = _wrapped(_literal_number(args[1], sizes.size_of(target)[1]) - start)
    return _allocated(1, (length, length))


def _range(_sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated:
    length = _literal_number(args[0], UNLIMITED)
    return _allocated(1, (length, length))


def _reverse(sizes: Sizes, target: Part | None, _args: list[Part]) -> Estimated | None:
    return None if target is None else _allocated(1, sizes.size_of(target))


def _flatten(sizes: Sizes, target: Part | None, args: list[Part]) -> Estimated | None:
    depth = _literal_number(args[0], UNLIMITED) if args else 1
    return None if target is None else _allocated(float(depth), sizes.size_of(target))


def _distinct(sizes: Sizes, target: Part | None, _args: list[Part]) -> Estimated | None:
    if target is None:
        return None
    size = sizes.size_of(target)
    return _allocated(2.0, multiply(size, size))


def _sets(times: int) -> Rule:
    def rule(sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated:
        return add(by(multiply(sizes.size_of(args[0]), sizes.size_of(args[1])), times), ONE), None

    return rule


def _traversal(sizes: Sizes, target: Part | None, _args: list[Part]) -> Estimated | None:
    if target is None:
        return None
    element = sizes.element_of(target)
    size = sizes.size_of(target)
    if element is None:
        return by(size, 0.1), None
    each: Range = ONE
    if element.type.kind in {Kind.STRING, Kind.BYTES}:
        each = add(each, by(sizes.size_of(element), 0.1))
    return multiply(size, each), None


def _argument(factor: float, *, keeps_size: bool = False) -> Rule:
    def rule(sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated | None:
        if not args:
            return None
        size = sizes.size_of(args[0])
        return by(size, factor), size if keeps_size else None

    return rule


def _same_size(sizes: Sizes, target: Part | None, _args: list[Part]) -> Estimated | None:
    if target is None:
        return None
    size = sizes.size_of(target)
    return by(size, 0.1), size


def _replace(sizes: Sizes, target: Part | None, args: list[Part]) -> Estimated | None:
    if target is None or len(args) < 2:
        return None
    size, old, new = sizes.size_of(target), sizes.size_of(args[0]), sizes.size_of(args[1])
    most, kept_most = _replaced(size[1], old[0], longer=new[1] > old[0])
    least, kept_least = _replaced(size[0], old[1], longer=old[1] > new[0])
    counts: Range = (least, most)
    result = add(multiply(counts, new), (kept_least, kept_most))
    return by(size, 0.2), result


def _replaced(size: int, old: int, *, longer: bool) -> tuple[int, int]:
    """Return how often a part can be replaced, and how much of the text stays."""
    if old == 0:
        return cap(size + 1), size
    if not longer:
        return 0, size
    return math.ceil(float(size) / float(old)), 0


def _split(sizes: Sizes, target: Part | None, args: list[Part]) -> Estimated | None:
    if target is None:
        return None
    size = sizes.size_of(target)
    most = size[1]
    if len(args) > 1 and isinstance(args[1].node, Literal) and type(args[1].node.value) is int:
        most = _wrapped(args[1].node.value)
    return by(size, 0.2), (0, most)


def _join(sizes: Sizes, target: Part | None, args: list[Part]) -> Estimated | None:
    if target is None:
        return None
    count = sizes.size_of(target)
    element = sizes.element_of(target)
    size: Range = (0, 0) if element is None else multiply(count, sizes.size_of(element))
    if args:
        between: Range = (max(count[0] - 1, 0), max(count[1] - 1, 0))
        size = add(size, multiply(sizes.size_of(args[0]), between))
    return by(size, 0.1), size


def _pattern_cost(text: Range, pattern: Range) -> Range:
    return multiply(by(add(text, ONE), 0.1), by(pattern, 0.25))


def _find(sizes: Sizes, target: Part | None, args: list[Part]) -> Estimated | None:
    if target is None or not args:
        return None
    size = sizes.size_of(target)
    return _pattern_cost(size, sizes.size_of(args[0])), (0, size[1])


def _matches(sizes: Sizes, target: Part | None, args: list[Part]) -> Estimated | None:
    text, pattern = (target, args[0]) if target is not None else (args[0], args[1])
    return _pattern_cost(sizes.size_of(text), sizes.size_of(pattern)), None


def _contains(sizes: Sizes, target: Part | None, args: list[Part]) -> Estimated | None:
    if target is None:
        return None
    return multiply(by(sizes.size_of(target), 0.1), by(sizes.size_of(args[0]), 0.1)), None


def _network(*, masked: bool, parsed: bool) -> Rule:
    def rule(sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated:
        cost = by(add(_ADDRESS, _ADDRESS), 0.1)
        if masked:
            cost = add(cost, by(_ADDRESS, 0.1), ONE)
        if parsed:
            cost = add(cost, by(sizes.size_of(args[0]), 0.1))
        return cost, None

    return rule


def _validate(sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated:
    return by(by(sizes.size_of(args[0]), 0.1), FORMAT_PATTERN * 0.25), None


def _in_list(_sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated:
    return by(args[1].size or (0, UNLIMITED), 1), None


def _compared(_sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated:
    most = min((part.size or (0, UNLIMITED))[1] for part in args)
    return by((1 if most > 0 else 0, most), 0.1), None


_CHEAP = frozenset({"net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"})


def _equals(_sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated:
    one, two = args
    if one.type == two.type:
        if one.type.name in _CHEAP:
            return ONE, None
        if one.type.name == "kubernetes.NamedFormat":
            return by((1, MAX_FORMAT), 0.1), None
        if one.type.name == "kubernetes.URL":
            most = 1 if two.size is None else union(two.size, two.size)[1]
            return by((1, most), 0.1), None
    return _compared(_sizes, _target, args)


def _to_bytes(_sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated:
    size = args[0].size or (0, UNLIMITED)
    return by(size, 0.1), (size[0], _wrapped(size[1] * 4))


def _to_text(_sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated:
    size = args[0].size or (0, UNLIMITED)
    return by(size, 0.1), (size[0] // 4, size[1])


def _quote(_sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated:
    size = args[0].size or (0, UNLIMITED)
    return by(size, 0.1), (_wrapped(size[0] + 2), _wrapped(size[1] * 2 + 2))


def _format(_sizes: Sizes, target: Part | None, _args: list[Part]) -> Estimated | None:
    return None if target is None else (by(target.size or (0, UNLIMITED), 0.1), None)


def _affix(_sizes: Sizes, _target: Part | None, args: list[Part]) -> Estimated:
    return by(args[0].size or (0, UNLIMITED), 0.1), None


_BY_FUNCTION: dict[str, Rule] = {
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _traversal),
    "url": _argument(0.1, keeps_size=True),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _same_size),
    "replace": _replace,
    "split": _split,
    "join": _join,
    **dict.fromkeys(("find", "findAll"), _find),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "ip", "quantity", "isQuantity", "semver", "isSemver"), _argument(0.1)),
    "ip.isCanonical": _argument(0.2),
    "containsIP": _network(masked=False, parsed=False),
    "containsCIDR": _network(masked=True, parsed=False),
    "validate": _validate,
    "_==_": _equals,
    "_!=_": _compared,
}

_BY_OVERLOAD: dict[str, Rule] = {
    "list_slice": _slice,
    "lists_range": _range,
    "list_reverse": _reverse,
    **dict.fromkeys(("list_flatten", "list_flatten_int"), _flatten),
    "list_distinct": _distinct,
    **dict.fromkeys(("list_sets_contains_list", "list_sets_intersects_list"), _sets(1)),
    "list_sets_equivalent_list": _sets(2),
    "cidr_ip": _fixed(1),
    "cidr_contains_ip_string": _network(masked=False, parsed=True),
    "cidr_contains_cidr_string": _network(masked=True, parsed=True),
    "string_format": _format,
    "string_to_bytes": _to_bytes,
    "bytes_to_string": _to_text,
    "strings_quote": _quote,
    **dict.fromkeys(("starts_with_string", "ends_with_string"), _affix),
    "in_list": _in_list,
    **dict.fromkeys(("matches", "matches_string"), _matches),
    "contains_string": _contains,
    **dict.fromkeys(
        (f"{order}_{kind}" for order in ("less", "greater", "less_equals", "greater_equals") for kind in ("string", "bytes")),
        _compared,
    ),
}

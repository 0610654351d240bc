"""Validation without causes: closures that tell whether a value is valid, and nothing else.

Nearly every object is valid, so this is what a write costs. The truth about a schema is `watchd.schema.validation`, whose
verdict these checks must share: where a limit is unusual (a multipleOf, a bound outside of its type) or just met they ask it.
A schema becomes closures when the first value of it comes by.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from watchd.schema import formats, limits
from watchd.schema.jsonvalue import INT64_MAX, INT64_MIN, identity
from watchd.schema.structural import EMPTY, Node
from watchd.schema.validation import examine

Check = Callable[[Any], bool]

ByClass = dict[type, Check | None]
"""What holds for the values of each Python class that JSON comes in; None lets all of them pass."""

_SAMPLES: tuple[Any, ...] = ({}, [], "", True, 0, None)
"""A value of each class whose type alone decides whether it fits its schema."""


def is_valid(value: Any, node: Node) -> bool:
    """Tell whether a value is valid."""
    check = checks_of(node)[value.__class__]
    return check is None or check(value)


def checks_of(node: Node) -> ByClass:
    """Return a schema's checks, made once."""
    found: ByClass | None = node.checks
    if found is None:
        found = node.checks = _compile(node)
    return found


def _never(_: Any) -> bool:
    return False


def _compile(node: Node) -> ByClass:
    out: ByClass = {}
    for sample in _SAMPLES:
        wrong = (node.types or node.format) and limits.wrong_type(sample, node, "") is not None
        out[sample.__class__] = _never if wrong else _MAKERS[sample.__class__](node)
    out[float] = _float(node)
    return out


def _exactly(node: Node) -> Check:
    """Ask the walk that knows every cause."""
    return lambda value: not examine(value, node).problems


def _all(parts: Sequence[Check | None]) -> Check | None:
    """Return one check for all parts."""
    checks = [part for part in parts if part is not None]
    if _never in checks:
        return _never
    if len(checks) < 2:
        return checks[0] if checks else None
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) and second(value)

    def run(value: Any) -> bool:
        for check in checks:  # noqa: SIM110 - a generator would cost more than the checks
            if not check(value):
                return False
        return True

    return run


def _combined(node: Node, kind: type) -> Check | None:
    """Return the check of allOf, anyOf, oneOf and not for the values of a class, which often decides alone."""
    parts = [checks_of(each)[kind] for each in node.all_of]
    if node.any_of:
        sure, others = _alternatives(node.any_of, kind)
        parts.append(None if sure else _any(others))
    if node.one_of:
        sure, others = _alternatives(node.one_of, kind)
        parts.append(_one(others, missing=1 - sure))
    if node.not_ is not None:
        refused = checks_of(node.not_)[kind]
        parts.append(_never if refused is None else lambda value: not refused(value))
    return _all(parts)


def _alternatives(nodes: Sequence[Node], kind: type) -> tuple[int, list[Check]]:
    """Return how many schemas let every value of a class pass, and the checks of those that let some pass."""
    checks = [checks_of(node)[kind] for node in nodes]
    return checks.count(None), [check for check in checks if check is not None and check is not _never]


def _any(checks: list[Check]) -> Check:
    if not checks:
        return _never

    def run(value: Any) -> bool:
        for check in checks:  # noqa: SIM110 - a generator would cost more than the checks
            if check(value):
                return True
        return False

    return run


def _one(checks: list[Check], *, missing: int) -> Check | None:
    """Return what tells whether as many checks pass as are missing to one."""
    if not checks:
        return _never if missing else None

    def run(value: Any) -> bool:
        passed = 0
        for check in checks:
            passed += check(value)
        return passed == missing

    return run


def _enum(node: Node, kind: type) -> Check | None:
    """Return the check of the enumeration for values of a class."""
    accepted = node.raw.get("enum")
    if not accepted:
        return None
    if kind is str:
        return frozenset(one for one in accepted if one.__class__ is str).__contains__
    return lambda value: limits.of_enum(value, node, "") is None


def _null(node: Node) -> Check | None:
    return _never if node.raw.get("enum") else None


def _boolean(node: Node) -> Check | None:
    return _all([_combined(node, bool), _enum(node, bool)])


def _string(node: Node) -> Check | None:
    check = formats.checker(node.format) if node.format else None
    return _all([_combined(node, str), _enum(node, str), _text(node), check])


def _text(node: Node) -> Check | None:
    """Return the check of a string's length and pattern."""
    least, most = node.raw.get("minLength") or 0, node.raw.get("maxLength")
    matches = node.pattern.matches if node.pattern is not None else None
    if most is None and least <= 0:
        return matches
    most = sys.maxsize if most is None else most
    if matches is None:
        return lambda value: least <= len(value) <= most
    return lambda value: least <= len(value) <= most and matches(value)


def _integer(node: Node) -> Check | None:
    raw, exact = node.raw, _exactly(node)
    if raw.get("multipleOf") is not None:
        return exact
    low, high = (limits.INT32_MIN, limits.INT32_MAX) if node.format == "int32" else (INT64_MIN, INT64_MAX)
    for name, excluded, above in (("minimum", "exclusiveMinimum", False), ("maximum", "exclusiveMaximum", True)):
        limit = raw.get(name)
        if limit is None:
            continue
        if float(limit) != int(limit) or not low <= int(limit) <= high:
            return exact
        if above:
            high = min(high, int(limit) - bool(raw.get(excluded)))
        else:
            low = max(low, int(limit) + bool(raw.get(excluded)))
    # Integers beyond 64 bits count as floating point numbers: whatever is out of bounds here is looked at closely.
    return _all([_combined(node, int), _enum(node, int), lambda value: low <= value <= high or exact(value)])


def _float(node: Node) -> Check:
    """Return the check of numbers with a fraction: what is clearly within its bounds is, the rest is looked at closely."""
    raw, exact = node.raw, _exactly(node)
    plain = node.types == ("number",) and node.format in {"", "double"}
    if not plain or any(raw.get(keyword) for keyword in _ASKED):
        return exact
    low, high = raw.get("minimum"), raw.get("maximum")
    least = -math.inf if low is None else float(low)
    most = math.inf if high is None else float(high)
    return lambda value: least < value < most or exact(value)


_ASKED = ("multipleOf", "enum", "allOf", "anyOf", "oneOf", "not")
"""What numbers with a fraction are looked at closely for."""


def _size(least: int | None, most: int | None) -> Check | None:
    """Return the check of how many fields or entries there are."""
    if not least and most is None:
        return None
    fewest, largest = least or 0, sys.maxsize if most is None else most
    return lambda value: fewest <= len(value) <= largest


def _object(node: Node) -> Check | None:
    raw, properties, additional = node.raw, node.properties, node.additional
    known = frozenset(properties).issuperset if additional is False else None
    size = _size(raw.get("minProperties"), raw.get("maxProperties"))
    return _all([_combined(node, dict), _enum(node, dict), size, known, _fields(node)])


def _fields(node: Node) -> Check | None:
    """Return the check of an object's fields: that they are there, and each by its schema."""
    required = tuple(node.raw.get("required") or ())
    if node.properties:
        return _named(node, required)
    values = _entries(node.additional) if isinstance(node.additional, Node) else None
    return _all([_present(required), (lambda value: values(value.values())) if values is not None else None])


def _present(required: tuple[str, ...]) -> Check | None:
    if len(required) == 1:
        (only,) = required
        return lambda value: only in value
    return (lambda value: all(field in value for field in required)) if required else None


class _Fields(dict[str, ByClass]):
    """The checks of an object's fields, each made when it is first needed."""

    def __init__(self, properties: Mapping[str, Node], rest: Node) -> None:
        super().__init__()
        self._properties = properties
        self._rest = rest

    def __missing__(self, field: str) -> ByClass:
        node = self._properties.get(field)
        if node is None:
            # Not kept: what is not named may have any name, and there may be very many.
            return checks_of(self._rest)
        found = self[field] = checks_of(node)
        return found


def _named(node: Node, required: tuple[str, ...]) -> Check:
    fields = _Fields(node.properties, node.additional if isinstance(node.additional, Node) else EMPTY)

    def run(value: dict[str, Any]) -> bool:
        for field in required:
            if field not in value:
                return False
        for field in value:  # noqa: PLC0206 - to go over pairs costs more than to look the value up
            check = fields[field][value[field].__class__]
            if check is not None and not check(value[field]):
                return False
        return True

    return run


def _list(node: Node) -> Check | None:
    raw = node.raw
    size, unique = _size(raw.get("minItems"), raw.get("maxItems")), _differ if raw.get("uniqueItems") else None
    return _all([_combined(node, list), _enum(node, list), size, unique, _entries(node.items)])


def _differ(value: list[Any]) -> bool:
    return len({identity(entry) for entry in value}) == len(value)


def _entries(node: Node | None) -> Check | None:
    if node is None:
        return None
    checks: ByClass | None = None

    def run(value: list[Any]) -> bool:
        nonlocal checks
        if checks is None:
            checks = checks_of(node)
        for entry in value:
            check = checks[entry.__class__]
            if check is not None and not check(entry):
                return False
        return True

    return run


_MAKERS: dict[type, Callable[[Node], Check | None]] = {
    dict: _object,
    list: _list,
    str: _string,
    bool: _boolean,
    int: _integer,
    type(None): _null,
}

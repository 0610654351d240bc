"""Validation without causes: closures that tell whether a value is valid, and nothing else.

Nearly every object is valid, so this is what a write costs. The truth about a schema is `watchd.schema.validation`, whose
verdict these checks must share: where a limit is unusual (a float, a multipleOf, a bound outside of its type) they ask it.
A schema becomes closures when the first value of it comes by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    out[float] = _exactly(node)
    return out


def _exactly(node: Node) -> Check:
    """Ask the walk that knows every cause."""
    return lambda value: not examine(value, node).problems


def _null(node: Node) -> Check | None:
    return _never if node.raw.get("enum") else None


def _all(parts: list[Check]) -> Check | None:
    """Return one check for all parts."""
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda value: first(value) and second(value)

    def run(value: Any) -> bool:
        for part in parts:  # noqa: SIM110 - a generator would cost more than the checks
            if not part(value):
                return False
        return True

    return run


def _common(node: Node) -> list[Check]:
    """Return the checks that hold for values of every type but null: combinations and enumerations."""
    parts = [_of(each) for each in node.all_of]
    if node.any_of:
        some = [_of(each) for each in node.any_of]
        parts.append(lambda value: any(check(value) for check in some))
    if node.one_of:
        one = [_of(each) for each in node.one_of]
        parts.append(lambda value: sum(check(value) for check in one) == 1)
    if node.not_ is not None:
        refused = _of(node.not_)
        parts.append(lambda value: not refused(value))
    if node.raw.get("enum"):
        parts.append(lambda value: limits.of_enum(value, node, "") is None)
    return parts


def _of(node: Node) -> Check:
    def run(value: Any) -> bool:
        check = checks_of(node)[value.__class__]
        return check is None or check(value)

    return run


def _string(node: Node) -> Check | None:
    raw, parts = node.raw, _common(node)
    accepted = raw.get("enum")
    if accepted and all(isinstance(one, str) for one in accepted):
        known = frozenset(accepted)
        parts[-1] = lambda value: value in known
    shortest, longest = raw.get("minLength"), raw.get("maxLength")
    if longest is not None:
        least = shortest or 0
        parts.append(lambda value: least <= len(value) <= longest)
    elif shortest:
        parts.append(lambda value: len(value) >= shortest)
    if node.pattern is not None:
        parts.append(node.pattern.matches)
    if node.format:
        check = formats.checker(node.format)
        if check is not None:
            parts.append(check)
    return _all(parts)


def _integer(node: Node) -> Check | None:
    raw, parts = node.raw, _common(node)
    if raw.get("multipleOf") is not None:
        return _exactly(node)
    low, high = (limits.INT32_MIN, limits.INT32_MAX) if node.format == "int32" else (INT64_MIN, INT64_MAX)
    exact = _exactly(node)
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
    parts.append(lambda value: low <= value <= high or exact(value))
    return _all(parts)


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


def _object(node: Node) -> Check | None:
    raw, parts = node.raw, _common(node)
    least, most = raw.get("minProperties"), raw.get("maxProperties")
    if least or most is not None:
        fewest = least or 0
        parts.append(lambda value: fewest <= len(value) and (most is None or len(value) <= most))
    required = frozenset(raw.get("required") or ())
    if required:
        parts.append(lambda value: value.keys() >= required)
    properties, additional = node.properties, node.additional
    if additional is False:
        parts.append(lambda value: value.keys() <= properties.keys())
    if properties or isinstance(additional, Node):
        fields = _Fields(properties, additional if isinstance(additional, Node) else EMPTY)

        def below(value: dict[str, Any]) -> bool:
            for field, child in value.items():
                check = fields[field][child.__class__]
                if check is not None and not check(child):
                    return False
            return True

        parts.append(below)
    return _all(parts)


def _list(node: Node) -> Check | None:
    raw, parts = node.raw, _common(node)
    least, most = raw.get("minItems"), raw.get("maxItems")
    if least or most is not None:
        fewest = least or 0
        parts.append(lambda value: fewest <= len(value) and (most is None or len(value) <= most))
    if raw.get("uniqueItems"):
        parts.append(lambda value: len({identity(entry) for entry in value}) == len(value))
    entries = node.items
    if entries is not None:

        def below(value: list[Any]) -> bool:
            checks = checks_of(entries)
            for entry in value:
                check = checks[entry.__class__]
                if check is not None and not check(entry):
                    return False
            return True

        parts.append(below)
    return _all(parts)


_MAKERS: dict[type, Callable[[Node], Check | None]] = {
    dict: _object,
    list: _list,
    str: _string,
    bool: lambda node: _all(_common(node)),
    int: _integer,
    type(None): _null,
}

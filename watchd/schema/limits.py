"""Limits of single values: of strings, numbers and enumerations, with the reference's texts.

Each function yields what is wrong with one value, in the reference's order (kube-openapi pkg/validation/validate). Its
oddities are kept where they decide what is valid: a limit of an integer is cut to an integer, and a limit that the
value's type cannot have is itself an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from watchd.schema import formats
from watchd.schema.jsonvalue import INT64_MAX, INT64_MIN, kind_of, same
from watchd.schema.structural import Node
from watchd.status import FieldError, FieldProblem, go_json, go_number, go_quote

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1

SAFE_INTEGER = float((1 << 53) - 1)
"""The largest number that counts as an integer when it is written with a fraction (JSON's MAX_SAFE_INTEGER)."""

_EPSILON = 1e-9
"""How far, as a share of it, a quotient may lie from an integer and still be one (go-openapi/swag)."""

_FLOAT32_MAX = 3.4028235677973366e38
"""The first number that rounds to infinity as a 32-bit one (IEEE 754): half a step over the largest."""

class Problem(msgspec.Struct, frozen=True):
    """Something wrong with a value; `text` is what tells it apart from others."""

    text: str
    problem: FieldProblem = FieldProblem.INVALID
    path: str = ""
    """Of the value, relative to the object that is validated."""
    value: Any = ""
    detail: str | None = None
    """What a client is told after the value; the text where it is None."""

    def error(self, prefix: str = "") -> FieldError:
        """Return the field error; `prefix` is the path of the object that was validated."""
        below = self.path.removeprefix(".")
        path = f"{prefix}.{below}" if prefix and below else prefix or below
        value = "" if self.value is None and self.problem is not FieldProblem.NOT_SUPPORTED else self.value
        return FieldError(self.problem, path, value, self.text if self.detail is None else self.detail)


_KIND_FORMATS = {"integer": "int64", "number": "float64"}
"""What the reference calls the format of a value of no format."""


def wrong_type(value: Any, node: Node, path: str) -> Problem | None:
    """Check a value's type."""
    types, form, kind = node.types, node.format, kind_of(value)
    if kind == "null":
        return None if not types or node.nullable else invalid_type(path, ",".join(types), kind)
    as_integer = kind == "number" and "integer" in types and is_integer(float(value))
    fits = kind in types or as_integer or (kind == "integer" and "number" in types)
    if form and kind not in {"string", "array"} and not fits:
        return invalid_type(path, form, _KIND_FORMATS.get(kind, ""))
    if form and kind in {"string", "array"} and "number" not in types and "integer" not in types:
        # The format decides, and formats are of strings: a list passes.
        return None
    return None if fits else invalid_type(path, ",".join(types), kind)


def invalid_type(path: str, wanted: str, found: str) -> Problem:
    """Say that a value is not of a type or format."""
    text = f"{path} in body must be of type {wanted}: {go_quote(found)}"
    return Problem(text, FieldProblem.TYPE_INVALID, path, found)


def is_integer(number: float) -> bool:
    """Tell whether a floating point number counts as an integer (go-openapi/swag IsFloat64AJSONInteger)."""
    if not -SAFE_INTEGER <= number <= SAFE_INTEGER:
        return False
    rounded = float(round(number))
    return number == rounded or (rounded != 0 and abs(number - rounded) < _EPSILON * abs(rounded))


def of_string(value: str, node: Node, path: str) -> Iterator[Problem]:
    """Check a string's length, in code points, and its pattern: the first that fails is told."""
    raw, length = node.raw, len(value)
    longest, shortest = raw.get("maxLength"), raw.get("minLength")
    if longest is not None and length > longest:
        text = f"{path} in body should be at most {longest} chars long"
        unit = "byte" if longest == 1 else "bytes"
        told = f"may not be more than {longest} {unit}" if longest >= 0 else "value is too long"
        yield Problem(text, FieldProblem.TOO_LONG, path, value, told)
    elif shortest is not None and length < shortest:
        yield Problem(f"{path} in body should be at least {shortest} chars long", path=path, value=value)
    elif node.pattern is not None and not node.pattern.matches(value):
        why = f", but pattern is invalid: {node.pattern.error}" if node.pattern.error else ""
        yield Problem(f"{path} in body should match '{node.pattern.text}{why}'", path=path, value=value)


def of_format(value: str, node: Node, path: str) -> Iterator[Problem]:
    """Check a string's format."""
    if not formats.holds(node.format, value):
        yield invalid_type(path, node.format, value)


def of_number(value: float, node: Node, path: str) -> Iterator[Problem]:
    """Check a number's range, multipleOf, minimum and maximum."""
    raw = node.raw
    out = _out_of_range(value, node, "Checked", path)
    if out is not None:
        yield out
    factor = raw.get("multipleOf")
    if factor is not None:
        out = _out_of_range(float(factor), node, "MultipleOf", path)
        if out is not None:
            yield out
        yield from _multiple(value, factor, path, exact=out is None and _whole(value))
    for limit, above in ((raw.get("minimum"), False), (raw.get("maximum"), True)):
        if limit is not None:
            out = _out_of_range(float(limit), node, f"{'Maximum' if above else 'Minimum'} boundary", path)
            if out is not None:
                yield out
            exclusive = bool(raw.get("exclusiveMaximum" if above else "exclusiveMinimum"))
            exact = out is None and _whole(value)
            yield from _bound(value, limit, path, above=above, exclusive=exclusive, exact=exact)


def _whole(value: float) -> bool:
    return kind_of(value) == "integer"


def _out_of_range(value: float, node: Node, prefix: str, path: str) -> Problem | None:
    """Check that a value, or a limit, is one of the schema's type and format."""
    if node.types == ("integer",):
        form = node.format if node.format in {"int32", "int64"} else ""
        low, high = (INT32_MIN, INT32_MAX) if form == "int32" else (INT64_MIN, INT64_MAX)
        good = (not isinstance(value, float) or value.is_integer()) and low <= int(value) <= high
        kind = "integer"
    elif node.types == ("number",) and node.format == "float":
        good, form, kind = abs(value) < _FLOAT32_MAX, "float", "number"
    else:
        return None
    if good:
        return None
    which = f"with format {form}" if form else "(default format)"
    return Problem(f"{prefix} value must be of type {kind} {which} in {path}")


def _multiple(value: float, factor: float, path: str, *, exact: bool) -> Iterator[Problem]:
    number: float = value if exact else float(value)
    step: float = int(factor) if exact else float(factor)
    if step <= 0:
        text = f"factor MultipleOf declared for {path} must be positive: {go_number(step)}"
        yield Problem(text, path=path, value=step)
    elif exact:
        if number % step:
            yield Problem(f"{path} in body should be a multiple of {step}", path=path, value=number)
    elif not is_integer(1 / step * number if step < 1 else number / step):
        yield Problem(f"{path} in body should be a multiple of {go_number(step)}", path=path, value=number)


def _bound(
    value: float, limit: float, path: str, *, above: bool, exclusive: bool, exact: bool
) -> Iterator[Problem]:
    number: float = value if exact else float(value)
    bound: float = int(limit) if exact else float(limit)
    beyond = number > bound if above else number < bound
    if beyond or (exclusive and number == bound):
        words = f"{'less' if above else 'greater'} than{'' if exclusive else ' or equal to'}"
        yield Problem(f"{path} in body should be {words} {go_number(bound)}", path=path, value=number)


def of_enum(value: Any, node: Node, path: str) -> Problem | None:
    """Check that a value is one of the enumeration's; null never is."""
    accepted = node.raw.get("enum")
    if not accepted or any(_matches(value, one) for one in accepted):
        return None
    shown = [one if isinstance(one, str) else go_json(one) for one in accepted]
    text = f"{path} in body should be one of {shown}"
    detail = f"supported values: {', '.join(go_quote(one) for one in shown)}"
    return Problem(text, FieldProblem.NOT_SUPPORTED, path, value, detail)


def _matches(value: Any, one: Any) -> bool:
    kinds = kind_of(value), kind_of(one)
    if kinds == ("number", "integer"):
        # Go converts the value to the enumeration's type first, and cuts its fraction.
        return math.isfinite(value) and int(value) == one
    if kinds == ("integer", "number"):
        return bool(float(value) == one)
    return bool(value is not None and kinds[0] == kinds[1] and same(value, one))

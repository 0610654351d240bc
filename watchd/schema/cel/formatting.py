"""The function format: clauses such as %s and %.2f, over values and, before any object is seen, over types."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import attrs

from watchd.schema.cel.conversions import to_string
from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.times import duration_text, timestamp_text
from watchd.schema.cel.values import (
    MAX_INT,
    Duration,
    Struct,
    Timestamp,
    TypeValue,
    Uint,
    no_overload,
    type_name,
    whole,
)
from watchd.status import go_quote

DEFAULT_PRECISION = 6
"""Digits after the point where a clause names none."""

MAX_PRECISION = 1000
"""Digits after the point that are written at most: a double has no more to tell."""

_STRING_TEXT = (
    "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and "
    "timestamps, was given {}"
)
_INTEGERS = frozenset({"int", "uint"})


@attrs.frozen
class Kind:
    """What one letter of a clause takes."""

    types: frozenset[str]
    refusal: str


KINDS = {
    "s": Kind(frozenset(), _STRING_TEXT),
    "d": Kind(_INTEGERS, "decimal clause can only be used on integers, was given {}"),
    "f": Kind(frozenset({"double", "string"}), "fixed-point clause can only be used on doubles, was given {}"),
    "e": Kind(frozenset({"double", "string"}), "scientific clause can only be used on doubles, was given {}"),
    "b": Kind(_INTEGERS | {"bool"}, "only integers and bools can be formatted as binary, was given {}"),
    "x": Kind(
        _INTEGERS | {"string", "bytes"},
        "only integers, byte buffers, and strings can be formatted as hex, was given {}",
    ),
    "o": Kind(_INTEGERS, "octal clause can only be used on integers, was given {}"),
}
"""The clauses by their letters; X is x with large letters."""

_CLAUSE = re.compile(r"(\.[0-9]*)?(.)?", re.DOTALL)


@attrs.frozen
class Clause:
    """One clause of a format."""

    letter: str
    precision: int


def clauses(text: str, count: int, *, counted: bool) -> Iterator[str | Clause]:
    """Cut a format into texts and clauses.

    Args:
        text: the format.
        count: how many arguments there are.
        counted: whether a clause that is cut off is first asked for its argument.

    Raises:
        EvaluationError: a clause is malformed, or has no argument.

    """
    used = 0
    place = 0
    for piece in re.finditer("%", text):
        start = piece.start()
        if start < place:
            continue
        if start > place:
            yield text[place:start]
        if text[start + 1 : start + 2] == "%":
            yield "%"
            place = start + 2
            continue
        if start + 1 >= len(text) and not (counted and used >= count):
            raise EvaluationError("unexpected end of string")
        if used >= count:
            raise EvaluationError(f"index {used} out of range")
        clause, place = _clause(text, start + 1)
        used += 1
        yield clause
    if place < len(text):
        yield text[place:]


def _clause(text: str, place: int) -> tuple[Clause, int]:
    match = _CLAUSE.match(text, place)
    assert match is not None  # noqa: S101 - it matches the empty text
    where = "could not parse formatting clause: "
    precision = DEFAULT_PRECISION
    if match[1] is not None:
        if match[2] is None:
            why = "could not find end of precision specifier"
            raise EvaluationError(f"{where}error while parsing precision: {why}")
        digits = match[1][1:]
        if not digits:
            why = 'error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax'
            raise EvaluationError(f"{where}error while parsing precision: {why}")
        precision = whole(digits)
        if precision > MAX_INT:
            why = f'error while converting precision to integer: strconv.Atoi: parsing "{digits}": value out of range'
            raise EvaluationError(f"{where}error while parsing precision: {why}")
    letter = match[2]
    if letter not in {*KINDS, "X"}:
        raise EvaluationError(f'{where}unrecognized formatting clause "{letter}"')
    return Clause(letter, precision), match.end()


def apply(text: str, arguments: list[Any]) -> str:
    """Fill a format with arguments.

    Raises:
        EvaluationError: it is malformed, or an argument does not fit.

    """
    if type(text) is not str or not isinstance(arguments, list):
        raise no_overload()
    values = iter(arguments)
    pieces = clauses(text, len(arguments), counted=True)
    return "".join(piece if isinstance(piece, str) else _formatted(piece, next(values)) for piece in pieces)


def _formatted(clause: Clause, value: Any) -> str:
    letter = clause.letter.lower()
    name = type_name(value)
    kind = KINDS[letter]
    if letter == "s":
        return _text(value)
    odd = letter in {"f", "e"} and name == "string" and value not in {"NaN", "Infinity", "-Infinity"}
    if name not in kind.types or odd:
        raise EvaluationError(f"error during formatting: {kind.refusal.format(name)}")
    if letter in {"f", "e"}:
        return _number(float(value), letter, clause.precision)
    if letter == "x":
        shown = value.hex() if name == "bytes" else value.encode().hex() if name == "string" else format(int(value), "x")
        return shown.upper() if clause.letter == "X" else shown
    return format(int(value), letter)


def _number(value: float, letter: str, precision: int) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if letter == "f":
        return f"{value:,.{min(precision, MAX_PRECISION)}f}"
    digits, _, exponent = f"{value:.{DEFAULT_PRECISION}e}".partition("e")
    return f"{digits}\u00d710{''.join(_SUPERSCRIPTS[char] for char in f'{int(exponent):+03d}'.lstrip('+'))}"


_SUPERSCRIPTS = dict(zip("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻", strict=True))


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(map(_inner, value))}]"
    if isinstance(value, dict | Struct):
        return _map(value)
    if isinstance(value, TypeValue):
        return value.name
    if type(value) in {bool, int, Uint, float, str, bytes, Timestamp, Duration}:
        return to_string(value)
    raise EvaluationError(f"error during formatting: {_STRING_TEXT.format(type_name(value))}")


def _map(value: Any) -> str:
    names = value.names() if isinstance(value, Struct) else list(value)
    items = [(name, value.find(name) if isinstance(value, Struct) else value[name]) for name in names]
    pairs = []
    for key, inner in items:
        if type(key) not in {str, bool, int, Uint}:
            why = f"no formatting function for map key of type {type_name(key)}"
            raise EvaluationError(f"error during formatting: {why}")
        shown = go_quote(key) if type(key) is str else to_string(key)
        pairs.append((shown, _inner(inner)))
    return "{" + ", ".join(f"{key}:{inner}" for key, inner in sorted(pairs, key=lambda pair: pair[0])) + "}"


def _inner(value: Any) -> str:  # noqa: PLR0911 - a table of cases
    """Write a value within a list or map."""
    kind = type(value)
    if kind is str:
        return go_quote(value)
    if kind is bytes:
        return f"b{go_quote(value.decode('utf-8', 'replace'))}"
    if kind is float:
        if math.isfinite(value):
            return f"{value:.{DEFAULT_PRECISION}f}"
        return go_quote("NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf")
    if kind is Timestamp:
        return f"timestamp({go_quote(timestamp_text(value))})"
    if kind is Duration:
        return f"duration({go_quote(duration_text(value))})"
    if kind is int or kind is Uint:
        return str(int(value))
    return _text(value)

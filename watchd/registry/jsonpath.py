"""JSONPath as printer columns write it: kubectl's dialect (k8s.io/client-go/util/jsonpath), missing keys allowed.

`.spec.size`, `.status.list[0]`, `[-1]`, `[1:3]`, `[*]`, `[0,2]`, `['a key']`, `..name`, `.conditions[?(@.type=="Ready")].status`. The
dialect has its own ways, and so has this: a dot inside `['a.b']` is still a step, a comparison of unlike types or an
index out of bounds leaves nothing at all, and a name without a dot is a keyword that nothing knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

Step = Callable[[list[Any]], list[Any]]
"""From values to the values that they lead to. Raises JsonPathError where the whole path leads nowhere."""

CACHED_PATHS = 4096
"""Compiled paths kept: every column of a few hundred definitions."""

CACHED_LENGTH = 512
"""Characters of a path that is kept."""


class JsonPathError(ValueError):
    """A path that cannot be read, or cannot be followed in an object."""


_FIELD = re.compile(r"(?:\\.|[^\\\s.,\[\]$@{}])*", re.DOTALL)
_WORD = re.compile(r"[^\W\d][^\s.,\[\]$@{}]*")
_NUMBER = re.compile(r"[+-]?[\d.]*")
_SLICE = re.compile(r"(-?\d*)(:-?\d*)?(:-?\d*)?")
_DICT_KEY = re.compile(r"'([^']*)'")
_FILTER = re.compile(r"([^!<>=]+)([!<>=]+)(.+)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}
_EQUAL: dict[str, bool] = {"==": True, "!=": False}


class JsonPath:
    """A path that has been read."""

    __slots__ = ("_steps",)

    def __init__(self, text: str) -> None:
        """Read a path. Raises JsonPathError."""
        self._steps = tuple(_steps(text))

    def find(self, value: Any) -> list[Any]:
        """Return the values that the path leads to, in order. Raises JsonPathError where it cannot be followed."""
        found = [value]
        for step in self._steps:
            found = step(found)
        return found

    def first(self, value: Any) -> tuple[Any, ...]:
        """Return the first value that the path leads to, or nothing."""
        try:
            return tuple(self.find(value)[:1])
        except JsonPathError:
            return ()


def compiled(text: str) -> JsonPath:
    """Return a path, read once unless it is very long. Raises JsonPathError."""
    return _kept(text) if len(text) <= CACHED_LENGTH else JsonPath(text)


@lru_cache(CACHED_PATHS)
def _kept(text: str) -> JsonPath:
    return JsonPath(text)


def _steps(text: str) -> Iterator[Step]:
    at = 0
    while at < len(text):
        if text[at] in " @$":
            at += 1
            continue
        steps, at = _next(text, at)
        yield from steps


def _next(text: str, at: int) -> tuple[list[Step], int]:
    """Read what stands at a place; return its steps and where it ends."""
    char = text[at]
    if char == "[":
        return _read_bracket(text, at)
    if char == ".":
        return _read_descent(text, at) if text.startswith("..", at) else _read_field(text, at + 1)
    if char in "\"'":
        word, at = _quoted(text, at)
        return [_always(word)], at
    if char in "+-" or char.isdigit():
        number, at = _number(text, at)
        return [_always(number)], at
    match = _WORD.match(text, at)
    if match is None:
        raise JsonPathError(f"unrecognized character in action: {char!r}")
    known = match[0] in ("true", "false")
    return [_always(match[0] == "true") if known else _unknown(match[0])], match.end()


def _read_bracket(text: str, at: int) -> tuple[list[Step], int]:
    if text.startswith("[?(", at):
        end = _end_of_filter(text, at + 3)
        return [_filter(text[at + 3 : end])], end + 2
    end = text.find("]", at)
    if end < 0 or "\n" in text[at:end]:
        raise JsonPathError("unterminated array")
    return list(_bracket(text[at + 1 : end])), end + 1


def _read_descent(text: str, at: int) -> tuple[list[Step], int]:
    at += 2
    if text.startswith("..", at):
        raise JsonPathError("invalid multiple recursive descent")
    if at < len(text) and (text[at] == "_" or text[at].isalnum()):
        steps, at = _read_field(text, at)
        return [_descend, *steps], at
    return [_descend], at


def _read_field(text: str, at: int) -> tuple[list[Step], int]:
    match = _FIELD.match(text, at)
    if match is None:
        raise JsonPathError(f"cannot read {text[at:]!r}")
    return [_all if match[0] == "*" else _field(match[0].replace("\\", ""))], match.end()


def _end_of_filter(text: str, at: int) -> int:
    """Return where a filter's `)]` stands: parentheses inside its first quotes do not count."""
    quote, closed = "", False
    for position in range(at, len(text)):
        char = text[position]
        if char in "\"'":
            if not quote:
                quote = char
            elif char == quote and text[position - 1] != "\\":
                closed = True
        elif char == ")" and bool(quote) == closed:
            if text[position + 1 : position + 2] != "]":
                raise JsonPathError("unclosed array expect ]")
            return position
    raise JsonPathError("unterminated filter")


def _quoted(text: str, at: int) -> tuple[str, int]:
    end = at + 1
    while (end := text.find(text[at], end)) > 0 and text[end - 1] == "\\":
        end += 1
    if end < 0 or "\n" in text[at:end]:
        raise JsonPathError("unterminated quoted string")
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text[at + 1 : end]), end + 1


def _number(text: str, at: int) -> tuple[int | float, int]:
    match = _NUMBER.match(text, at)
    found = match[0] if match else ""
    try:
        return (float(found) if "." in found else int(found)), at + len(found)
    except ValueError as e:
        raise JsonPathError(f"cannot parse number {found}") from e


def _bracket(text: str) -> Iterator[Step]:
    if "," in text:
        parts = [tuple(_bracket(part.strip(" "))) for part in text.split(",")]
        yield lambda values: [found for steps in parts for found in _follow(steps, values)]
        return
    key = _DICT_KEY.fullmatch(text)
    if key is not None:
        yield from _steps(f".{key[1]}")
        return
    match = _SLICE.fullmatch(":" if text == "*" else text)
    if match is None:
        raise JsonPathError(f"invalid array index {text}")
    start, stop, step = (None if part is None else part.lstrip(":") for part in match.groups())
    try:
        first = int(start) if start else 0
        yield _slice(first, int(stop) if stop else None, int(step) if step else 1, single=stop is None)
    except ValueError as e:
        raise JsonPathError(f"array index {text} is not a number") from e


def _follow(steps: tuple[Step, ...], values: list[Any]) -> list[Any]:
    for step in steps:
        values = step(values)
    return values


def _always(value: Any) -> Step:
    return lambda values: [value] * len(values)


def _unknown(word: str) -> Step:
    def refuse(_: list[Any]) -> list[Any]:
        raise JsonPathError(f"unrecognized identifier {word}")

    return refuse


def _field(name: str) -> Step:
    return lambda values: [value[name] for value in values if isinstance(value, dict) and name in value]


def _slice(first: int, stop: int | None, step: int, *, single: bool) -> Step:
    def take(values: list[Any]) -> list[Any]:
        out: list[Any] = []
        for value in values:
            if value is None:
                continue
            if not isinstance(value, list):
                raise JsonPathError(f"{type(value).__name__} is not array or slice")
            size = len(value)
            start = first + size if first < 0 else first
            end = start + 1 if single else size if stop is None else stop + size if stop < 0 else stop
            if start == end:
                # Nothing is asked for, wherever that may be; what other values gave is passed on as it is.
                return out
            if not (0 <= start < size and start < end <= size) or step <= 0:
                raise JsonPathError(f"array index out of bounds: index {start}, length {size}")
            out += value[start:end:step]
        return out

    return take


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _all(values: list[Any]) -> list[Any]:
    return [child for value in values for child in _children(value)]


def _descend(values: list[Any]) -> list[Any]:
    out: list[Any] = []
    for value in values:
        children = _children(value)
        if children:
            out += [value, *_descend(children)]
    return out


def _filter(text: str) -> Step:
    match = _FILTER.fullmatch(text)
    if match is None:
        exists = tuple(_steps(text))
        return lambda values: [item for item in _items(values) if _leads_somewhere(exists, item)]
    operator = match[2]
    left, right = tuple(_steps(match[1])), tuple(_steps(match[3]))

    def keep(item: Any) -> bool:
        sides = [_follow(side, [item]) for side in (left, right)]
        if not all(sides):
            return False
        if any(len(side) > 1 for side in sides):
            raise JsonPathError("can only compare one element at a time")
        return _compare(operator, sides[0][0], sides[1][0])

    return lambda values: [item for item in _items(values) if keep(item)]


def _items(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if not isinstance(value, list):
            raise JsonPathError(f"{type(value).__name__} is not array or slice and cannot be filtered")
        yield from value


def _leads_somewhere(steps: tuple[Step, ...], item: Any) -> bool:
    try:
        return bool(_follow(steps, [item]))
    except JsonPathError:
        return False


def _compare(operator: str, left: Any, right: Any) -> bool:
    # Only like is compared with like, and an integer is not like a number with a fraction.
    if type(left) is not type(right) or not isinstance(left, bool | int | float | str):
        raise JsonPathError("incompatible types for comparison")
    if operator in _EQUAL:
        return (left == right) is _EQUAL[operator]
    if operator not in _ORDERED or isinstance(left, bool):
        raise JsonPathError(f"unrecognized filter operator {operator}")
    return _ORDERED[operator](left, right)

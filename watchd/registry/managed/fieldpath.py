"""Path elements as FieldsV1 writes them, in one canonical spelling, so that equal elements are equal strings.

`f:NAME` is a field of a map, `k:{"KEY":VALUE,...}` an item of a list of type map, `v:VALUE` an item of a set and `i:N` an
item by its place. The spelling and the order are those of structured-merge-diff's fieldpath (serialize-pe.go, element.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson

from conversion.codec import INT64_MAX, INT64_MIN
from watchd.status import go_quote

Path = tuple[str, ...]
"""Elements from the root of the object down."""

FIELD = "f:"
KEY = "k:"
VALUE = "v:"
INDEX = "i:"

MAX_SAFE_FLOAT = 1e21
"""From here on Go writes floats with an exponent (encoding/json)."""

_CACHED_ELEMENTS = 4096
"""Elements whose canonical spelling and order are remembered: an object has a handful."""

_CACHED_CHARS = 512
"""Characters of the longest of them: clients write elements as long as a body may be."""

_ESCAPED = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_INTEGER = re.compile(r"([+-]?)0*(\d+)", re.ASCII)
_INTEGER_DIGITS = len(str(INT64_MAX))
_EXPONENT = re.compile(r"e(?=\d)")

SortKey = tuple[Any, ...]


class BadElement(ValueError):
    """Text that is no path element."""


def field(name: str) -> str:
    """Return the element of a map's field."""
    return FIELD + name


def key(fields: dict[str, Any]) -> str:
    """Return the element of a list's item that has these key fields."""
    return KEY + _object(fields)


def value(item: Any) -> str:
    """Return the element of a set's item."""
    return VALUE + json_text(item)


def path_text(path: Iterable[str]) -> str:
    """Write a path for people: `.spec.ports[name="http"].port`."""
    return "".join(map(element_text, path))


def element_text(element: str) -> str:
    """Write one element for people."""
    kind, text = element[:2], element[2:]
    if kind == FIELD:
        return "." + text
    if kind == KEY:
        fields = orjson.loads(text)
        return "[" + ",".join(f"{name}={_shown(item)}" for name, item in sorted(fields.items())) + "]"
    return f"[={_shown(orjson.loads(text))}]" if kind == VALUE else f"[{text}]"


def canonical(text: str) -> str | None:
    """Return the canonical spelling of an element; None for a kind of element that is not known, which readers drop.

    Raises BadElement.
    """
    return _kept_canonical(text) if len(text) <= _CACHED_CHARS else _canonical(text)


def _canonical(text: str) -> str | None:
    kind, rest = text[:2], text[2:]
    if len(text) < 2:
        raise BadElement("key must be 2 characters long:")
    if kind[1] != ":":
        raise BadElement(f"missing colon: {text}")
    if kind == FIELD:
        return text
    if kind == INDEX:
        return f"{INDEX}{_index(rest)}"
    if kind not in {KEY, VALUE}:
        return None
    try:
        item = orjson.loads(rest)
    except orjson.JSONDecodeError as e:
        raise BadElement(f"{go_quote(rest)} is not JSON: {e}") from e
    if kind == VALUE:
        return value(item)
    if not isinstance(item, dict):
        raise BadElement(f"{go_quote(rest)} is not an object")
    return key(item)


_kept_canonical = lru_cache(maxsize=_CACHED_ELEMENTS)(_canonical)


def _index(text: str) -> int:
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise BadElement(f"strconv.Atoi: parsing {go_quote(text)}: invalid syntax")
    sign, digits = match.groups()
    # Python refuses to read thousands of digits.
    if len(digits) > _INTEGER_DIGITS or not INT64_MIN <= int(sign + digits) <= INT64_MAX:
        raise BadElement(f"strconv.Atoi: parsing {go_quote(text)}: value out of range")
    return int(sign + digits)


def sort_key(element: str) -> SortKey:
    """Return what orders elements: fields by name, then keys, values and indices."""
    return _kept_sort_key(element) if len(element) <= _CACHED_CHARS else _sort_key(element)


def _sort_key(element: str) -> SortKey:
    kind, text = element[:2], element[2:]
    if kind == FIELD:
        return (0, text)
    if kind == KEY:
        return (1, tuple((name, _value_key(item)) for name, item in sorted(orjson.loads(text).items())))
    if kind == VALUE:
        return (2, _value_key(orjson.loads(text)))
    return (3, int(text))


_kept_sort_key = lru_cache(maxsize=_CACHED_ELEMENTS)(_sort_key)


def _value_key(item: Any) -> SortKey:
    """Order values as value.Compare does: numbers, strings, booleans, lists, maps, null."""
    match item:
        case bool():
            return (2, item)
        case int() | float():
            return (0, item)
        case str():
            return (1, item)
        case list():
            return (3, tuple(map(_value_key, item)))
        case dict():
            return (4, tuple((name, _value_key(inner)) for name, inner in sorted(item.items())))
        case _:
            return (5,)


def json_text(item: Any) -> str:
    """Write a value as JSON in Go's spelling: names in order, integral floats as integers, HTML characters escaped."""
    match item:
        case str():
            return f'"{_ESCAPED.sub(_escape, item)}"' if _ESCAPED.search(item) else f'"{item}"'
        case dict():
            return _object(item)
        case list():
            return "[" + ",".join(map(json_text, item)) + "]"
        case float():
            return _float(item)
        case _:
            # Integers, booleans and null, which both languages write alike.
            return orjson.dumps(item).decode()


def _float(item: float) -> str:
    if item.is_integer() and abs(item) < MAX_SAFE_FLOAT:
        return str(int(item))
    return _EXPONENT.sub("e+", orjson.dumps(item).decode())


def _object(fields: dict[str, Any]) -> str:
    inner = (f"{json_text(name)}:{json_text(fields[name])}" for name in sorted(fields))
    return "{" + ",".join(inner) + "}"


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return _SHORT.get(char) or f"\\u{ord(char):04x}"


def _shown(item: Any) -> str:
    """Write a value as value.ToString does."""
    match item:
        case str():
            return go_quote(item)
        case list():
            return "[" + ",".join(map(_shown, item)) + "]"
        case dict():
            return "".join(f"{name}={_shown(inner)}" for name, inner in sorted(item.items()))
        case _:
            return json_text(item)

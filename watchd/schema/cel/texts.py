"""Functions over strings (CEL's standard library and its string extension, version 2)."""

from __future__ import annotations

from typing import Any

from watchd.schema.cel import regex
from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.values import no_overload, show

_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Go counts as white space."""

_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}

_QUOTES = str.maketrans(
    {
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
        "\\": "\\\\",
        '"': '\\"',
    }
)


def _texts(*values: Any) -> None:
    for value in values:
        if type(value) is not str:
            raise no_overload()


def _out_of_range(index: int) -> EvaluationError:
    return EvaluationError(f"index out of range: {index}")


def char_at(text: str, index: int) -> str:
    """Return one character; the empty text just after the last one."""
    _texts(text)
    if not 0 <= index <= len(text):
        raise _out_of_range(index)
    return text[index : index + 1]


def contains(text: str, part: str) -> bool:
    """Tell whether a text holds another."""
    _texts(text, part)
    return part in text


def starts_with(text: str, part: str) -> bool:
    """Tell whether a text begins with another."""
    _texts(text, part)
    return text.startswith(part)


def ends_with(text: str, part: str) -> bool:
    """Tell whether a text ends with another."""
    _texts(text, part)
    return text.endswith(part)


def matches(text: str, pattern: str) -> bool:
    """Tell whether a pattern is found in a text."""
    _texts(text, pattern)
    return regex.matches(text, pattern)


def find(text: str, pattern: str) -> str:
    """Return the first part that matches."""
    _texts(text, pattern)
    try:
        return regex.find(text, pattern)
    except regex.BadPattern as error:
        raise EvaluationError(f"Illegal regex: {error}") from error


def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """Return all parts that match."""
    _texts(text, pattern)
    try:
        return regex.find_all(text, pattern, limit)
    except regex.BadPattern as error:
        raise EvaluationError(f"Illegal regex: {error}") from error


def index_of(text: str, part: str, start: int = 0) -> int:
    """Return where a part first stands at or after a place, or -1."""
    _texts(text, part)
    if start < 0:
        raise _out_of_range(start)
    if not part:
        return min(start, len(text))
    return text.find(part, start)


def last_index_of(text: str, part: str, start: int | None = None) -> int:
    """Return where a part last stands at or before a place, or -1."""
    _texts(text, part)
    if start is None:
        return text.rfind(part)
    if start < 0:
        raise _out_of_range(start)
    if not part:
        return min(start, len(text))
    if start >= len(text):
        return -1
    return text.rfind(part, 0, start + len(part))


def lower_ascii(text: str) -> str:
    """Make the letters A to Z small."""
    _texts(text)
    return text.translate(_LOWER)


def upper_ascii(text: str) -> str:
    """Make the letters a to z large."""
    _texts(text)
    return text.translate(_UPPER)


def replace(text: str, old: str, new: str, limit: int = -1) -> str:
    """Replace parts of a text, the first ones where there is a limit."""
    _texts(text, old, new)
    return text.replace(old, new, max(limit, -1))


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    """Cut a text at each separator, into as many parts as the limit says at most."""
    _texts(text, separator)
    if limit == 0:
        return []
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    if 0 < limit < len(text):
        return [*text[: limit - 1], text[limit - 1 :]]
    return list(text)


def substring(text: str, start: int, end: int | None = None) -> str:
    """Return the part of a text between two places."""
    _texts(text)
    size = len(text)
    if end is not None and start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    if not 0 <= start <= size:
        raise _out_of_range(start)
    if end is not None and not 0 <= end <= size:
        raise _out_of_range(end)
    return text[start:end]


def trim(text: str) -> str:
    """Cut white space off both ends."""
    _texts(text)
    return text.strip(_SPACE)


def join(parts: list[Any], separator: str = "") -> str:
    """Put texts together."""
    if not isinstance(parts, list):
        raise no_overload()
    _texts(separator)
    bad = next((part for part in parts if type(part) is not str), "")
    if bad != "":
        raise EvaluationError(f"join: invalid input: {show(bad)}")
    return separator.join(parts)


def quote(text: str) -> str:
    """Put a text between quotes, with escapes."""
    _texts(text)
    return f'"{text.translate(_QUOTES)}"'

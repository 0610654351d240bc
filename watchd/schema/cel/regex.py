"""Regular expressions of RE2's syntax in the functions of the language, where data may be the pattern."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from watchd.schema.cel.errors import EvaluationError
from watchd.schema.patterns import BadExpression, compile_expression

KEPT = 256
"""Compiled expressions that are kept: some dozen definitions' worth. RE2 may take 8 MiB for each."""

KEPT_CHARS = 4096
"""Characters of the longest of them."""


class BadPattern(EvaluationError):
    """A text that is no regular expression."""


def compiled(pattern: str) -> Any:
    """Compile a regular expression, or take it from those that are kept.

    Raises:
        BadPattern: it is none.

    """
    return _kept(pattern) if len(pattern) <= KEPT_CHARS else _compile(pattern)


def _compile(pattern: str) -> Any:
    try:
        return compile_expression(pattern)
    except BadExpression as error:
        raise BadPattern(str(error)) from error


_kept = lru_cache(maxsize=KEPT)(_compile)


def matches(text: str, pattern: str) -> bool:
    """Tell whether a pattern is found anywhere in a text.

    Raises:
        BadPattern: the pattern is none.

    """
    # Bytes spare the package the mapping of offsets, which costs more than the search.
    return compiled(pattern).search(text.encode("utf-8", "replace")) is not None


def find(text: str, pattern: str) -> str:
    """Return the first part of a text that matches, or the empty string."""
    found = compiled(pattern).search(text)
    return "" if found is None else str(found.group())


def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """Return up to `limit` parts of a text that match, one after the other."""
    out: list[str] = []
    for found in compiled(pattern).finditer(text):
        if 0 <= limit <= len(out):
            break
        out.append(str(found.group()))
    return out

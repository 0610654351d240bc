"""Regular expressions of RE2's syntax, matched in linear time (the google-re2 package).

Python's own `re` knows another syntax and can take exponential time, which an author of a definition could use to stop
the server.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from watchd.schema.cel.errors import EvaluationError

CACHE = 1024
"""Compiled expressions that are kept: some hundred definitions' worth."""

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


_GO_WORDS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid named capture group": "invalid named capture",
    "trailing \\": "trailing backslash at end of expression",
    "invalid perl operator": "invalid or unsupported Perl syntax",
}
"""What is wrong with a pattern, in the words of Go where they are others than those of RE2."""


class BadPattern(EvaluationError):
    """A text that is no regular expression."""


@lru_cache(maxsize=CACHE)
def compiled(pattern: str) -> Any:
    """Compile a regular expression.

    Raises:
        BadPattern: it is none.

    """
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        detail = error.args[0].decode("utf-8", "replace") if error.args else ""
        what, separator, where = detail.partition(": ")
        what = _GO_WORDS.get(what, what)
        raise BadPattern(f"error parsing regexp: {what}" + (f": `{where}`" if separator else "")) from error


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

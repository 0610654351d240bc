"""Patterns of strings: Go's regular expressions, matched in linear time by RE2, whose syntax Go took over.

Python's `re` knows another syntax and can take exponential time, by which the author of a definition could stop the
server.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import re2

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


_GO_WORDS = {
    "bad repetition operator": "invalid nested repetition operator",
    "invalid named capture group": "invalid named capture",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "trailing \\": "trailing backslash at end of expression",
}
"""How Go's regexp words what RE2 says in other words."""


class BadExpression(ValueError):
    """A text that is no regular expression, in the words of Go's regexp."""


def compile_expression(text: str) -> Any:
    """Compile a regular expression.

    Raises:
        BadExpression: it is none.

    """
    try:
        return re2.compile(text, _OPTIONS)
    except re2.error as error:
        said = error.args[0].decode("utf-8", "replace") if error.args else ""
        what, separator, where = said.partition(": ")
        why = f"error parsing regexp: {_GO_WORDS.get(what, what)}" + (f": `{where}`" if separator else "")
        raise BadExpression(why) from error


KEPT_TEXTS = 64
"""Texts that a pattern remembers."""

KEPT_CHARS = 128
"""Characters of the longest of them."""


class Pattern:
    """A pattern, compiled when it is first asked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._found: set[str] = set()
        """Texts that match, as they came last: the same names come again and again."""

    @cached_property
    def _compiled(self) -> Any:
        try:
            return compile_expression(self.text)
        except BadExpression:
            return None

    @cached_property
    def error(self) -> str:
        """What is wrong with the pattern, in the words of Go's regexp; empty for a good one."""
        try:
            compile_expression(self.text)
        except BadExpression as error:
            return str(error)
        return ""

    def matches(self, text: str) -> bool:
        """Tell whether the pattern is found anywhere in a text; a pattern that is none is found nowhere."""
        if text in self._found:
            return True
        # Bytes spare the package the mapping of offsets, which costs more than the search.
        compiled = self._compiled
        if compiled is None or compiled.search(text.encode("utf-8", "replace")) is None:
            return False
        if len(text) <= KEPT_CHARS:
            if len(self._found) >= KEPT_TEXTS:
                self._found.clear()
            self._found.add(text)
        return True

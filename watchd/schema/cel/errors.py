"""What can go wrong with an expression: when it is compiled, and when it is evaluated."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

MAX_SNIPPET = 16384
"""Bytes of a source line that is still shown below an error, as the reference does."""


class CelError(Exception):
    """Anything wrong with an expression."""


class EvaluationError(CelError):
    """An expression that has no value for this object; the text is the reference's."""


class CostExceeded(CelError):
    """An evaluation that was stopped because it cost too much."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


class CompileError(CelError):
    """An expression that does not compile; the text shows each place, as the reference does."""


@attrs.frozen
class Issue:
    """One complaint about a place in the source."""

    position: int
    """Code points from the start of the source; less than none for the whole of it."""
    message: str


def location(source: str, position: int) -> tuple[int, int]:
    """Return line (from 1) and column (from 0) of a position."""
    line = source.count("\n", 0, position) + 1
    return line, position - (source.rfind("\n", 0, position) + 1)


def _display(source: str, issue: Issue) -> str:
    if issue.position < 0:
        return f"ERROR: <input>:-1:0: {issue.message}"
    line, column = location(source, issue.position)
    text = f"ERROR: <input>:{line}:{column + 1}: {issue.message}"
    snippet = source.split("\n")[line - 1].replace("\t", " ")
    if len(snippet.encode("utf-8", "replace")) > MAX_SNIPPET:
        return text
    before = snippet[:column]
    marks = "".join("." if ord(char) < 0x80 else "．" for char in before)  # noqa: RUF001 - a wide dot marks a wide character
    wide = column < len(snippet) and ord(snippet[column]) >= 0x80
    return f"{text}\n | {snippet}\n | {marks}{'＾' if wide else '^'}"  # noqa: RUF001 - the same for the pointer


def too_deep() -> CompileError:
    """An expression that is nested too deeply."""
    return compile_error("", [Issue(-1, "max recursion depth exceeded")])


def compile_error(source: str, issues: Iterable[Issue]) -> CompileError:
    """Put issues into one error, in the order of their places."""
    listed = sorted(issues, key=lambda issue: location(source, issue.position))
    return CompileError("\n".join(_display(source, issue) for issue in listed))

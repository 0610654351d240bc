"""JSONPath as printer columns and scale paths use it: the part of kubectl's dialect that stands in definitions.

`.spec.size`, `.status.list[0]`, `[-1]`, `[*]`, `['a key']`, `.conditions[?(@.type=="Ready")].status`, with the leading dot and braces
optional (k8s.io/client-go/util/jsonpath).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterable[Any]]
"""From one value to the values that it leads to."""

CACHED_PATHS = 4096
"""Compiled paths kept: every column of a few hundred definitions."""


class JsonPathError(ValueError):
    """A path that cannot be read."""


_FIELD = re.compile(r"\.?((?:[^.\[\]\\\s]|\\.)+)")
_BRACKET = re.compile(
    r"\[(?:(?P<index>-?\d+)|(?P<all>\*)|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\""
    r"|(?P<slice>-?\d*:-?\d*(?::-?\d*)?)|\?\(\s*(?P<filter>.*?)\s*\))\]"
)
_FILTER = re.compile(r"@(?P<path>[^=!<>\s]*)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>.+))?")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


class JsonPath:
    """A path that has been read."""

    __slots__ = ("_steps",)

    def __init__(self, text: str) -> None:
        """Read a path. Raises JsonPathError."""
        self._steps = tuple(_steps(text.strip().removeprefix("{").removesuffix("}")))

    def find(self, value: Any) -> list[Any]:
        """Return the values that the path leads to, in order; none where a step leads nowhere."""
        found = [value]
        for step in self._steps:
            found = [result for value in found for result in step(value)]
            if not found:
                break
        return found

    def first(self, value: Any) -> Any:
        """Return the first value that the path leads to, or None."""
        found = self.find(value)
        return found[0] if found else None


@lru_cache(CACHED_PATHS)
def compiled(text: str) -> JsonPath:
    """Return a path, read once. Raises JsonPathError."""
    return JsonPath(text)


def _steps(text: str) -> Iterator[Step]:
    text = text.removeprefix("$")
    at = 0
    while at < len(text):
        if text[at] == "[":
            match = _BRACKET.match(text, at)
            if match is None:
                raise JsonPathError(f"unterminated or unknown bracket in {text!r}")
            yield _bracket(match)
        elif text.startswith("..", at):
            raise JsonPathError("recursive descent is not supported in columns")
        elif text[at:] == ".":
            return
        else:
            match = _FIELD.match(text, at)
            if match is None:
                raise JsonPathError(f"cannot read {text[at:]!r}")
            name = re.sub(r"\\(.)", r"\1", match[1])
            yield _all if name == "*" else _field(name)
        at = match.end()


def _bracket(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return _index(int(match["index"]))
    if match["all"]:
        return _all
    if match["slice"] is not None:
        bounds = [int(bound) if bound else None for bound in match["slice"].split(":")]
        return lambda value: value[slice(*bounds)] if isinstance(value, list) else ()
    if match["filter"] is not None:
        return _filter(match["filter"])
    return _field(match["single"] if match["single"] is not None else match["double"])


def _field(name: str) -> Step:
    return lambda value: (value[name],) if isinstance(value, dict) and name in value else ()


def _index(index: int) -> Step:
    return lambda value: (value[index],) if isinstance(value, list) and -len(value) <= index < len(value) else ()


def _all(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        return value
    return value.values() if isinstance(value, dict) else ()


def _filter(text: str) -> Step:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise JsonPathError(f"cannot read the filter {text!r}")
    path = JsonPath(match["path"])
    if match["op"] is None:
        return lambda value: [item for item in _all(value) if path.find(item)]
    compare, wanted = _COMPARE[match["op"]], _literal(match["value"].strip())

    def keep(item: Any) -> bool:
        for found in path.find(item):
            # Only like is compared with like: a filter over mixed values passes over the others.
            if type(found) is type(wanted) or (
                isinstance(found, int | float) and isinstance(wanted, int | float) and not isinstance(found, bool)
            ):
                return compare(found, wanted)
        return False

    return lambda value: [item for item in _all(value) if keep(item)]


def _literal(text: str) -> Any:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text in {"true", "false"}:
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError as error:
        raise JsonPathError(f"cannot read {text!r} in a filter") from error

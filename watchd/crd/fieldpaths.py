"""Paths into schemas: what `fieldPath` of a rule and `jsonPath` of a selectable field lead to (KEP-2876, KEP-4358)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_PART = re.compile(r"[.\[\]]|'.*?(?<!\\)'|'.*|[^.\[\]]+", re.DOTALL)
"""A sign, a quoted name, or what stands up to the next sign."""

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PLAIN = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}

NOWHERE = "does not refer to a valid field"
CUT_OFF = "unexpected end of JSON path"


class BadPath(ValueError):
    """A path that leads nowhere; the text says why."""


def resolve(path: str, schema: Schema, *, arrays: bool = True) -> tuple[Schema, list[str]]:
    """Return the schema that a path leads to, and the path's steps.

    Args:
        path: `.spec.hosts`, or `.spec['x.y']` where `arrays` allows it.
        schema: from which it goes.
        arrays: whether names may stand in brackets.

    Raises:
        BadPath: it leads nowhere.

    """
    parts = (match.group() for match in _PART.finditer(path))
    steps: list[str] = []
    for part in parts:
        if part == ".":
            name = next(parts, None)
            if name is None:
                raise BadPath(CUT_OFF)
        elif part == "[":
            name = _bracketed(parts, arrays=arrays)
        else:
            raise BadPath(f"expected [ or . but got: {part}")
        schema = _step(schema, name)
        if part == "[":
            _close(parts)
        steps.append(name)
    return schema, steps


def _bracketed(parts: Iterator[str], *, arrays: bool) -> str:
    if not arrays:
        raise BadPath("array notation is not allowed")
    part = next(parts, None)
    if part is None:
        raise BadPath(CUT_OFF)
    if len(part) < 2 or part[0] != "'" or part[-1] != "'":
        raise BadPath(f"expected single quoted string but got {part}")
    return _ESCAPE.sub(lambda match: _PLAIN.get(match[1], match[0]), part[1:-1])


def _close(parts: Iterator[str]) -> None:
    part = next(parts, None)
    if part is None:
        raise BadPath(CUT_OFF)
    if part != "]":
        raise BadPath(f"expected ] but got {part}")


def _step(schema: Schema, name: str) -> Schema:
    properties = schema.get("properties")
    found = properties.get(name) if properties else schema.get("additionalProperties")
    if isinstance(found, bool):
        # Anything may stand there; nothing is known of it.
        return {}
    if not isinstance(found, Mapping):
        raise BadPath(NOWHERE)
    return found

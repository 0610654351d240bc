"""Paths of fields that a rule blames: `.spec.name`, `.labels['a/b']` (the reference's subset of JSONPath)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(r"[.\[\]]|'(?:[^'\\]|\\.)*'|[^.\[\]']+|'", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class BadPath(ValueError):
    """A text that is no path of the schema."""


def resolve(text: str, schema: Mapping[str, Any]) -> str:
    """Return a path as errors write it.

    Raises:
        BadPath: it is none, or leads to no field of the schema.

    """
    out = ""
    at: Any = schema
    tokens = iter(_TOKEN.findall(text))
    for token in tokens:
        is_key = token[0] == "["
        if is_key:
            name = _quoted(next(tokens, None))
        elif token[0] == ".":
            name = next(tokens, "")
            if not name:
                raise BadPath("unexpected end of JSON path")
        else:
            raise BadPath(f"expected [ or . but got: {token}")
        if at.get("properties") is not None:
            out += f".{name}" if out else name
            at = at["properties"].get(name)
            if at is None:
                raise BadPath("does not refer to a valid field")
        elif isinstance(at.get("additionalProperties"), Mapping):
            out += f"[{name}]"
            at = at["additionalProperties"]
        else:
            raise BadPath("does not refer to a valid field")
        if is_key:
            closing = next(tokens, None)
            if closing != "]":
                raise BadPath("unexpected end of JSON path" if closing is None else f"expected ] but got {closing}")
    return out


def _quoted(token: str | None) -> str:
    if token is None:
        raise BadPath("unexpected end of JSON path")
    if len(token) < 2 or token[0] != "'" or token[-1] != "'":
        raise BadPath(f"expected single quoted string but got {token}")
    bad = next((escape for escape in _ESCAPE.findall(token[1:-1]) if escape not in _ESCAPES), None)
    if bad is not None:
        raise BadPath(f"invalid string literal: invalid escape char \\{bad}")
    return _ESCAPE.sub(lambda match: _ESCAPES[match[1]], token[1:-1])

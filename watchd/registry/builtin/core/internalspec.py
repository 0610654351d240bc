"""Parts of pods as the reference's messages quote them: its internal types as JSON, without names of JSON and nothing left out.

`internal.json` has the fields of those types in their order: the name in JSON, after `=` the name in Go where that is not the same with a
capital, and the kind: `s`, `b`, `i` and `q` are texts, booleans, numbers and quantities, `n` is written as it is or null, `l` is a
label selector, `m` is metadata within the type; `T`, `*T` and `[T` are another type, one that may be null and a list of it. Derived from `pkg/apis/core/types.go`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from watchd.status import Written, go_json

Object = dict[str, Any]

_ZEROS: dict[str, Any] = {"s": "", "b": False, "i": 0, "q": "0"}


@cache
def _types() -> dict[str, list[tuple[str, str, str]]]:
    """Return for each type the fields as (in JSON, in Go, kind)."""
    raw: dict[str, list[str]] = msgspec.json.decode((Path(__file__).parents[1] / "internal.json").read_bytes())
    return {name: [_field(text) for text in fields] for name, fields in raw.items()}


def _field(text: str) -> tuple[str, str, str]:
    name, _, kind = text.partition(" ")
    plain, _, go = name.partition("=")
    return plain, go or plain[:1].upper() + plain[1:], kind


def written(value: Object, name: str) -> str:
    """Return a value of a type over several lines, as in a comparison of two."""
    return json.dumps(_struct(value, name), indent=1, ensure_ascii=False)


def told(value: Any, name: str) -> Written:
    """Return a value of a type, or of a list of it where the name begins with `[`, as a field error quotes it."""
    return Written(go_json(_value(value, name), ordered=True))


def _struct(value: Object, name: str) -> Object:
    out: Object = {}
    for field, go, kind in _types()[name]:
        if kind == "m":
            out.update(value.get(field) or {})
        else:
            out[go] = _value(value.get(field), kind)
    return out


def _plain(value: Any, kind: str) -> Any:
    """Return a value whose type has names of JSON (a selector), or is a map."""
    if not isinstance(value, dict):
        return value
    if kind == "n":
        return dict(sorted(value.items()))
    out = {"matchLabels": _plain(value.get("matchLabels"), "n")}
    fields = ("key", "operator", "values")
    out["matchExpressions"] = [{field: one[field] for field in fields if field in one} for one in value.get("matchExpressions") or ()]
    return {field: part for field, part in out.items() if part}


def _value(value: Any, kind: str) -> Any:
    if kind in _ZEROS:
        return _ZEROS[kind] if value is None else value
    if kind.startswith("["):
        return None if value is None else [_value(item, kind[1:]) for item in value]
    if kind.startswith("*"):
        return None if value is None else _value(value, kind[1:])
    if kind in "nl":
        return _plain(value, kind)
    return _struct(value or {}, kind)

"""What a client is warned of that writes a definition: formats that nothing is held to, and sets that do not merge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from watchd.schema import formats
from watchd.schema.extensions import LIST_TYPE

Schema = Mapping[str, Any]

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("items", "not", "additionalProperties")
_BELOW = frozenset({"properties", *_SINGLE, *_LISTS})


def warnings(schemas: list[Schema], old: list[Schema]) -> list[str]:
    """Return what is to be said of the schemas of a definition, but for what `old` ones, before an update, said already."""
    if not any(schema not in old for schema in schemas):
        return []
    found, known = _said(schemas), _said(old)
    return [text for text in found if text not in known]


def _said(schemas: list[Schema]) -> list[str]:
    strange: dict[str, None] = {}
    sets: set[str] = set()
    for schema in schemas:
        for each in _all(schema):
            form = each.get("format")
            if form and not formats.supported(form, (each.get("type") or "",)):
                strange[f'unrecognized format "{form}"'] = None
            items = each.get("items")
            if each.get(LIST_TYPE) == "set" and isinstance(items, Mapping) and items.get("type") in {"object", "array"}:
                sets.add(
                    f'{LIST_TYPE}: set for items of type "{items["type"]}" is not supported by server-side apply '
                    "or CEL validation rules"
                )
    return [*strange, *sorted(sets)]


def _all(schema: Schema) -> Iterator[Schema]:
    """Yield a schema and all below."""
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        yield each
        if each.keys().isdisjoint(_BELOW):
            continue
        waiting.extend((each.get("properties") or {}).values())
        waiting.extend(child for name in _SINGLE if isinstance(child := each.get(name), Mapping))
        for name in _LISTS:
            waiting.extend(each.get(name) or ())

"""The entries of lists of type `set` and `map` must differ (FEATURES row 120, KEP-555).

The texts are those of the reference (apiextensions-apiserver pkg/apiserver/schema/listtype).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

from watchd.schema.jsonvalue import identity
from watchd.schema.structural import EMPTY, Node
from watchd.status import FieldError, FieldProblem

_UNSPECIFIED = object()
"""The key of an entry that lacks the field of the key."""


def duplicates(value: Any, node: Node, path: str = "") -> Iterator[FieldError]:
    """Yield what a value's lists, at any depth, hold twice."""
    if not node.has_keyed_lists:
        return
    if value.__class__ is dict:
        for field, child in value.items():
            named = node.properties.get(field)
            if named is not None:
                yield from duplicates(child, named, f"{path}.{field}" if path else field)
            elif isinstance(node.additional, Node):
                yield from duplicates(child, node.additional, f"{path}[{field}]")
    elif value.__class__ is list:
        yield from _of_list(value, node, path)
        for index, child in enumerate(value if node.items is not None else ()):
            yield from duplicates(child, node.items or EMPTY, f"{path}[{index}]")


def _of_list(value: list[Any], node: Node, path: str) -> Iterator[FieldError]:
    if node.list_type == "set":
        yield from _duplicate(path, index_of_repeats(value), value)
    elif node.list_type == "map":
        yield from _map(value, node, path)


def _map(entries: list[Any], node: Node, path: str) -> Iterator[FieldError]:
    for index, entry in enumerate(entries):
        if entry is not None and entry.__class__ is not dict:
            why = "must be an object for an array of list-type map"
            yield FieldError(FieldProblem.INVALID, f"{path}[{index}]", entry, why)
            return
    names = node.list_map_keys
    if len(names) == 1:
        name = names[0]
        single = [(entry or {}).get(name, _UNSPECIFIED) for entry in entries]
        shown = [{} if key is _UNSPECIFIED else {name: key} for key in single]
        yield from _duplicate(path, index_of_repeats(single), shown)
    else:
        keys = [{name: entry[name] for name in names if name in entry} if entry else {} for entry in entries]
        yield from _duplicate(path, index_of_repeats(keys), keys)


def _duplicate(path: str, indices: list[int], values: list[Any]) -> Iterator[FieldError]:
    for index in indices:
        yield FieldError(FieldProblem.DUPLICATE, f"{path}[{index}]", values[index])


def index_of_repeats(values: list[Any]) -> list[int]:
    """Return where each value that stands more than once stands for the second time."""
    seen: dict[Hashable, int] = {}
    out = []
    for index, value in enumerate(values):
        key = identity(value)
        times = seen[key] = seen.get(key, 0) + 1
        if times == 2:
            out.append(index)
    return out

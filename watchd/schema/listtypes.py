"""The entries of lists of type `set` and `map` must differ (FEATURES row 120, KEP-555).

The texts are those of the reference (apiextensions-apiserver pkg/apiserver/schema/listtype).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

from watchd.schema.jsonvalue import identity
from watchd.schema.structural import Node
from watchd.status import FieldError, FieldProblem

_UNSPECIFIED = object()
"""The key of an entry that lacks the field of the key."""


def duplicates(value: Any, node: Node, path: str = "") -> Iterator[FieldError]:
    """Yield what a value's lists, at any depth, hold twice."""
    if not node.has_keyed_lists or not _suspect(value, node):
        return
    if value.__class__ is dict:
        keyed, rest = node.keyed_fields, node.additional
        for field, child in value.items():
            if field in keyed:
                yield from duplicates(child, keyed[field], f"{path}.{field}" if path else field)
            elif isinstance(rest, Node) and field not in node.properties:
                yield from duplicates(child, rest, f"{path}[{field}]")
    elif value.__class__ is list:
        yield from _of_list(value, node, path)
        entries = node.items
        if entries is not None and entries.has_keyed_lists:
            for index, child in enumerate(value):
                yield from duplicates(child, entries, f"{path}[{index}]")


def _suspect(value: Any, node: Node) -> bool:
    """Tell quickly whether a value may hold something twice; where it says so, that has to be looked at closely."""
    kind = value.__class__
    if kind is dict:
        for field, below in node.keyed_fields.items():
            if field in value and _suspect(value[field], below):
                return True
        rest = node.additional
        if isinstance(rest, Node) and rest.has_keyed_lists:
            return any(_suspect(child, rest) for field, child in value.items() if field not in node.properties)
    elif kind is list:
        if value and node.list_type in _KEYED and not _clearly_differ(value, node):
            return True
        entries = node.items
        if entries is not None and entries.has_keyed_lists:
            for child in value:
                if _suspect(child, entries):
                    return True
    return False


_KEYED = frozenset({"set", "map"})


def _clearly_differ(entries: list[Any], node: Node) -> bool:
    """Tell whether entries differ by texts: the usual case."""
    if node.list_type == "map":
        if len(node.list_map_keys) != 1:
            return False
        name = node.list_map_keys[0]
        try:
            entries = [entry[name] for entry in entries]
        except (KeyError, TypeError):
            return False
    for entry in entries:
        if entry.__class__ is not str:
            return False
    return len(set(entries)) == len(entries)


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

"""The entries of lists of type `set` and `map` must differ (FEATURES row 120, KEP-555).

The texts are those of the reference (apiextensions-apiserver pkg/apiserver/schema/listtype).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from operator import itemgetter
from typing import Any

from watchd.schema.byclass import ByClass
from watchd.schema.jsonvalue import identity
from watchd.schema.structural import Node
from watchd.status import FieldError, FieldProblem

Check = Callable[[Any], bool]

_UNSPECIFIED = object()
"""The key of an entry that lacks the field of the key."""


def duplicates(value: Any, node: Node, path: str = "") -> Iterator[FieldError]:
    """Yield what a value's lists, at any depth, hold twice."""
    if not node.has_keyed_lists:
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


def compile_distinct(node: Node) -> ByClass[bool]:
    """Return what tells that the entries of a value's lists clearly differ; where not, `duplicates` has to look closely.

    Values that are equal in Python may be two all the same, such as 1 and true, but not the other way round.
    """

    def make(kind: type) -> Check | None:
        if not node.has_keyed_lists:
            return None
        if kind is dict:
            return _distinct_in_object(node)
        return _distinct_in_list(node) if kind is list else None

    return ByClass(make)


def _distinct_in_object(node: Node) -> Check:
    keyed = [(field, compile_distinct(child)) for field, child in node.keyed_fields.items()]
    named, rest = node.properties, node.additional
    of_rest = compile_distinct(rest) if isinstance(rest, Node) and rest.has_keyed_lists else None

    def run(value: dict[str, Any]) -> bool:
        for field, checks in keyed:
            if field in value:
                check = checks[value[field].__class__]
                if check is not None and not check(value[field]):
                    return False
        if of_rest is not None:
            return all(of_rest(child) is not False for field, child in value.items() if field not in named)
        return True

    return run


def _distinct_in_list(node: Node) -> Check:
    differ, entries = _differ(node), node.items
    if entries is None or not entries.has_keyed_lists:
        return differ
    checks = compile_distinct(entries)

    def run(value: list[Any]) -> bool:
        if not differ(value):
            return False
        for entry in value:
            check = checks[entry.__class__]
            if check is not None and not check(entry):
                return False
        return True

    return run


def _differ(node: Node) -> Check:
    """Return what tells that the entries of one list clearly differ."""
    if node.list_type not in {"set", "map"}:
        return lambda _: True
    names = node.list_map_keys
    key = itemgetter(*names) if node.list_type == "map" and names else None

    def run(value: list[Any]) -> bool:
        try:
            return len(set(value if key is None else map(key, value))) == len(value)
        except (KeyError, TypeError):
            return False

    return run


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

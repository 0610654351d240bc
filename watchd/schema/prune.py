"""Pruning: fields that a structural schema does not name are dropped (FEATURES row 108, KEP-1111).

The rules are the reference's (apiextensions-apiserver pkg/apiserver/schema/pruning): below
x-kubernetes-preserve-unknown-fields only what the schema names is pruned; the apiVersion, kind and metadata of the
object itself and of embedded resources stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from watchd.schema.structural import EMPTY, META_FIELDS, Node

Dropped = list[str]
"""Paths of dropped fields below a value, each step with its sign: `.spec.ports[0].x`."""

Pruner = Callable[[Any], Dropped | None]
"""Prunes one object or list in place; None where all of it was known."""


def prune(obj: dict[str, Any], pruner: Pruner) -> list[str]:
    """Prune an object in place. Returns the dropped fields' paths (`spec.ports[0].x`), sorted as the reference tells."""
    dropped = pruner(obj)
    return sorted(path[1:] for path in dropped) if dropped else []


def compile_pruner(node: Node, *, resource: bool = False, preserve: bool = False) -> Pruner:
    """Return what prunes the values of a schema.

    Args:
        node: the schema.
        resource: its values are objects of the API, whatever the node says.
        preserve: unknown fields stay, whatever the node says.

    """
    preserve = preserve or node.preserve
    of_object = _object(node, embedded=resource or node.embedded, preserve=preserve)
    of_list = _list(node, preserve=preserve)

    def run(value: Any) -> Dropped | None:
        pruner = of_object if value.__class__ is dict else of_list
        return pruner(value) if pruner is not None else None

    return run


class _Fields(dict[str, Pruner | None]):
    """The pruners of a schema's fields, each made when it is first needed."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        super().__init__()
        self._nodes = nodes

    def __missing__(self, field: str) -> Pruner | None:
        pruner = self[field] = compile_pruner(self._nodes[field])
        return pruner


def _object(node: Node, *, embedded: bool, preserve: bool) -> Pruner | None:
    closed = node.additional is None and not preserve
    if node.additional is None and not node.properties and not embedded:
        return _drop_all if closed else None
    fields = _Fields(node.properties)
    known = frozenset(node.properties)
    if embedded:
        known |= META_FIELDS
        fields.update(dict.fromkeys(META_FIELDS))
    rest: Pruner | None = None
    if node.additional is not None:
        rest = compile_pruner(node.additional if isinstance(node.additional, Node) else EMPTY)

    def run(value: dict[str, Any]) -> Dropped | None:
        dropped: Dropped | None = None
        if closed and not value.keys() <= known:
            unknown = [field for field in value if field not in known]
            for field in unknown:
                del value[field]
            dropped = [f".{field}" for field in unknown]
        for field, child in value.items():
            kind = child.__class__
            if kind is dict or kind is list:
                pruner = fields[field] if field in known else rest
                found = pruner(child) if pruner is not None else None
                if found:
                    dropped = [*(dropped or ()), *(f".{field}{path}" for path in found)]
        return dropped

    return run


def _drop_all(value: dict[str, Any]) -> Dropped | None:
    if not value:
        return None
    dropped = [f".{field}" for field in value]
    value.clear()
    return dropped


def _list(node: Node, *, preserve: bool) -> Pruner | None:
    if preserve and node.items is None:
        return None
    entries = node.items or EMPTY
    of_entry: Pruner | None = None

    def run(value: list[Any]) -> Dropped | None:
        nonlocal of_entry
        if of_entry is None:
            # Made late: a list of nothing known may hold lists of nothing known, to any depth.
            # The entries of a preserved list are preserved, whatever their own schema says.
            of_entry = compile_pruner(entries, preserve=preserve)
        dropped: Dropped | None = None
        for index, child in enumerate(value):
            kind = child.__class__
            if kind is dict or kind is list:
                found = of_entry(child)
                if found:
                    dropped = [*(dropped or ()), *(f"[{index}]{path}" for path in found)]
        return dropped

    return run

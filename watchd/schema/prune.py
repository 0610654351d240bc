"""Pruning: fields that a structural schema does not name are dropped (FEATURES row 108, KEP-1111).

The rules are the reference's (apiextensions-apiserver pkg/apiserver/schema/pruning): below
x-kubernetes-preserve-unknown-fields only what the schema names is pruned; the apiVersion, kind and metadata of the
object itself and of embedded resources stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchd.schema.byclass import ByClass
from watchd.schema.structural import EMPTY, META_FIELDS, Node

Dropped = list[str]
"""Paths of dropped fields below a value, each step with its sign: `.spec.ports[0].x`."""

Pruner = Callable[[Any], Dropped | None]
"""Prunes one object or list in place; None where all of it was known."""


def prune(obj: dict[str, Any], pruner: Pruner) -> list[str]:
    """Prune an object in place. Returns the dropped fields' paths (`spec.ports[0].x`), sorted as the reference tells."""
    dropped = pruner(obj)
    return sorted(path[1:] for path in dropped) if dropped else []


def compile_pruner(node: Node, *, resource: bool = False, preserve: bool = False) -> ByClass[Dropped | None]:
    """Return what prunes the values of a schema.

    Args:
        node: the schema.
        resource: its values are objects of the API, whatever the node says.
        preserve: unknown fields stay, whatever the node says.

    """
    preserve = preserve or node.preserve

    def make(kind: type) -> Pruner | None:
        if kind is dict:
            return _object(node, embedded=resource or node.embedded, preserve=preserve)
        return _list(node, preserve=preserve) if kind is list else None

    return ByClass(make)


_NOTHING: ByClass[Dropped | None] = ByClass(lambda _: None)


def _object(node: Node, *, embedded: bool, preserve: bool) -> Pruner | None:
    additional = node.additional
    closed = additional is None and not preserve
    if additional is None and not node.properties and not embedded:
        return _drop_all if closed else None
    rest = _NOTHING
    if additional is not None:
        rest = compile_pruner(additional if isinstance(additional, Node) else EMPTY)
    fields = {field: compile_pruner(child) for field, child in node.properties.items()}
    if embedded:
        fields.update(dict.fromkeys(META_FIELDS, _NOTHING))
    known = frozenset(fields)

    def run(value: dict[str, Any]) -> Dropped | None:
        dropped: Dropped | None = None
        if closed and not known.issuperset(value):
            dropped = _drop(value, known)
        for field in value:  # noqa: PLC0206 - to go over pairs costs more than to look the value up
            kind = value[field].__class__
            if kind is dict or kind is list:
                pruner = fields.get(field, rest)[kind]
                found = pruner(value[field]) if pruner is not None else None
                if found:
                    dropped = [*(dropped or ()), *(f".{field}{path}" for path in found)]
        return dropped

    return run


def _drop(value: dict[str, Any], known: frozenset[str]) -> Dropped:
    unknown = [field for field in value if field not in known]
    for field in unknown:
        del value[field]
    return [f".{field}" for field in unknown]


def _drop_all(value: dict[str, Any]) -> Dropped | None:
    return _drop(value, frozenset()) if value else None


def _list(node: Node, *, preserve: bool) -> Pruner | None:
    if preserve and node.items is None:
        return None
    # The entries of a preserved list are preserved, whatever their own schema says.
    pruners = compile_pruner(node.items or EMPTY, preserve=preserve)

    def run(value: list[Any]) -> Dropped | None:
        dropped: Dropped | None = None
        for index, child in enumerate(value):
            pruner = pruners[child.__class__]
            found = pruner(child) if pruner is not None else None
            if found:
                dropped = [*(dropped or ()), *(f"[{index}]{path}" for path in found)]
        return dropped

    return run

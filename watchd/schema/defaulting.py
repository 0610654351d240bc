"""Defaulting: nulls that may not be go, and absent fields take their defaults, on write and on read (FEATURES row 109).

The rules are the reference's (apiextensions-apiserver pkg/apiserver/schema/defaulting). A null of a field that is not
nullable is dropped, or becomes the field's default where it has one; a list's null entries stay unless the entries
have a default. Defaults fill the fields of objects that are there, also of those that a default has just brought.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from watchd.schema.jsonvalue import copy_json
from watchd.schema.structural import Node

Filler = Callable[[Any], None]
"""Drops nulls and sets defaults in one object or list, in place."""


def completed_default(node: Node) -> Any:
    """Return a node's default with the defaults of the schemas below it filled in, None where there is none.

    Nulls inside of a default stay: the reference drops nulls before it sets defaults.
    """
    value = copy_json(node.default)
    if value.__class__ is dict or value.__class__ is list:
        _complete(value, node)
    return value


def _complete(value: Any, node: Node) -> None:
    if value.__class__ is dict:
        for field, child in node.properties.items():
            if child.default is not None and (field not in value or (value[field] is None and not child.nullable)):
                value[field] = copy_json(child.default)
        for field, found in value.items():
            below = node.child(field)
            if below is not None:
                value[field] = _completed_entry(found, below)
    elif value.__class__ is list and node.items is not None:
        for index, found in enumerate(value):
            value[index] = _completed_entry(found, node.items)


def _completed_entry(found: Any, node: Node) -> Any:
    if found is None and not node.nullable:
        found = copy_json(node.default)
    _complete(found, node)
    return found


def compile_filler(node: Node, *, fill: bool = True, drop: bool = True) -> Filler:
    """Return what drops the nulls and sets the defaults in the values of a schema.

    Args:
        node: the schema.
        fill: whether defaults are set; without, nulls that a default would replace stay.
        drop: whether nulls that may not be and have no default go; without, validation finds them.

    """
    of_object, of_list = _object(node, fill=fill, drop=drop), _list(node, fill=fill, drop=drop)

    def run(value: Any) -> None:
        filler = of_object if value.__class__ is dict else of_list
        if filler is not None:
            filler(value)

    return run


class _Fields(dict[str, Filler]):
    """The fillers of a schema's fields, each made when it is first needed."""

    def __init__(self, nodes: Mapping[str, Node], *, fill: bool, drop: bool) -> None:
        super().__init__()
        self._nodes = nodes
        self._fill, self._drop = fill, drop

    def __missing__(self, field: str) -> Filler:
        filler = self[field] = compile_filler(self._nodes[field], fill=self._fill, drop=self._drop)
        return filler


def _object(node: Node, *, fill: bool, drop: bool) -> Filler | None:
    additional = node.additional if isinstance(node.additional, Node) else None
    nodes = node.properties
    if not nodes and additional is None:
        return None
    below = _descent(nodes, additional, fill=fill, drop=drop)
    scalars, composed = _defaults(nodes if fill else {})

    def run(value: dict[str, Any]) -> None:
        nulls = below(value)
        if nulls is not None:
            _settle(value, nulls, node, fill=fill, drop=drop)
        for field, default in scalars:
            if field not in value:
                value[field] = default
        for field, default in composed:
            if field not in value:
                value[field] = copy_json(default)

    return run


def _descent(
    nodes: Mapping[str, Node], additional: Node | None, *, fill: bool, drop: bool
) -> Callable[[dict[str, Any]], list[str] | None]:
    """Return what fills the fields that are there, and returns those that are null."""
    fields = _Fields(nodes, fill=fill, drop=drop)
    rest = compile_filler(additional, fill=fill, drop=drop) if additional is not None else None

    def run(value: dict[str, Any]) -> list[str] | None:
        nulls: list[str] | None = None
        for field, child in value.items():
            kind = child.__class__
            if child is None:
                nulls = [*(nulls or ()), field]
            elif kind is dict or kind is list:
                filler = fields[field] if field in nodes else rest
                if filler is not None:
                    filler(child)
        return nulls

    return run


def _defaults(nodes: Mapping[str, Node]) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """Return the defaults of fields: those that can be shared, and those that must be copied."""
    scalars: list[tuple[str, Any]] = []
    composed: list[tuple[str, Any]] = []
    for field, child in nodes.items():
        if child.default is not None:
            default = completed_default(child)
            (composed if default.__class__ in {dict, list} else scalars).append((field, default))
    return scalars, composed


def _settle(value: dict[str, Any], nulls: list[str], node: Node, *, fill: bool, drop: bool) -> None:
    """Drop the nulls of an object, or make them their defaults, where they are not nullable."""
    for field in nulls:
        child = node.child(field)
        if child is None or child.nullable:
            continue
        if child.default is None:
            if drop:
                del value[field]
        elif fill:
            value[field] = completed_default(child)


def _list(node: Node, *, fill: bool, drop: bool) -> Filler | None:
    entries = node.items
    if entries is None:
        return None
    filler = compile_filler(entries, fill=fill, drop=drop)
    default = completed_default(entries) if fill and not entries.nullable else None

    def run(value: list[Any]) -> None:
        for index, child in enumerate(value):
            kind = child.__class__
            if kind is dict or kind is list:
                filler(child)
            elif child is None and default is not None:
                value[index] = copy_json(default)

    return run

"""Defaulting: nulls that may not be go, and absent fields take their defaults, on write and on read (FEATURES row 109).

The rules are the reference's (apiextensions-apiserver pkg/apiserver/schema/defaulting). First a null of a field that is
not nullable and has no default is dropped. Then a field that is absent, or null though not nullable, becomes its
default; so does a list's null entry, which else stays. Defaults fill the fields of objects that are there, also of
those that a default has just brought.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from watchd.schema.byclass import ByClass
from watchd.schema.jsonvalue import copy_json
from watchd.schema.structural import Node

Filler = Callable[[Any], None]
"""Drops nulls or sets defaults in one object or list, in place."""


def may_hold_null(value: Any) -> bool:
    """Tell quickly whether a null may be anywhere in a value: hardly an object has one, and to look takes a walk."""
    try:
        return b"null" in orjson.dumps(value)
    except TypeError:
        # Its encoder does not take all that ours do: integers beyond 64 bits, surrogates.
        return True


def compile_null_dropper(node: Node) -> ByClass[None]:
    """Return what drops the nulls that may not be and have no default from the values of a schema."""

    def make(kind: type) -> Filler | None:
        if kind is dict:
            return _drop_in_object(node) if node.properties or isinstance(node.additional, Node) else None
        return _for_each(compile_null_dropper(node.items)) if kind is list and node.items is not None else None

    return ByClass(make)


def _drop_in_object(node: Node) -> Filler:
    fields = {field: compile_null_dropper(child) for field, child in node.properties.items()}
    rest = compile_null_dropper(node.additional) if isinstance(node.additional, Node) else _NOTHING

    def run(value: dict[str, Any]) -> None:
        nulls: list[str] = []
        for field, child in value.items():
            if child is None:
                nulls.append(field)
            else:
                fields.get(field, rest)(child)
        for field in nulls:
            below = node.child(field)
            if below is not None and not below.nullable and below.default is None:
                del value[field]

    return run


_NOTHING: ByClass[None] = ByClass(lambda _: None)


def _for_each(entries: ByClass[None]) -> Filler:
    def run(value: list[Any]) -> None:
        for entry in value:
            filler = entries[entry.__class__]
            if filler is not None:
                filler(entry)

    return run


def compile_filler(node: Node) -> ByClass[None]:
    """Return what sets the defaults in the values of a schema; it goes only where there are some."""

    def make(kind: type) -> Filler | None:
        if not node.has_defaults_below:
            return None
        if kind is dict:
            return _fill_object(node)
        return _fill_list(node.items) if kind is list and node.items is not None else None

    return ByClass(make)


def _completed_default(node: Node) -> Any:
    """Return a node's default with the defaults of the schemas below it filled in, None where there is none."""
    value = copy_json(node.default)
    compile_filler(node)(value)
    return value


def _fill_object(node: Node) -> Filler:
    named, additional = node.properties, node.additional
    below = [(field, compile_filler(child)) for field, child in named.items() if child.has_defaults_below]
    rest = _fill_rest(named, additional) if isinstance(additional, Node) else None
    plain, others = _defaults(named)

    def run(value: dict[str, Any]) -> None:
        for field, fillers in below:
            if field in value:
                filler = fillers[value[field].__class__]
                if filler is not None:
                    filler(value[field])
        if rest is not None:
            rest(value)
        for field, default in plain:
            if value.get(field) is None:
                value[field] = default
        for field, child, default in others:
            if field not in value or (value[field] is None and not child.nullable):
                value[field] = copy_json(default)

    return run


def _defaults(named: Mapping[str, Node]) -> tuple[list[tuple[str, Any]], list[tuple[str, Node, Any]]]:
    """Return the defaults of fields: those that can be shared and stand for null too, and all others."""
    plain: list[tuple[str, Any]] = []
    others: list[tuple[str, Node, Any]] = []
    for field, child in named.items():
        default = _completed_default(child)
        if default.__class__ is dict or default.__class__ is list or (default is not None and child.nullable):
            others.append((field, child, default))
        elif default is not None:
            plain.append((field, default))
    return plain, others


def _fill_list(entries: Node) -> Filler:
    fillers, instead = compile_filler(entries), _instead_of_null(entries)

    def run(value: list[Any]) -> None:
        for index, entry in enumerate(value):
            filler = fillers[entry.__class__]
            if filler is not None:
                filler(entry)
            elif entry is None:
                value[index] = copy_json(instead)

    return run


def _fill_rest(named: Mapping[str, Node], values: Node) -> Filler:
    """Return what sets the defaults in the fields of an object that have no schema of their own."""
    fillers, instead = compile_filler(values), _instead_of_null(values)

    def run(value: dict[str, Any]) -> None:
        for field, child in value.items():
            if field in named:
                continue
            filler = fillers[child.__class__]
            if filler is not None:
                filler(child)
            elif child is None:
                value[field] = copy_json(instead)

    return run


def _instead_of_null(node: Node) -> Any:
    """Return what stands where null stood, for values that nobody can leave out."""
    return None if node.nullable else _completed_default(node)

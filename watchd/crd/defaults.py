"""Defaults of a definition's schemas: each must be valid by its own schema, and name no unknown fields (FEATURES row 109).

The order and the texts are the reference's (apiextensions-apiserver pkg/apiserver/schema/defaulting). Defaults below
`additionalProperties` are not looked at there, nor here.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from functools import cached_property
from typing import Any

import attrs

from watchd.crd.faults import invalid
from watchd.registry.embedded import RULES
from watchd.schema import embedded, validation
from watchd.schema.embedded import MetadataMismatch
from watchd.schema.extensions import EMBEDDED
from watchd.schema.jsonvalue import copy_json
from watchd.schema.prune import compile_pruner
from watchd.schema.ruled import compile_rules
from watchd.schema.structural import META_FIELDS, Node
from watchd.status import FieldError

Schema = Mapping[str, Any]

Surround = Callable[[Any], Any]
"""From a default to the object in which it would stand."""

_TYPE_META = {"apiVersion": "validation/v1", "kind": "Validation"}
"""What the object around a default is, where the default does not say."""


class DefaultNode(Node):
    """A schema as the reference reads it for defaults: neither int-or-string nor unknown formats mean anything special."""

    def __init__(self, raw: Schema) -> None:
        super().__init__(raw)
        self.types = (self.type,) if self.type else ()

    @property
    def format(self) -> str:
        """The format as it stands."""
        return self.raw.get("format") or ""


    @cached_property
    def all_of(self) -> tuple[Node, ...]:
        """Schemas that all hold as well."""
        return tuple(_PartNode(schema) for schema in self.raw.get("allOf") or ())

    @cached_property
    def any_of(self) -> tuple[Node, ...]:
        """Schemas of which at least one holds as well."""
        return tuple(_PartNode(schema) for schema in self.raw.get("anyOf") or ())

    @cached_property
    def one_of(self) -> tuple[Node, ...]:
        """Schemas of which exactly one holds as well."""
        return tuple(_PartNode(schema) for schema in self.raw.get("oneOf") or ())

    @cached_property
    def not_(self) -> Node | None:
        """A schema that must not hold."""
        found = self.raw.get("not")
        return _PartNode(found) if found is not None else None


class _PartNode(DefaultNode):
    """A schema within allOf and the like, where the reference has no place for additionalProperties."""

    @property
    def additional(self) -> None:
        """Nothing is said of fields that `properties` does not name."""
        return


def validate_defaults(schema: Schema, path: str, defaulted: Container[int]) -> list[FieldError]:
    """Return what is wrong with the defaults of a whole schema, one whose structure is good.

    Args:
        schema: the whole.
        path: of the schema.
        defaulted: the ids of the schemas that have a default, or one below: no other is looked at.

    """
    node = DefaultNode({**schema, EMBEDDED: True})
    return list(_validate(node, path, _Place(node, dict), defaulted))


@attrs.frozen
class _Place:
    """Where in an object a schema stands."""

    root: Node
    """The schema of the object."""
    surround: Surround
    inside_meta: bool = False

    def field(self, name: str, *, inside_meta: bool) -> _Place:
        outer = self.surround
        return _Place(self.root, lambda value: outer({name: value}), inside_meta)

    def entry(self) -> _Place:
        outer = self.surround
        return _Place(self.root, lambda value: outer([value]), self.inside_meta)


def _validate(node: Node, path: str, place: _Place, defaulted: Container[int]) -> Iterator[FieldError]:
    if node.embedded:
        place = _Place(node, dict)
    if node.default is not None:
        at = f"{path}.default"
        yield from _inside_meta(node, at, place) if place.inside_meta else _plain(node, at, place.root)
    items = node.raw.get("items")
    if items is not None and id(items) in defaulted:
        yield from _validate(DefaultNode(items), f"{path}.items", place.entry(), defaulted)
    for name, schema in (node.raw.get("properties") or {}).items():
        if id(schema) in defaulted:
            inside = place.inside_meta or (node.embedded and name in META_FIELDS)
            here = place.field(name, inside_meta=inside)
            yield from _validate(DefaultNode(schema), f"{path}.properties[{name}]", here, defaulted)


def _plain(node: Node, path: str, root: Node) -> Iterator[FieldError]:
    value = copy_json(node.default)
    if value.__class__ is dict or value.__class__ is list:
        if compile_pruner(node)(value):
            yield invalid(path, node.default, "must not have unknown fields")
            value = copy_json(node.default)
        try:
            # Nothing is done with what was dropped: the reference leaves that to the write that takes the default.
            list(embedded.coerce(value, node, RULES, path))
        except MetadataMismatch as mismatch:
            yield mismatch.error
            return
        found = list(embedded.validate_embedded(value, node, RULES, path))
        if found:
            yield from found
            return
    yield from _by_schema(node, path, root)


def _inside_meta(node: Node, path: str, place: _Place) -> Iterator[FieldError]:
    """Check a default of apiVersion, kind or of a part of metadata in the object around it."""
    whole = {**_TYPE_META, **place.surround(copy_json(node.default))}
    try:
        list(embedded.coerce(whole, place.root, RULES))
    except MetadataMismatch as mismatch:
        yield invalid(path, node.default, f"must result in valid metadata: {mismatch.error}")
        return
    found = list(dict.fromkeys(map(str, embedded.validate_embedded(whole, place.root, RULES))))
    if found:
        told = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
        yield invalid(path, node.default, f"must result in valid metadata: {told}")
        return
    yield from _by_schema(node, path, place.root)


def _by_schema(node: Node, path: str, root: Node) -> Iterator[FieldError]:
    """Hold a default against its schema, and where that is content, against its rules."""
    found = [problem.error(path) for problem in validation.examine(node.default, node).problems.values()]
    if found:
        yield from found
        return
    rules = compile_rules(node.raw, resource=node is root)
    if rules is not None:
        # As what was there before, and as what comes anew.
        yield from rules.validate(node.default, old=node.default, path=path) or rules.validate(node.default, path=path)

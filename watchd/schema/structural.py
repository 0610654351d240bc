"""A structural schema as a tree of nodes: what fields there are, and how lists and maps are merged.

A node wraps one OpenAPI v3 schema of a CustomResourceDefinition (KEP-1111 says what makes one structural) and reads a
part of it when that part is first asked for: a definition of a megabyte costs nothing until an object walks it. The
schema is referred to, never copied or changed, and must not be changed by its owner either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from watchd.schema import formats
from watchd.schema.extensions import EMBEDDED, INT_OR_STRING, LIST_MAP_KEYS, LIST_TYPE, MAP_TYPE, PRESERVE
from watchd.schema.patterns import Pattern

META_FIELDS = frozenset({"apiVersion", "kind", "metadata"})
"""What every object has, whatever its schema says (TypeMeta and ObjectMeta)."""


class Node:
    """The schema of one value.

    `properties`, `items` and `additional` lead to the schemas below; `list_type`, `list_map_keys` and `map_type` say
    how server-side apply merges the value. `default` is None where there is none: null cannot be a default.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.type: str = raw.get("type") or ""
        self.nullable: bool = raw.get("nullable") is True
        self.default: Any = raw.get("default")
        self.preserve: bool = raw.get(PRESERVE) is True
        """Whether unknown fields of the value stay."""
        self.embedded: bool = raw.get(EMBEDDED) is True
        """Whether the value is an object with apiVersion, kind and metadata of its own."""
        self.types: tuple[str, ...] = ("integer", "string") if raw.get(INT_OR_STRING) else (self.type,) if self.type else ()
        """The JSON types that the value may have; any where there are none."""
        self.checks: Any = None
        """What watchd.schema.checks made of the schema, kept here so that it goes with it."""

    def _below(self, raw: Mapping[str, Any]) -> Node:
        """Return the node of a schema below, which is read as this one is."""
        return type(self)(raw)

    @cached_property
    def properties(self) -> dict[str, Node]:
        """The schemas of the named fields."""
        return {name: self._below(schema) for name, schema in (self.raw.get("properties") or {}).items()}

    @cached_property
    def items(self) -> Node | None:
        """The schema of a list's entries."""
        items = self.raw.get("items")
        return self._below(items) if isinstance(items, Mapping) else None

    @cached_property
    def additional(self) -> Node | bool | None:
        """The schema of the fields that `properties` does not name; a bool allows or refuses them unseen."""
        found = self.raw.get("additionalProperties")
        return self._below(found) if isinstance(found, Mapping) else found

    @property
    def list_type(self) -> str:
        """`atomic`, `set` or `map`; empty for a list that says nothing, which is atomic."""
        return self.raw.get(LIST_TYPE) or ""

    @property
    def list_map_keys(self) -> Sequence[str]:
        """The fields that tell the entries of a list of type `map` apart."""
        return self.raw.get(LIST_MAP_KEYS) or ()

    @property
    def map_type(self) -> str:
        """`granular` or `atomic`; empty for an object that says nothing, which is granular."""
        return self.raw.get(MAP_TYPE) or ""

    @cached_property
    def format(self) -> str:
        """The format that strings or numbers are held to; empty for one that is not known, which holds for nothing."""
        return formats.supported(self.raw.get("format") or "", self.types)

    @cached_property
    def pattern(self) -> Pattern | None:
        """What strings must match."""
        text = self.raw.get("pattern")
        return Pattern(text) if text else None

    @cached_property
    def all_of(self) -> tuple[Node, ...]:
        """Schemas that all hold as well."""
        return tuple(self._below(schema) for schema in self.raw.get("allOf") or ())

    @cached_property
    def any_of(self) -> tuple[Node, ...]:
        """Schemas of which at least one holds as well."""
        return tuple(self._below(schema) for schema in self.raw.get("anyOf") or ())

    @cached_property
    def one_of(self) -> tuple[Node, ...]:
        """Schemas of which exactly one holds as well."""
        return tuple(self._below(schema) for schema in self.raw.get("oneOf") or ())

    @cached_property
    def not_(self) -> Node | None:
        """A schema that must not hold."""
        found = self.raw.get("not")
        return self._below(found) if found is not None else None

    def child(self, field: str) -> Node | None:
        """Return the schema of a field: a named one, else that of all others."""
        named = self.properties.get(field)
        if named is not None:
            return named
        return self.additional if isinstance(self.additional, Node) else None

    def at(self, path: Sequence[str | int]) -> Node | None:
        """Return the schema of what stands at a path of fields and indices, None where the schema does not say."""
        node: Node | None = self
        for step in path:
            if node is None:
                return None
            node = node.items if isinstance(step, int) else node.child(step)
        return node

    def below(self) -> Iterator[Node]:
        """Yield the schemas directly below."""
        yield from self.properties.values()
        if self.items is not None:
            yield self.items
        if isinstance(self.additional, Node):
            yield self.additional

    @cached_property
    def has_defaults_below(self) -> bool:
        """Whether a schema below has a default."""
        return any(node.default is not None or node.has_defaults_below for node in self.below())

    @cached_property
    def has_keyed_lists(self) -> bool:
        """Whether this schema or one below is a list whose entries must differ."""
        return self.list_type in {"set", "map"} or any(node.has_keyed_lists for node in self.below())

    @cached_property
    def keyed_fields(self) -> dict[str, Node]:
        """The named fields with lists, at any depth, whose entries must differ."""
        return {name: node for name, node in self.properties.items() if node.has_keyed_lists}

    @cached_property
    def has_embedded(self) -> bool:
        """Whether this schema or one below is an embedded resource."""
        return self.embedded or any(node.has_embedded for node in self.below())


EMPTY = Node({})
"""The schema that names no field: what stands below a value of which nothing is said."""

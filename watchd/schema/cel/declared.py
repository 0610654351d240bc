"""A structural schema as declared types: what an expression may name, and how large it can get.

Sizes follow the reference: a declaration without maxLength, maxItems or maxProperties can hold whatever fits into one
request. What has no schema (x-kubernetes-preserve-unknown-fields) is not declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from watchd.schema.cel.escaping import KEYWORDS, escape
from watchd.schema.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Kind,
    Type,
    list_of,
    map_of,
    object_type,
)

MAX_REQUEST = 3 * 1024 * 1024
"""Bytes of a request that sizes are estimated from; fixed, whatever the server accepts."""

NAME_MAX = 253
"""Characters of metadata.name."""

MAX_TIME = 32
"""Characters of a date-time or a duration, quotes included."""
DATE_SIZE = 12
"""Characters of a date, quotes included."""

_FORMATS = {
    "duration": (DURATION, 3, MAX_TIME),
    "date": (TIMESTAMP, DATE_SIZE, DATE_SIZE),
    "date-time": (TIMESTAMP, 21, MAX_TIME),
}
"""Formats that are no strings in expressions: type, least size, most characters."""

@attrs.define(eq=False)
class Declared:
    """The type of one node of a schema; what stands below an object is declared when it is asked for."""

    type: Type
    least: int
    """The least bytes of JSON that it takes."""
    most: int = 0
    """The most elements or characters that it has."""
    schemas: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    """Of an object: the schemas of its properties, by identifier."""
    key: Declared | None = None
    element: Declared | None = None
    _fields: dict[str, Declared | None] = attrs.field(factory=dict)

    def field(self, name: str) -> Declared | None:
        """Return a field of an object by its identifier, None where expressions cannot name it."""
        if name not in self._fields:
            schema = self.schemas.get(name)
            self._fields[name] = None if schema is None else _inner(schema, f"{self.type.name}.{name}")
        return self._fields[name]


_KEY = Declared(STRING, 2)
_METADATA_TYPE = {"type": "string"}


def with_metadata(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a whole resource, which has apiVersion, kind, metadata.name and metadata.generateName."""
    properties = dict(schema.get("properties") or {})
    declared = (properties.get("metadata") or {}).get("properties") or {}

    def capped(name: str, limit: int) -> dict[str, Any]:
        given = (declared.get(name) or {}).get("maxLength")
        return {"type": "string", "maxLength": limit if given is None else min(given, limit)}

    names = {"name": capped("name", NAME_MAX), "generateName": capped("generateName", NAME_MAX - 1)}
    properties |= {
        "kind": _METADATA_TYPE,
        "apiVersion": _METADATA_TYPE,
        "metadata": {"type": "object", "properties": names},
    }
    return {**schema, "properties": properties}


def declare(schema: Mapping[str, Any], *, resource: bool, name: str = "selfType") -> Declared | None:  # noqa: PLR0911 - a table of cases
    """Return the declared type of a schema, or None where expressions cannot name its values.

    Args:
        schema: structural.
        resource: whether it is the root of a resource, embedded or not.
        name: of the type, if it is an object; the types below are named after it.

    """
    if schema.get("x-kubernetes-int-or-string"):
        most = schema.get("maxLength")
        return Declared(DYN, 1, MAX_REQUEST - 2 if most is None else max(0, most) * 4)
    if resource:
        schema = with_metadata(schema)
    match schema.get("type"):
        case "array":
            return _array(schema, name)
        case "object":
            return _object(schema, name)
        case "string":
            return _string(schema)
        case "boolean":
            return Declared(BOOL, 4)
        case "number":
            return Declared(DOUBLE, 1)
        case "integer":
            return Declared(INT, 1)
        case _:
            return None


def _inner(schema: Mapping[str, Any], name: str) -> Declared | None:
    return declare(schema, resource=bool(schema.get("x-kubernetes-embedded-resource")), name=name)


def _array(schema: Mapping[str, Any], name: str) -> Declared | None:
    items = schema.get("items")
    element = _inner(items, f"{name}.@idx") if isinstance(items, Mapping) else None
    if element is None:
        return None
    most = schema.get("maxItems")
    most = (MAX_REQUEST - 2) // (element.least + 1) if most is None else max(0, most)
    return Declared(list_of(element.type), 2, most, element=element)


def _object(schema: Mapping[str, Any], name: str) -> Declared | None:
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        element = _inner(additional, f"{name}.@elem")
        if element is None:
            return None
        most = schema.get("maxProperties")
        most = (MAX_REQUEST - 2) // (element.least + 6) if most is None else max(0, most)
        return Declared(map_of(STRING, element.type), 2, most, key=_KEY, element=element)
    properties = schema.get("properties") or {}
    least = 2
    for required in dict.fromkeys(schema.get("required") or ()):
        needed = properties.get(required)
        if needed is not None and needed.get("default") is None:
            field = _inner(needed, name)
            least += 0 if field is None else len(required.encode()) + field.least + 4
    schemas = {}
    for key, property_schema in properties.items():
        identifier = escape(key)
        if identifier is not None:
            schemas[identifier] = property_schema
    return Declared(object_type(name), least, schemas=schemas)


def _string(schema: Mapping[str, Any]) -> Declared:
    form = schema.get("format")
    most = schema.get("maxLength")
    if form == "byte":
        return Declared(BYTES, 2, MAX_REQUEST - 2 if most is None else max(0, most))
    if form in _FORMATS:
        return Declared(*_FORMATS[form])
    if most is not None:
        # A character takes up to four bytes.
        return Declared(STRING, 2, max(0, most) * 4)
    enum = schema.get("enum")
    if enum:
        return Declared(STRING, 2, max((len(one.encode()) for one in enum if isinstance(one, str)), default=0))
    return Declared(STRING, 2, MAX_REQUEST - 2)


class Structures:
    """The structures below a declared type, by the name of their type."""

    def __init__(self, root: Declared) -> None:
        self._known: dict[str, Declared] = {}
        self._add(root)

    def _add(self, declared: Declared) -> None:
        while declared.element is not None:
            declared = declared.element
        if declared.type.kind is Kind.OBJECT:
            self._known[declared.type.name] = declared

    def field(self, structure: str, name: str) -> Type | None:
        """Return the type of a field, or None."""
        known = self._known.get(structure)
        if known is None:
            return None
        found = known.field(name)
        if found is None and name in KEYWORDS:
            found = known.field(f"__{name}__")
        if found is None:
            return None
        self._add(found)
        return found.type

"""Parts of an object as values of expressions, by their schema.

Objects are wrapped, not copied: a field is converted when an expression asks for it. Lists of type set compare without
order, lists of type map by key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from watchd.schema.cel.declared import with_metadata
from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.escaping import escape, unescape
from watchd.schema.cel.times import parse_date, parse_duration, parse_timestamp
from watchd.schema.cel.values import (
    MISSING,
    DataList,
    DataMap,
    Opaque,
    Struct,
    Uint,
    equals,
    no_overload,
)

Converter = Callable[[Any], Any]
"""A part of an object to its value; raises EvaluationError where it does not fit its schema."""


def converter(schema: Mapping[str, Any], *, resource: bool = False) -> Converter:
    """Return what turns data of a structural schema into values.

    Args:
        schema: structural.
        resource: whether it is the root of a resource, embedded or not.

    """
    if resource:
        schema = with_metadata(schema)
    convert = _plain(schema)
    nullable = bool(schema.get("nullable"))
    kind = None if schema.get("x-kubernetes-int-or-string") or schema.get("format") else _KINDS.get(schema.get("type") or "")

    def checked(data: Any) -> Any:
        if data.__class__ is kind:
            return data
        if data is None:
            if nullable:
                return None
            raise EvaluationError("invalid data, got null for schema with nullable=false")
        return convert(data)

    return checked


_KINDS: dict[str, type] = {"string": str, "integer": int, "boolean": bool}
"""Types whose data are values as they stand."""


def _inner(schema: Mapping[str, Any]) -> Converter:
    return converter(schema, resource=bool(schema.get("x-kubernetes-embedded-resource")))


class Fields(dict[str, Converter]):
    """The converters of an object's fields, each made when it is first needed: schemas are large."""

    __slots__ = ("schemas",)

    def __init__(self, schemas: Mapping[str, Mapping[str, Any]]) -> None:
        self.schemas = schemas

    def __missing__(self, name: str) -> Converter:
        """Make the converter of a field. KeyError for one that is not declared."""
        made = self[name] = _inner(self.schemas[name])
        return made


def _plain(schema: Mapping[str, Any]) -> Converter:  # noqa: PLR0911 - a table of cases
    if schema.get("x-kubernetes-int-or-string"):
        return _int_or_string
    match schema.get("type"):
        case "object":
            return _object(schema)
        case "array":
            return _array(schema)
        case "string":
            return _STRINGS.get(schema.get("format") or "", _string)
        case "number":
            return _number
        case "integer":
            return _integer
        case "boolean":
            return _boolean
        case _:
            return Preserved


def _int_or_string(data: Any) -> Any:
    if type(data) in {int, str}:
        return data
    raise EvaluationError("invalid data, expected XIntOrString value to be either a string or integer")


def _wrong(wanted: str, data: Any) -> EvaluationError:
    return EvaluationError(f"invalid data, expected {wanted}, got {_GO_TYPES.get(type(data), 'unknown')}")


_GO_TYPES: dict[type, str] = {
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    dict: "map[string]interface {}",
    list: "[]interface {}",
}


def _string(data: Any) -> str:
    if type(data) is not str:
        raise _wrong("string", data)
    return data


def _parsed(parse: Callable[[str], Any], what: str) -> Converter:
    def convert(data: Any) -> Any:
        found = parse(_string(data))
        if found is None:
            raise EvaluationError(f"Invalid {what} {data}")
        return found

    return convert


def _bytes(data: Any) -> bytes:
    try:
        return base64.b64decode(_string(data), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvaluationError(f"Invalid byte formatted string {data}: {error}") from error


_STRINGS: dict[str, Converter] = {
    "byte": _bytes,
    "duration": _parsed(parse_duration, "duration"),
    "date": _parsed(parse_date, "date formatted string"),
    "date-time": _parsed(parse_timestamp, "date-time formatted string"),
}


def _number(data: Any) -> float:
    if type(data) in {int, float}:
        return float(data)
    raise _wrong("float", data)


def _integer(data: Any) -> int:
    if type(data) is int:
        return data
    raise _wrong("int", data)


def _boolean(data: Any) -> bool:
    if type(data) is bool:
        return data
    raise _wrong("bool", data)


def _object(schema: Mapping[str, Any]) -> Converter:
    properties = schema.get("properties")
    additional = schema.get("additionalProperties")
    if properties is None and isinstance(additional, Mapping):
        value = _inner(additional)

        def convert_map(data: Any) -> DataMap:
            if not isinstance(data, dict):
                raise EvaluationError("invalid data, expected a map for the provided schema with type=object")
            return DataMap({key: value(inner) for key, inner in data.items()})

        return convert_map
    fields = Fields(properties or {})

    def convert(data: Any) -> Object:
        if not isinstance(data, dict):
            raise EvaluationError("invalid data, expected a map for the provided schema with type=object")
        return Object(data, fields)

    return convert


def _array(schema: Mapping[str, Any]) -> Converter:
    items = schema.get("items")
    element = _inner(items) if isinstance(items, Mapping) else Preserved
    keys = tuple(escape(key) or key for key in schema.get("x-kubernetes-list-map-keys") or ())
    kind = schema.get("x-kubernetes-list-type")

    def convert(data: Any) -> DataList:
        if not isinstance(data, list):
            raise EvaluationError("invalid data, expected an array for the provided schema with type=array")
        values = [element(inner) for inner in data]
        if kind == "set":
            return SetList(values)
        if kind == "map":
            return MapList(values, keys)
        return DataList(values)

    return convert


@attrs.frozen
class Preserved(Opaque):
    """Data without a schema, which can only be compared."""

    data: Any


class Object(Struct, dict[str, Any]):
    """An object with declared fields.

    As a dict it holds the values that were asked for: `object[name]` converts a field once. Nothing else that a dict
    does says anything about the object.
    """

    __slots__ = ("_data", "_fields")

    def __init__(self, data: dict[str, Any], fields: Fields) -> None:
        self._data = data
        self._fields = fields

    def __missing__(self, name: str) -> Any:
        """Convert a field that is asked for by its identifier for the first time."""
        key = unescape(name) if "__" in name else name
        data = None if key is None else self._data.get(key)
        if data is None or key is None:
            raise KeyError(name)
        found = self[name] = self._fields[key](data)
        return found

    def data(self) -> dict[str, Any]:
        """Return what it was made of."""
        return self._data

    def find(self, name: str) -> Any:
        """Return the value of a field by its identifier, or MISSING."""
        try:
            return self[name]
        except KeyError:
            return MISSING

    def has(self, name: str) -> bool:
        """Tell whether a field has a value."""
        return self.find(name) is not MISSING

    def size(self) -> int:
        """Return how many fields the data has, declared or not."""
        return len(self._data)

    def names(self) -> list[str]:
        """Return the identifiers of the declared fields that the data has."""
        return [escape(key) or key for key in self._data if key in self._fields.schemas]

    def equals(self, other: Any) -> bool:
        """Compare declared fields as values, others as data."""
        if not isinstance(other, Struct | dict):
            raise no_overload()
        if self.size() != (other.size() if isinstance(other, Struct) else len(other)):
            return False
        return all(self._field_equals(key, other) for key in self._data)

    def _field_equals(self, key: str, other: Struct | dict[Any, Any]) -> bool:
        if key in self._fields.schemas:
            name = escape(key) or key
            mine = self.find(name)
            theirs = other.find(name) if isinstance(other, Struct) else other.get(name, MISSING)
            if mine is MISSING or theirs is MISSING:
                return mine is theirs
            return equals(mine, theirs)
        if not isinstance(other, Object):
            raise no_overload()
        theirs = other.data()
        return key not in theirs or bool(self._data[key] == theirs[key])


def _key(value: Any) -> Any:
    """Return what tells elements of a set apart: equal values have equal keys."""
    if type(value) is bool:
        return ("bool", value)
    if type(value) in {int, float, Uint} or not isinstance(value, list | dict | Struct):
        return value
    if isinstance(value, list):
        return ("list", *(_key(inner) for inner in value))
    if isinstance(value, Struct):
        return ("object", frozenset((name, _key(value.find(name))) for name in value.names()))
    return ("map", frozenset((_key(key), _key(inner)) for key, inner in value.items()))


class SetList(DataList):
    """A list of type set: its order does not count."""

    __slots__ = ()

    def equals(self, other: list[Any]) -> bool:
        """Tell whether another list holds the same elements."""
        return len(self) == len(other) and {_key(one) for one in self} == {_key(one) for one in other}

    def plus(self, other: list[Any]) -> list[Any]:
        """Add the elements that are not there yet; the order stays."""
        seen = {_key(one) for one in self}
        out = SetList(self)
        for one in other:
            if _key(one) not in seen:
                seen.add(_key(one))
                out.append(one)
        return out


class MapList(DataList):
    """A list of type map: its elements have keys."""

    __slots__ = ("_keys",)

    def __init__(self, values: list[Any], keys: tuple[str, ...]) -> None:
        super().__init__(values)
        self._keys = keys

    def _key(self, value: Any) -> Any:
        if not isinstance(value, Struct | dict):
            return _key(value)
        parts = [value.find(key) if isinstance(value, Struct) else value.get(key, MISSING) for key in self._keys]
        return tuple(_key(part) for part in parts)

    def equals(self, other: list[Any]) -> bool:
        """Tell whether another list holds equal elements under the same keys."""
        if len(self) != len(other):
            return False
        mine = {self._key(one): one for one in self}
        seen = set()
        for one in other:
            key = self._key(one)
            if key not in mine or not equals(mine[key], one):
                return False
            seen.add(key)
        return len(seen) == len(mine)

    def plus(self, other: list[Any]) -> list[Any]:
        """Replace elements with the same keys, in their places; append the others."""
        out = MapList(list(self), self._keys)
        places = {self._key(one): index for index, one in enumerate(self)}
        for one in other:
            key = self._key(one)
            if key in places:
                out[places[key]] = one
            else:
                places[key] = len(out)
                out.append(one)
        return out

"""OpenAPI documents in protobuf, as gnostic encodes those that it reads from JSON; kubectl and client-go ask for them.

A table of fields (openapi_protobuf_fields.py) drives the encoder. The rules are gnostic's (github.com/google/gnostic-models)
and those of proto3: fields are written in the order of their numbers, pairs in the order of the document; what is "",
false or zero is left out, unless it stands in a list or is the one of a oneof. Values of any type are YAML texts.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final

import attrs

from conversion.codec import Object
from conversion.errors import Unencodable
from conversion.openapi_protobuf_fields import OPENAPI_V2, OPENAPI_V3
from conversion.openapi_protobuf_yaml import yaml_text
from conversion.protobuf_wire import BYTES, FIXED64, VARINT, prefixed, tag, varint

_NAME, _VALUE = 1, 2
"""The fields of a pair."""

_YAML = tag(2, BYTES)
"""Where a message Any has its text; its field 1 is for gnostic's plugins."""

_NAMED = tag(_NAME, BYTES)


@attrs.frozen
class _Scalar:
    """A type whose values have no fields."""

    wire_type: int
    zero: bytes
    """What is left out."""
    pack: Callable[[Any], bytes]
    """Value -> what stands behind the tag. Raises Unencodable."""


@attrs.define(eq=False)
class _Message:
    """A type with fields, by their keys."""

    fields: dict[str, _Field] = attrs.field(factory=dict)
    others: _Field | None = None
    extensions: _Field | None = None

    def field(self, key: str) -> _Field | None:
        """Find what a key stands for."""
        found = self.fields.get(key)
        if found is None:
            found = self.extensions if self.extensions is not None and key.startswith("x-") else self.others
        return found


@attrs.define(eq=False)
class _OneOf:
    """A type that is one of its fields."""

    choose: Callable[[Any], str]
    """Value -> key of its field, or "" for a value that none can hold: it is written as a message without fields."""
    fields: dict[str, _Field] = attrs.field(factory=dict)

    def field(self, value: Any) -> _Field | None:
        """Find the field of a value, or None where there is nothing to write. Raises Unencodable."""
        key = self.choose(value)
        if key and key not in self.fields:
            raise Unencodable(f"one of {', '.join(self.fields)}", value)
        return self.fields[key] if key else None


_Type = _Scalar | _Message | _OneOf


@attrs.frozen
class _Field:
    number: int
    tag: bytes
    type: _Type
    keep: bool = True
    """Whether a zero is written."""
    item: _Field | None = None
    """Of a field that there are many of: one of them."""
    pair: _Field | None = None
    """Of a field of pairs: their second field."""


class Encoder:
    """Writes the messages of one table."""

    def __init__(self, table: str) -> None:
        """Read a table of openapi_protobuf_fields. Raises KeyError for a type that it lacks."""
        rows = _rows(table)
        self._types: dict[str, _Type] = dict(_SCALARS)
        self._types |= {name: _OneOf(_chooser(name, fields)) if oneof else _Message() for name, oneof, fields in rows}
        for name, _, fields in rows:
            self._fill(self._types[name], fields)

    def encode(self, message: str, value: Object) -> bytes:
        """Write a JSON value as a message of this name, without its length.

        Within the value, bytes stand for a message that is encoded already. Raises Unencodable for what the table does
        not know.
        """
        type_ = self._types[message]
        if isinstance(type_, _Message):
            return self._pack(type_, value)
        field = type_.field(value) if isinstance(type_, _OneOf) else None
        return b"" if field is None else self._written(field, value)

    def _fill(self, type_: _Type, fields: Mapping[str, tuple[int, str, bool]]) -> None:
        for key, (number, name, many) in fields.items():
            field = _field(number, self._types[name])
            if isinstance(type_, _OneOf):
                type_.fields[key] = field
            elif isinstance(type_, _Message):
                if key == "*":
                    type_.others = _pairs(number, field.type)
                elif key == "x-*":
                    type_.extensions = _pairs(number, field.type)
                else:
                    type_.fields[key] = attrs.evolve(field, item=field) if many else attrs.evolve(field, keep=False)

    def _pack(self, message: _Message, value: Any) -> bytes:
        if value.__class__ is bytes:
            return bytes(value)
        if not isinstance(value, dict):
            raise Unencodable("an object", value)
        out: list[tuple[int, bytes]] = []
        for key, below in value.items():
            field = message.field(key)
            try:
                if field is None:
                    raise Unencodable("absent", below)
                out.append((field.number, self._written(field, below, key)))
            except Unencodable as error:
                error.path.insert(0, key)
                raise
        out.sort(key=itemgetter(0))
        return b"".join([piece for _, piece in out])

    def _written(self, field: _Field, value: Any, key: str = "") -> bytes:
        """Write a field, its tag before it; oneofs in oneofs in this one frame, since schemas are deep."""
        if field.pair is not None:
            return field.tag + prefixed(_NAMED + prefixed(key.encode()) + self._written(field.pair, value))
        if field.item is not None:
            if not isinstance(value, list):
                raise Unencodable("a list", value)
            return b"".join([self._written(field.item, item) for item in value])
        chosen: _Field | None = field
        tags = []
        while chosen is not None:
            tags.append(chosen.tag)
            type_ = chosen.type
            if not isinstance(type_, _OneOf) or value.__class__ is bytes:
                break
            chosen = type_.field(value)
        if chosen is None:
            out = b"\0"
        elif isinstance(type_, _Scalar):
            out = type_.pack(value)
            if chosen is field and out == type_.zero and not field.keep:
                return b""
        else:
            out = prefixed(value if isinstance(type_, _OneOf) else self._pack(type_, value))
        out = tags.pop() + out
        while tags:
            out = tags.pop() + prefixed(out)
        return out


def _rows(table: str) -> list[tuple[str, bool, dict[str, tuple[int, str, bool]]]]:
    """Cut a table into its messages: name, whether it is a oneof, key -> (number, type, many)."""
    out = []
    for row in table.strip().replace("\n  ", " ").splitlines():
        name, sign, rest = row.partition(": ") if ": " in row else row.partition(" | ")
        fields = {}
        for entry in rest.split(", "):
            key, number, type_ = entry.split()
            fields[key] = (int(number), type_.removeprefix("*"), type_.startswith("*"))
        out.append((name, sign == " | " or "=" in fields, fields))
    return out


def _field(number: int, type_: _Type) -> _Field:
    return _Field(number, tag(number, type_.wire_type if isinstance(type_, _Scalar) else BYTES), type_)


def _pairs(number: int, type_: _Type) -> _Field:
    return _Field(number, tag(number, BYTES), type_, pair=_field(_VALUE, type_))


# Choices


def _chooser(name: str, fields: Mapping[str, Any]) -> Callable[[Any], str]:
    return _CHOOSERS.get(name) or (_always if "=" in fields else _referring(next(iter(fields))))


def _always(_: Any) -> str:
    return "="


def _referring(other: str) -> Callable[[Any], str]:
    """Choose as gnostic does, which takes for a reference whatever has a `$ref`."""

    def choose(value: Any) -> str:
        return "reference" if isinstance(value, dict) and "$ref" in value else other

    return choose


def _schema_or_boolean(value: Any) -> str:
    return "boolean" if isinstance(value, bool) else "schema"


def _body_or_not(value: Any) -> str:
    return "bodyParameter" if _place(value) == "body" else "nonBodyParameter"


def _place(value: Any) -> str:
    place = value.get("in") if isinstance(value, dict) else None
    return place if isinstance(place, str) else "nowhere"


def _scalar_default(value: Any) -> str:
    """Choose for a default; an object or a list has no place in version 3 of gnostic's documents."""
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number" if isinstance(value, (int, float)) else ""


_CHOOSERS: dict[str, Callable[[Any], str]] = {
    "AdditionalPropertiesItem": _schema_or_boolean,
    "Parameter": _body_or_not,
    "NonBodyParameter": _place,
    "DefaultType": _scalar_default,
}


# Scalars


def _string(value: Any) -> bytes:
    if not isinstance(value, str):
        raise Unencodable("a string", value)
    return prefixed(value.encode())


def _bool(value: Any) -> bytes:
    if not isinstance(value, bool):
        raise Unencodable("a boolean", value)
    return varint(value)


def _int64(value: Any) -> bytes:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unencodable("an integer", value)
    return varint(value)


_DOUBLE = struct.Struct("<d")


def _double(value: Any) -> bytes:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unencodable("a number", value)
    return _DOUBLE.pack(value)


def _any(value: Any) -> bytes:
    return prefixed(_YAML + prefixed(yaml_text(value).encode()))


_SCALARS: dict[str, _Type] = {
    "string": _Scalar(BYTES, b"\0", _string),
    "bool": _Scalar(VARINT, b"\0", _bool),
    "int64": _Scalar(VARINT, b"\0", _int64),
    "double": _Scalar(FIXED64, bytes(_DOUBLE.size), _double),
    "Any": _Scalar(BYTES, b"", _any),
}

ENCODER_V2: Final = Encoder(OPENAPI_V2)
ENCODER_V3: Final = Encoder(OPENAPI_V3)

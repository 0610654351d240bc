"""Messages of built-in kinds, driven by a table of their fields (protobuf_fields.json; protobuf_fields/ writes it).

The rules are those of the Marshal and Unmarshal methods that Go's generator writes for Kubernetes types, and of
encoding/json for the same types:

- fields are written in the order of their numbers, maps in the order of their keys;
- a field that is no pointer is always written, also where it is zero or absent; a pointer where it is not null;
- fields that are not known are passed over without a word, also where fieldValidation is Strict;
- a field shows in JSON as encoding/json shows it: `omitempty` leaves out what is false, 0, "", null or without items,
  but no struct; what else is absent shows as its zero value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from operator import itemgetter
from typing import Any

from conversion.codec import DecodeError, Object, text_of
from conversion.errors import Unencodable
from conversion.protobuf_types import (
    SCALARS,
    SPECIAL,
    Bytes,
    List,
    Raw,
    SchemaOr,
    SchemaOrBool,
    Type,
    bytes_of,
    raw_of,
    wrong_wire_type,
)
from conversion.protobuf_wire import BYTES, VARINT, fields, prefixed, read_varint, tag

MAX_MESSAGES = 100
"""Levels of messages in messages that are read: the limit of the common protobuf libraries. Only schemas recurse."""

MAGIC = b"k8s\0"
"""What an object's envelope begins with."""

Envelopes = Callable[[bytes, int], Object]
"""Reads an object behind its magic number, `depth` messages deep."""


class Message:
    """The type of a message whose JSON is an object of its fields."""

    wire_type = BYTES
    nullable = False
    emptiable = False

    def __init__(self, name: str, entries: list[list[Any]], types: Callable[[str], Type]) -> None:
        """Take the table's entries, [JSON name, number, type, flags]; they are compiled at first use."""
        self.name = name
        self._entries = entries
        self._types = types

    @cached_property
    def _shown(self) -> tuple[_Field, ...]:
        """The fields in the order of the Go struct, which is that of its JSON."""
        return tuple(_field(entry, self._types) for entry in self._entries)

    @cached_property
    def _written(self) -> tuple[_Field, ...]:
        return tuple(sorted(self._shown, key=lambda field: field.number))

    @cached_property
    def _numbers(self) -> dict[int, _Field]:
        return {field.number: field for field in self._shown}

    def number(self, key: str) -> int | None:
        """Return the number of a field, or None where there is none."""
        return next((field.number for field in self._shown if field.key == key), None)

    def pack(self, value: Any) -> bytes:
        """Write an object. Raises Unencodable."""
        if value is None:
            value = {}
        elif not isinstance(value, dict):
            raise Unencodable("an object", value)
        out: list[bytes] = []
        for field in self._written:
            # All in this one frame: schemas may stand in schemas as deeply as JSON allows.
            try:
                for held in field.values(value):
                    packed = field.type.pack(held)
                    out.append(field.tag)
                    out.append(prefixed(packed) if field.prefix else packed)
            except Unencodable as error:
                if field.key:
                    error.path.insert(0, field.key)
                raise
        return b"".join(out)

    def unpack(self, raw: bytes, depth: int) -> Object:
        """Read an object. Raises DecodeError."""
        if depth > MAX_MESSAGES:
            raise DecodeError("exceeded max depth")
        numbers = self._numbers
        chunks: dict[int, list[Any]] = {}
        for number, wire_type, value in fields(raw, self.name.rpartition(".")[2]):
            field = numbers.get(number)
            if field is not None:
                field.take(wire_type, value, chunks.setdefault(number, []))
        shown: Object = {}
        for field in self._shown:
            field.show(chunks.get(field.number), shown, depth)
        return shown

    def zero(self) -> Object:
        """Return the struct's zero value."""
        return self.unpack(b"", 0)

    def joined(self, chunks: list[bytes]) -> bytes:
        """Return the messages as one: those written one behind the other are merged."""
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _Field:
    """A field of a message: one that is no pointer."""

    __slots__ = ("key", "number", "omit_empty", "omit_null", "prefix", "tag", "type")

    def __init__(self, key: str, number: int, of: Type, flags: str) -> None:
        self.key = key
        self.number = number
        self.type = of
        self.tag = tag(number, of.wire_type)
        self.prefix = of.wire_type == BYTES
        self.omit_empty = "o" in flags
        self.omit_null = "z" in flags

    def values(self, obj: Object) -> Iterable[Any]:
        """Return what is to be written of an object, each behind a tag of its own. Raises Unencodable."""
        held = obj.get(self.key)
        return () if held is None and self.type.nullable else (held,)

    def take(self, wire_type: int, raw: int | bytes, chunks: list[Any]) -> None:
        """Keep a value from the wire. Raises DecodeError where it is of another wire type."""
        if wire_type != self.type.wire_type:
            raise wrong_wire_type(wire_type, self.key[:1].upper() + self.key[1:])
        chunks.append(raw)

    def show(self, chunks: list[Any] | None, shown: Object, depth: int) -> None:
        """Set the field of an object as encoding/json shows it."""
        held = self.type.unpack(self.type.joined(chunks), depth + 1) if chunks else self.type.zero()
        if (self.omit_empty and not held and self.type.emptiable) or (self.omit_null and held is None):
            return
        shown[self.key] = held


class _Pointer(_Field):
    """A field that may be absent."""

    __slots__ = ()

    def values(self, obj: Object) -> Iterable[Any]:
        held = obj.get(self.key)
        return () if held is None else (held,)

    def show(self, chunks: list[Any] | None, shown: Object, depth: int) -> None:
        if chunks:
            shown[self.key] = self.type.unpack(self.type.joined(chunks), depth + 1)
        elif not self.omit_empty:
            shown[self.key] = None


class _Inline(_Field):
    """A message whose JSON stands among its parent's."""

    __slots__ = ()

    def values(self, obj: Object) -> Iterable[Any]:
        return (obj,)

    def show(self, chunks: list[Any] | None, shown: Object, depth: int) -> None:
        shown.update(self.type.unpack(self.type.joined(chunks), depth + 1) if chunks else self.type.zero())


class _Repeated(_Field):
    """A list."""

    __slots__ = ()

    def values(self, obj: Object) -> Iterable[Any]:
        held = obj.get(self.key)
        if held is None:
            return ()
        if not isinstance(held, list):
            raise Unencodable("a list", held)
        return held

    def take(self, wire_type: int, raw: int | bytes, chunks: list[Any]) -> None:
        if wire_type != BYTES or not isinstance(raw, bytes) or self.prefix:
            super().take(wire_type, raw, chunks)
            return
        # Numbers may come packed: without tags, in one run of bytes.
        at = 0
        while at < len(raw):
            if self.type.wire_type == VARINT:
                number, at = read_varint(raw, at)
                chunks.append(number)
            else:
                if at + 8 > len(raw):
                    raise DecodeError("unexpected EOF")
                chunks.append(raw[at : at + 8])
                at += 8

    def show(self, chunks: list[Any] | None, shown: Object, depth: int) -> None:
        if chunks:
            shown[self.key] = [self.type.unpack(raw, depth + 1) for raw in chunks]
        elif not self.omit_empty:
            shown[self.key] = None


class _Map(_Field):
    """A map by strings: a list of its entries; of entries with one key the last one wins."""

    __slots__ = ()

    def __init__(self, key: str, number: int, of: Type, flags: str) -> None:
        super().__init__(key, number, _Entry(of), flags)

    def values(self, obj: Object) -> Iterable[Any]:
        held = obj.get(self.key)
        if held is None:
            return ()
        if not isinstance(held, dict):
            raise Unencodable("an object", held)
        return sorted(held.items(), key=_first)

    def show(self, chunks: list[Any] | None, shown: Object, depth: int) -> None:
        if chunks:
            shown[self.key] = dict(self.type.unpack(raw, depth) for raw in chunks)
        elif not self.omit_empty:
            shown[self.key] = None


class _Entry:
    """An entry of a map: a message {key = 1, value = 2}."""

    wire_type = BYTES
    nullable = False
    emptiable = False

    def __init__(self, of: Type) -> None:
        self._type = of
        self._tag = tag(2, of.wire_type)
        self._prefix = of.wire_type == BYTES

    def pack(self, value: tuple[str, Any]) -> bytes:
        """Write a key and its value."""
        key, held = value
        head = b"\x0a" + prefixed(SCALARS["string"].pack(key))
        if held is None and isinstance(self._type, Bytes):
            return head
        try:
            packed = self._type.pack(held)
        except Unencodable as error:
            error.path.insert(0, key)
            raise
        return head + self._tag + (prefixed(packed) if self._prefix else packed)

    def unpack(self, raw: bytes, depth: int) -> tuple[str, Any]:
        """Read a key and its value; either may be missing."""
        key = ""
        held: Any = b"" if self._prefix else None
        for number, wire_type, value in fields(raw, "Entry"):
            if number == 1:
                key = text_of(bytes_of(wire_type, value, "Mapkey"))
            elif number == 2:
                if wire_type != self._type.wire_type:
                    raise wrong_wire_type(wire_type, "Mapvalue")
                held = value
        return key, self._type.zero() if held is None else self._type.unpack(held, depth + 1)

    def zero(self) -> tuple[str, Any]:
        """Return an entry of nothing."""
        return "", self._type.zero()

    def joined(self, chunks: list[Any]) -> Any:
        """Return the last one; entries are never merged."""
        return chunks[-1]


_first = itemgetter(0)


class _RawExtension(Raw):
    """runtime.RawExtension: JSON text, or an object in its own envelope."""

    def __init__(self, envelopes: Envelopes) -> None:
        self._envelopes = envelopes

    def unpack(self, raw: bytes, depth: int) -> Any:
        held = raw_of(raw)
        return self._envelopes(held, depth + 1) if held.startswith(MAGIC) else super().unpack(raw, depth)


_FIELDS: dict[str, type[_Field]] = {"*": _Pointer, "[]": _Repeated, "{}": _Map, "": _Field}


def _field(entry: list[Any], types: Callable[[str], Type]) -> _Field:
    key, number, written, *flags = entry
    name = written.lstrip("*[]{}")
    form = _Inline if not key else _FIELDS[written.removesuffix(name)]
    return form(key, number, types(name), flags[0] if flags else "")


class Messages:
    """The types of a table, made when they are first asked for."""

    def __init__(self, table: Mapping[str, Any], envelopes: Envelopes) -> None:
        self._table = table
        self._made: dict[str, Type] = {}
        self._extension = _RawExtension(envelopes)

    def message(self, api_version: str, kind: str) -> Message | None:
        """Return the message of a kind, or None where the table has none."""
        name = self._table["kinds"].get(api_version, {}).get(kind) or self._table["anywhere"].get(kind)
        if name is None:
            return None
        found = self.type(name)
        return found if isinstance(found, Message) else None

    def type(self, name: str) -> Type:
        """Return a type by its name in the table."""
        found = SCALARS.get(name) or self._made.get(name)
        if found is None:
            found = self._made[name] = self._make(name, self._table["messages"][name])
        return found

    def _make(self, name: str, form: str | list[list[Any]]) -> Type:
        if isinstance(form, list):
            return Message(name, form, self.type)
        if form.startswith("[]"):
            return List(self.type(form.removeprefix("[]")))
        if form == "RawExtension":
            return self._extension
        if not form.startswith("Schema"):
            return SPECIAL[form]
        schema = self.type(f"{name.rpartition('.')[0]}.JSONSchemaProps")
        if form == "SchemaOrBool":
            return SchemaOrBool(schema)
        return SchemaOr(schema, SCALARS["string"] if form == "SchemaOrStringArray" else schema)

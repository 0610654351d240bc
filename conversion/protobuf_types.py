"""Types of protobuf fields: how a JSON value becomes a field's value on the wire, and back.

Each does what Go's generated Marshal and Unmarshal and the type's own MarshalJSON and UnmarshalJSON do together.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

import attrs
import orjson

from conversion.codec import DecodeError, text_of
from conversion.errors import Unencodable
from conversion.json_codec import JsonCodec
from conversion.protobuf_wire import BYTES, FIXED64, VARINT, fields, prefixed, signed, varint

CACHED_TIMES = 4096
"""Times whose bytes are remembered, and bytes whose times are: objects of one list were made in few seconds."""

EXACT_FLOAT = 2**53
"""Below it a float that is whole is shown as an integer, as Go's encoder shows it; above, digits may be lost."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO_SECONDS = -62135596800
"""Seconds of Go's zero time, 0001-01-01T00:00:00Z, before the epoch."""

_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9})\d*)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_QUANTITY = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII)
_DOUBLE = struct.Struct("<d")
_JSON = JsonCodec()


class Type(Protocol):
    """The type of one value."""

    wire_type: int
    nullable: bool
    """Whether null is no value, and not the zero one, also where the field is no pointer."""
    emptiable: bool
    """Whether `omitempty` leaves the zero value out."""

    def pack(self, value: Any) -> bytes:
        """Write a value, without tag and length; None is the zero value. Raises Unencodable."""

    def unpack(self, raw: Any, depth: int) -> Any:
        """Read a value from a varint or bytes; `depth` counts the messages around it. Raises DecodeError."""

    def zero(self) -> Any:
        """Return the zero value's JSON."""

    def joined(self, chunks: list[Any]) -> Any:
        """Return the one raw value that several of a field that is not repeated amount to."""


class _Scalar:
    """What the simple types have in common: of several values on the wire the last one wins."""

    wire_type = BYTES
    nullable = False
    emptiable = True

    def joined(self, chunks: list[Any]) -> Any:
        """Return the last one."""
        return chunks[-1]


class _Message:
    """What the types that are messages have in common: messages written one behind the other are merged."""

    wire_type = BYTES
    nullable = False
    emptiable = False

    def joined(self, chunks: list[Any]) -> Any:
        """Return the messages as one."""
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class String(_Scalar):
    """`string`; bytes that are no UTF-8 are read as U+FFFD."""

    def pack(self, value: Any) -> bytes:
        """Write text."""
        if value is None:
            return b""
        if not isinstance(value, str):
            raise Unencodable("a string", value)
        try:
            return value.encode()
        except UnicodeEncodeError as e:
            raise Unencodable("UTF-8", value) from e

    def unpack(self, raw: bytes, depth: int) -> str:
        """Read text."""
        del depth
        return text_of(raw)

    def zero(self) -> str:
        """Return no text."""
        return ""


class Bytes(_Scalar):
    """`[]byte`: base64 in JSON; null is no value, the empty string is one."""

    nullable = True

    def pack(self, value: Any) -> bytes:
        """Write what base64 says."""
        if not isinstance(value, str):
            raise Unencodable("base64", value)
        try:
            return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
        except (binascii.Error, ValueError) as e:
            raise Unencodable("base64", value) from e

    def unpack(self, raw: bytes, depth: int) -> str:
        """Read bytes into base64."""
        del depth
        return base64.b64encode(raw).decode()

    def zero(self) -> None:
        """Return null, as Go shows a nil slice."""


class Boolean(_Scalar):
    """`bool`."""

    wire_type = VARINT

    def pack(self, value: Any) -> bytes:
        """Write a truth."""
        if value is not None and not isinstance(value, bool):
            raise Unencodable("a boolean", value)
        return b"\1" if value else b"\0"

    def unpack(self, raw: int, depth: int) -> bool:
        """Read a truth: everything but 0."""
        del depth
        return raw != 0

    def zero(self) -> bool:
        """Return false."""
        return False


@attrs.frozen
class Integer(_Scalar):
    """`int32`, `int64`: negative ones take ten bytes; bits beyond the type are cut off on reading."""

    bits: int
    wire_type = VARINT

    def pack(self, value: Any) -> bytes:
        """Write an integer."""
        if value is None:
            return b"\0"
        if type(value) is not int or not -(1 << (self.bits - 1)) <= value < 1 << (self.bits - 1):
            raise Unencodable(f"an int{self.bits}", value)
        return varint(value)

    def unpack(self, raw: int, depth: int) -> int:
        """Read an integer."""
        del depth
        return signed(raw, self.bits)

    def zero(self) -> int:
        """Return 0."""
        return 0


class Double(_Scalar):
    """`float64`; JSON knows neither infinities nor NaN."""

    wire_type = FIXED64

    def pack(self, value: Any) -> bytes:
        """Write a number."""
        if value is not None and type(value) not in (int, float):
            raise Unencodable("a number", value)
        try:
            return _DOUBLE.pack(value or 0.0)
        except OverflowError as e:
            raise Unencodable("a float64", value) from e

    def unpack(self, raw: bytes, depth: int) -> float:
        """Read a number, a whole one as an integer."""
        del depth
        number: float = _DOUBLE.unpack(raw)[0]
        if not math.isfinite(number):
            raise DecodeError(f"json: unsupported value: {number}")
        return int(number) if number.is_integer() and abs(number) < EXACT_FLOAT else number

    def zero(self) -> int:
        """Return 0."""
        return 0


@attrs.frozen
class Time(_Scalar):
    """metav1.Time and metav1.MicroTime: a message {seconds = 1, nanos = 2}; the zero time is an empty one, null in JSON."""

    micro: bool = False
    """Whether microseconds are kept; else fractions of a second are cut off, as JSON cuts them off."""
    emptiable = False

    def pack(self, value: Any) -> bytes:
        """Write a time of RFC 3339."""
        if value is None:
            return b""
        if not isinstance(value, str):
            raise Unencodable("a time", value)
        return _packed_time(value, self.micro)

    def unpack(self, raw: bytes, depth: int) -> str | None:
        """Read a time, UTC."""
        del depth
        return _shown_time(raw, self.micro)

    def zero(self) -> None:
        """Return null."""


@lru_cache(CACHED_TIMES)
def _packed_time(text: str, micro: bool) -> bytes:  # noqa: FBT001  # a cache's key
    match = _TIME.fullmatch(text)
    try:
        whole = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00")) if match else None
    except ValueError:
        whole = None
    if match is None or whole is None:
        raise Unencodable("a time", text)
    seconds = (whole - _EPOCH) // timedelta(seconds=1)
    nanos = int((match[2] or "0")[:6].ljust(6, "0")) * 1000 if micro else 0
    if seconds == _ZERO_SECONDS and not nanos:
        return b""
    return b"\x08" + varint(seconds) + b"\x10" + varint(nanos)


@lru_cache(CACHED_TIMES)
def _shown_time(raw: bytes, micro: bool) -> str | None:  # noqa: FBT001  # a cache's key
    if not raw:
        return None
    found = {1: 0, 2: 0}
    for number, wire_type, value in fields(raw, "Timestamp"):
        if number in found:
            found[number] = _varint_of(wire_type, value, "Seconds" if number == 1 else "Nanos")
    seconds, nanos = signed(found[1], 64), signed(found[2], 32) if micro else 0
    try:
        time = _EPOCH + timedelta(seconds=seconds, microseconds=_toward_zero(nanos))
    except OverflowError as e:
        raise DecodeError(f"time of {seconds} seconds since 1970 is not of the years 1 to 9999") from e
    if time == _EPOCH + timedelta(seconds=_ZERO_SECONDS):
        return None
    # strftime writes years below 1000 without their zeros, isoformat does not.
    return time.replace(tzinfo=None).isoformat(timespec="microseconds" if micro else "seconds") + "Z"


def _toward_zero(nanos: int) -> int:
    return nanos // 1000 if nanos >= 0 else -(-nanos // 1000)


class Quantity(_Message):
    """resource.Quantity: a message {string = 1}. Text stays as it is written; Go would write its canonical form."""

    def pack(self, value: Any) -> bytes:
        """Write a quantity; JSON may have it as a number."""
        text = "0" if value is None else str(value) if type(value) in (int, float) else value
        if not isinstance(text, str) or _QUANTITY.fullmatch(text) is None:
            raise Unencodable("a quantity", value)
        return b"\x0a" + prefixed(text.encode())

    def unpack(self, raw: bytes, depth: int) -> str:
        """Read a quantity."""
        del depth
        text = "0"
        for number, wire_type, value in fields(raw, "Quantity"):
            if number == 1:
                text = text_of(bytes_of(wire_type, value, "String_"))
                if _QUANTITY.fullmatch(text) is None:
                    raise DecodeError(
                        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                    )
        return text

    def zero(self) -> str:
        """Return 0, as Go shows it."""
        return "0"


class IntOrString(_Message):
    """intstr.IntOrString: a message {type = 1, intVal = 2, strVal = 3}, all three always written."""

    def pack(self, value: Any) -> bytes:
        """Write an int32 or a string."""
        if isinstance(value, str):
            return b"\x08\x01\x10\x00\x1a" + prefixed(_STRING.pack(value))
        return b"\x08\x00\x10" + _INT32.pack(value) + b"\x1a\x00"

    def unpack(self, raw: bytes, depth: int) -> int | str:
        """Read an int32 or a string."""
        form, number_value, text = 0, 0, ""
        for number, wire_type, value in fields(raw, "IntOrString"):
            if number == 1:
                form = _varint_of(wire_type, value, "Type")
            elif number == 2:
                number_value = _INT32.unpack(_varint_of(wire_type, value, "IntVal"), depth)
            elif number == 3:
                text = text_of(bytes_of(wire_type, value, "StrVal"))
        if form > 1:
            raise DecodeError("impossible IntOrString.Type")
        return text if form else number_value

    def zero(self) -> int:
        """Return 0."""
        return 0


class Raw(_Message):
    """metav1.FieldsV1, apiextensions' JSON: a message {raw = 1} that holds JSON text."""

    def pack(self, value: Any) -> bytes:
        """Write any value as compact JSON; null is an empty message."""
        if value is None:
            return b""
        try:
            return b"\x0a" + prefixed(orjson.dumps(value))
        except TypeError as e:
            raise Unencodable("JSON", value) from e

    def unpack(self, raw: bytes, depth: int) -> Any:
        """Read JSON text."""
        del depth
        held = raw_of(raw)
        return None if not held else _JSON.decode(held).value

    def zero(self) -> None:
        """Return null."""


def raw_of(message: bytes) -> bytes:
    """Return the bytes that a message {raw = 1} holds. Raises DecodeError."""
    held = b""
    for number, wire_type, value in fields(message, "RawExtension"):
        if number == 1:
            held = bytes_of(wire_type, value, "Raw")
    return held


@attrs.frozen
class List(_Message):
    """A list that is a message of its own, {items = 1}, so that none and an empty one differ."""

    item: Type
    nullable = True
    emptiable = True

    def pack(self, value: Any) -> bytes:
        """Write a list; null is an empty one where there must be one."""
        if value is not None and not isinstance(value, list):
            raise Unencodable("a list", value)
        return b"".join([b"\x0a" + prefixed(self.item.pack(item)) for item in value or ()])

    def unpack(self, raw: bytes, depth: int) -> list[Any]:
        """Read a list."""
        return [
            self.item.unpack(bytes_of(wire_type, value, "Items"), depth)
            for number, wire_type, value in fields(raw, "Items")
            if number == 1
        ]

    def zero(self) -> None:
        """Return null, as Go shows a nil slice."""


@attrs.frozen
class SchemaOr(_Message):
    """A JSON schema, or a list of schemas or of strings: a message {schema = 1, list = 2}, shown as what it holds."""

    schema: Type
    item: Type

    def pack(self, value: Any) -> bytes:
        """Write a schema or a list; an empty list is nothing."""
        if isinstance(value, dict):
            return b"\x0a" + prefixed(self.schema.pack(value))
        if value is not None and not isinstance(value, list):
            raise Unencodable("a JSON schema or a list", value)
        return b"".join([b"\x12" + prefixed(self.item.pack(item)) for item in value or ()])

    def unpack(self, raw: bytes, depth: int) -> Any:
        """Read a schema or a list; the list wins where both are there."""
        schemas: list[bytes] = []
        items: list[Any] = []
        for number, wire_type, value in fields(raw, "JSONSchemaProps"):
            if number == 1:
                schemas.append(bytes_of(wire_type, value, "Schema"))
            elif number == 2:
                items.append(self.item.unpack(bytes_of(wire_type, value, "Items"), depth))
        return items or (self.schema.unpack(b"".join(schemas), depth) if schemas else None)

    def zero(self) -> None:
        """Return null."""


@attrs.frozen
class SchemaOrBool(_Message):
    """A JSON schema or a boolean: a message {allows = 1, schema = 2}."""

    schema: Type

    def pack(self, value: Any) -> bytes:
        """Write a schema, which allows, or a boolean."""
        if isinstance(value, dict):
            return b"\x08\x01\x12" + prefixed(self.schema.pack(value))
        return b"\x08" + _BOOLEAN.pack(value)

    def unpack(self, raw: bytes, depth: int) -> Any:
        """Read a schema or a boolean."""
        allows = False
        schemas: list[bytes] = []
        for number, wire_type, value in fields(raw, "JSONSchemaPropsOrBool"):
            if number == 1:
                allows = _varint_of(wire_type, value, "Allows") != 0
            elif number == 2:
                schemas.append(bytes_of(wire_type, value, "Schema"))
        return self.schema.unpack(b"".join(schemas), depth) if schemas else allows

    def zero(self) -> bool:
        """Return false."""
        return False


def wrong_wire_type(wire_type: int, field: str) -> DecodeError:
    """Return the generated code's refusal of a field."""
    return DecodeError(f"proto: wrong wireType = {wire_type} for field {field}")


def bytes_of(wire_type: int, value: int | bytes, field: str) -> bytes:
    """Return a value that must be bytes. Raises DecodeError."""
    if wire_type != BYTES or not isinstance(value, bytes):
        raise wrong_wire_type(wire_type, field)
    return value


def _varint_of(wire_type: int, value: int | bytes, field: str) -> int:
    if wire_type != VARINT or not isinstance(value, int):
        raise wrong_wire_type(wire_type, field)
    return value


_STRING = String()
_BOOLEAN = Boolean()
_INT32 = Integer(32)

SCALARS: dict[str, Type] = {
    "string": _STRING,
    "bytes": Bytes(),
    "bool": _BOOLEAN,
    "int32": _INT32,
    "int64": Integer(64),
    "double": Double(),
}
"""By their names in the table."""

SPECIAL: dict[str, Type] = {
    "Time": Time(),
    "MicroTime": Time(micro=True),
    "Quantity": Quantity(),
    "IntOrString": IntOrString(),
    "Raw": Raw(),
}
"""Messages with JSON of their own, by their names in the table."""


"""Decoding by type for built-in kinds: what Go's JSON decoder does with a body and a struct.

Works on the JSON schema of the kind, in place: unknown fields go (and are told), nulls go, a value of the wrong type is
an error in the decoder's words. The schemas are OpenAPI v3 with these conventions: `title` is the Go type's name,
`$ref` is `#/$defs/NAME` of the root schema, `anyOf` holds alternatives of different JSON types, `format` is one of
`byte`, `date-time`, `int32` and `int64`, and a schema without a type takes anything. A field with `x-go-omitempty` goes
where it holds its type's zero value; one with `x-go-zero` is written as that value where it is absent: both as Go's
encoder does, so that an object leaves as the reference would have written it. `x-go-type` names a type of its own, and
`x-go-json` one with JSON of its own: `Quantity`, `IntOrString`, `RawExtension` and `Raw` (anything), `Time`, `MicroTime`.
"""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from watchd.schema.quantity import QuantityError, canonical_quantity
from watchd.status import go_json

Schema = Mapping[str, Any]

INT_BITS = {"int32": 32, "int64": 64}
"""Bits of the integer formats; an integer of no format has 64."""

_TIME = re.compile(
    r"^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2})$",
    re.ASCII,
)
_MICRO = ".000000"
_TIME_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT = f"2006-01-02T15:04:05{_MICRO}Z07:00"
_ELEMENTS = [
    (re.compile(pattern, re.ASCII), element)
    for pattern, element in (
        (r"\d{4}", "2006"),
        ("-", "-"),
        (r"\d{2}", "01"),
        ("-", "-"),
        (r"\d{2}", "02"),
        ("T", "T"),
        (r"\d{2}", "15"),
        (":", ":"),
        (r"\d{2}", "04"),
        (":", ":"),
        (r"\d{2}", "05"),
        (r"(\.\d+)?", "Z07:00"),
    )
]
"""The parts of a time and what Go's layout calls them."""

_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BASE64_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class TypeMismatch(ValueError):
    """A value that does not fit its field; the message is the reference decoder's."""


def prune_and_check(value: Any, schema: Schema, *, path: str = "", struct: str = "") -> list[str]:
    """Fit an object to its schema in place.

    Args:
        value: the object; changed in place.
        schema: of the whole value.
        path: where the value stands in the request's object, for the messages; empty for the object itself.
        struct: the Go type of the object in which `path` stands.

    Returns:
        The paths of the unknown fields that were dropped (`spec.ports[0].x`), in the order of the body.

    Raises:
        TypeMismatch: a value has another type than its field.

    """
    checker = _Checker(schema.get("$defs", {}))
    checker.fit(value, schema, path, path, struct)
    return checker.unknown


class _Checker:
    """One walk over one object."""

    def __init__(self, defs: Mapping[str, Schema]) -> None:
        self.defs = defs
        self.unknown: list[str] = []

    def fit(self, value: Any, schema: Schema, path: str, field: str, struct: str) -> Any:
        """Return the value as its field holds it, None for what is passed over.

        `field` is the path without indices, `struct` the type it is in.
        """
        if "anyOf" in schema and self._passed_over(value, schema):
            return None
        schema = self._resolve(value, schema)
        own = _OWN.get(schema.get("x-go-json", ""))
        kind = schema.get("type")
        if own is not None or kind is None:
            return value if own is None else own(value, field, struct)
        if value is None:
            return _ZERO[kind]() if kind in _ZERO else None
        if kind == "object":
            return self._object(value, schema, path, field, struct)
        if kind == "array":
            return self._array(value, schema, path, field, struct)
        return _scalar(value, schema, field, struct)

    def _passed_over(self, value: Any, schema: Schema) -> bool:
        """Tell whether a field of a type or a list (JSONSchemaPropsOrArray) is given neither: Go's decoder passes over that."""
        if "type" in schema or (isinstance(value, dict | list) and value != []):
            return False
        return {self._resolve(None, option).get("type") for option in schema["anyOf"]} == {"object", "array"}

    def _resolve(self, value: Any, schema: Schema) -> Schema:
        if "anyOf" in schema and "type" not in schema:
            options = [self._resolve(value, option) for option in schema["anyOf"]]
            shape = _shape(value)
            found = next((option for option in options if option.get("type") == shape), None)
            if found is None and options[0].get("type") == "boolean":
                raise TypeMismatch("boolean or JSON schema expected")
            return found or options[0]
        ref = schema.get("$ref")
        return self.defs[ref.rpartition("/")[2]] if ref is not None else schema

    def _object(self, value: Any, schema: Schema, path: str, field: str, struct: str) -> Any:
        if not isinstance(value, dict):
            raise _mismatch(value, _go_type(schema, self.defs), field, struct)
        properties = schema.get("properties")
        if properties is not None:
            self._struct(value, properties, path, field, schema.get("title", struct))
        elif isinstance(entries := schema.get("additionalProperties"), Mapping):
            for key, entry in value.items():
                value[key] = self.fit(entry, entries, f"{path}.{key}" if path else key, field, struct)
        return value

    def _struct(self, value: dict[str, Any], properties: Mapping[str, Schema], path: str, field: str, title: str) -> None:
        for key in list(value):
            inner = properties.get(key)
            below = f"{path}.{key}" if path else key
            if inner is None:
                self.unknown.append(below)
                del value[key]
                continue
            # A null leaves a struct's field at its zero value, which is not written again.
            found = value.pop(key)
            if found is not None:
                fitted = self.fit(found, inner, below, f"{field}.{key}" if field else key, title)
                if fitted or (fitted is not None and "x-go-omitempty" not in inner):
                    value[key] = fitted
        for key, inner in properties.items():
            if "x-go-zero" in inner and key not in value:
                zero = inner["x-go-zero"]
                value[key] = zero if zero is None else self.fit(copy.copy(zero), inner, path, field, title)

    def _array(self, value: Any, schema: Schema, path: str, field: str, struct: str) -> Any:
        if not isinstance(value, list):
            raise _mismatch(value, _go_type(schema, self.defs), field, struct)
        items = schema.get("items", {})
        for index, item in enumerate(value):
            value[index] = self.fit(item, items, f"{path}[{index}]", field, struct)
        return value


_ZERO: dict[str, Any] = {"string": str, "object": dict, "integer": int, "number": int, "boolean": bool}
"""What a null becomes inside a list or a map, where the entry itself stays."""


_BLANK = "".join(chr(code) for code in (0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000))
"""What Go trims a quantity of. Control characters stand escaped in JSON, and Go does not undo that here."""


def _quantity(value: Any, _field: str, _struct: str) -> str:
    """Return a quantity as it is written: of a text, or of a number as it stands in JSON."""
    if value is None:
        return "0"
    if isinstance(value, str):
        text = value.strip(_BLANK)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        text = go_json(value).replace("e+", "e")
    else:
        text = ""
    try:
        return canonical_quantity(text)
    except QuantityError as e:
        raise TypeMismatch(str(e)) from e


def _int_or_string(value: Any, field: str, struct: str) -> Any:
    if value is None:
        return 0
    return value if isinstance(value, str) else _scalar(value, _INT32, field, struct)


def _raw(value: Any, _field: str, _struct: str) -> Any:
    return value


_INT32 = {"type": "integer", "format": "int32"}

_OWN = {"Quantity": _quantity, "IntOrString": _int_or_string, "RawExtension": _raw, "Raw": _raw}
"""How types with JSON of their own are read, by `x-go-json`."""


def _scalar(value: Any, schema: Schema, field: str, struct: str) -> Any:
    kind = schema["type"]
    if kind == "string":
        if not isinstance(value, str):
            raise _mismatch(value, _go_type(schema, {}), field, struct)
        form = schema.get("format")
        if form == "byte":
            return canonical_base64(value)
        if form == "date-time":
            return canonical_time(value, micro=schema.get("title") == "MicroTime")
        return value
    if kind == "boolean":
        if not isinstance(value, bool):
            raise _mismatch(value, "bool", field, struct)
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(value, _go_type(schema, {}), field, struct)
    if kind == "integer":
        bits = INT_BITS[schema.get("format", "int64")]
        if isinstance(value, float) or not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise _mismatch(value, _go_type(schema, {}), field, struct, exact=True)
    return value


def canonical_base64(text: str) -> str:
    """Return padded standard base64 without line breaks. Raises TypeMismatch naming the first bad byte, as Go does."""
    data = text.encode()
    body = data.replace(b"\r", b"").replace(b"\n", b"")
    if not _BASE64.fullmatch(body):
        raise TypeMismatch(f"illegal base64 data at input byte {_bad_byte(data)}")
    return base64.b64encode(base64.b64decode(body)).decode()


def _bad_byte(data: bytes) -> int:
    """Return where Go's decoder stops in data that is not base64 (encoding/base64, decodeQuantum)."""
    digits = 0
    for at, byte in enumerate(data):
        if byte in b"\r\n":
            continue
        if byte == ord("=") and digits % 4 >= 2:
            return _bad_padding(data, at, digits % 4)
        if byte not in _BASE64_DIGITS:
            return at
        digits += 1
    return len(data) - digits % 4


def _bad_padding(data: bytes, at: int, digits: int) -> int:
    """Return where Go's decoder stops after a group's first padding byte."""
    rest = (index for index in range(at + 1, len(data)) if data[index] not in b"\r\n")
    if digits == 2:
        second = next(rest, None)
        if second is None:
            return len(data)
        if data[second] != ord("="):
            return second - 1
    return next(rest, len(data))


def canonical_time(text: str, *, micro: bool = False) -> str:
    """Return a time as metav1.Time (whole seconds) or metav1.MicroTime writes it: in UTC. Raises TypeMismatch."""
    layout = _MICRO_LAYOUT if micro else _TIME_LAYOUT
    match = _TIME.match(text)
    if match is None:
        rest, element = _unparsed(text)
        raise TypeMismatch(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{element}"')
    seconds, fraction, zone = match.groups()
    if micro and len(fraction or "") < len(_MICRO):
        raise TypeMismatch(f'parsing time "{text}" as "{layout}": cannot parse "{(fraction or "") + zone}" as "{_MICRO}"')
    if micro and len(fraction) > len(_MICRO):
        rest = fraction[len(_MICRO) :] + zone
        raise TypeMismatch(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "Z07:00"')
    try:
        moment = datetime.fromisoformat(seconds + zone.replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise TypeMismatch(f'parsing time "{text}": {_out_of_range(seconds)} out of range') from e
    written = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return f"{written}{fraction}Z" if micro else f"{written}Z"


def _unparsed(text: str) -> tuple[str, str]:
    """Return what is left of a text where it stops being a time, and the element of the layout that was due."""
    rest = text
    for pattern, element in _ELEMENTS:
        match = pattern.match(rest)
        if match is None:
            return rest, element
        rest = rest[match.end() :]
    return rest, "Z07:00"


def _out_of_range(seconds: str) -> str:
    """Name the part of a well-formed time that no calendar has."""
    _, month, day, hour, minute, second = (int(part) for part in re.split("[-T:]", seconds))
    if not 1 <= month <= 12:
        return "month"
    if hour > 23 or minute > 59 or second > 59:
        return "hour" if hour > 23 else "minute" if minute > 59 else "second"
    return "year" if 1 <= day <= 28 else "day"


def _shape(value: Any) -> str:
    """Name a value's JSON type as schemas do."""
    match value:
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"


def _go_type(schema: Schema, defs: Mapping[str, Schema]) -> str:
    """Name a field's type as Go does."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    if "x-go-type" in schema:
        return str(schema["x-go-type"])
    form = schema.get("format", "")
    kind = schema.get("type")
    if kind == "array":
        return f"[]{_go_type(schema.get('items', {}), defs)}"
    if kind == "object":
        entries = schema.get("additionalProperties") or {}
        return f"v1.{schema['title']}" if "title" in schema else f"map[string]{_go_type(entries, defs)}"
    if kind == "integer":
        return str(form or "int64")
    if form == "byte":
        return "[]uint8"
    return {"string": "string", "boolean": "bool", "number": "float64"}.get(str(kind), "interface {}")


def _mismatch(value: Any, go_type: str, field: str, struct: str, *, exact: bool = False) -> TypeMismatch:
    shape = {"boolean": "bool", "integer": "number"}.get(_shape(value), _shape(value))
    if exact:
        shape = f"number {go_json(value)}"
    if not field:
        return TypeMismatch(f"json: cannot unmarshal {shape} into Go value of type {go_type}")
    return TypeMismatch(f"json: cannot unmarshal {shape} into Go struct field {struct}.{field} of type {go_type}")

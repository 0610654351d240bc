"""Decoding by type for built-in kinds: what Go's JSON decoder does with a body and a struct.

Works on the JSON schema of the kind, in place: unknown fields go (and are told), nulls go, a value of the wrong type is
an error in the decoder's words. The schemas are OpenAPI v3 with these conventions: `title` is the Go type's name,
`$ref` is `#/$defs/NAME` of the root schema, `anyOf` holds alternatives of different JSON types, `format` is one of
`byte`, `date-time`, `int32` and `int64`, and a schema without a type takes anything. Beside a schema stand

- `x-go-omitempty`: the field goes where it holds its type's zero value;
- `x-go-zero`: it is written as this value where it is absent, both as Go's encoder does, so that an object leaves as the
  reference would have written it; of an empty list a null, which is what comes back from the reference's storage;
- `x-go-keeps-empty`: but for this one;
- `x-go-json`: its type has JSON of its own: `Quantity`, `IntOrString`, `RawExtension` and `Raw` (anything), `Time`, `MicroTime`;
- `x-go-type`: what Go calls its type, where the schema does not tell;
- `x-go-embedded`: the types through whose embedding it is a field, in the paths of errors.

Closures (watchd.schema.fitting) do it for objects in which all is well. Else the object is walked again here, for the words.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from watchd.schema.fitting import INT_BITS, TIMES, Unfit, fitting, is_struct, keeps_no_empty
from watchd.schema.goscalars import (
    ZERO_TIMES,
    SpelledNumber,
    TypeMismatch,
    canonical_base64,
    canonical_time,
    written_quantity,
)
from watchd.status import go_json

Schema = Mapping[str, Any]


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
    try:
        fitting(schema, schema.get("$defs", {}))(value)
    except Unfit:
        checker = _Checker(schema.get("$defs", {}))
        checker.fit(value, schema, path, path, struct)
        if checker.first is not None:
            raise checker.first from None
        return checker.unknown
    return []


class _PassedOver(TypeMismatch):
    """A mismatch after which Go's decoder goes on: a later one of another sort is told instead of it."""


class _Checker:
    """One walk over one object."""

    def __init__(self, defs: Mapping[str, Schema]) -> None:
        self.defs = defs
        self.unknown: list[str] = []
        self.first: TypeMismatch | None = None
        """The first mismatch that was passed over."""

    def fit(self, value: Any, schema: Schema, path: str, field: str, struct: str) -> Any:
        """Return the value as its field holds it, None for what is passed over.

        `field` is the path without indices, `struct` the type it is in.
        """
        if "anyOf" in schema:
            return self._alternative(value, schema, path, field, struct)
        try:
            return self._fit(value, schema, path, field, struct)
        except _PassedOver as mismatch:
            self.first = self.first or mismatch
            return value

    def _alternative(self, value: Any, schema: Schema, path: str, field: str, struct: str) -> Any:
        """Fit what Go reads with code of its own, which passes nothing over."""
        if self._passed_over(value, schema):
            return None
        earlier, self.first = self.first, None
        fitted = self._fit(value, schema, path, field, struct)
        if self.first is not None:
            raise self.first
        self.first = earlier
        return fitted

    def _fit(self, value: Any, schema: Schema, path: str, field: str, struct: str) -> Any:
        schema = self._resolve(value, schema)
        own = _OWN.get(schema.get("x-go-json", ""))
        kind = schema.get("type")
        if own is not None or kind is None:
            return value if own is None else own(value, field, struct)
        if value is None and kind != "object":
            return _ZERO[kind]() if kind in _ZERO and schema.get("x-go-json") not in TIMES else None
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
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise _mismatch(value, _go_type(schema, self.defs), field, struct)
        if is_struct(schema):
            self._struct(value, schema.get("properties", {}), path, field, schema.get("title", struct))
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
                name = f"{inner['x-go-embedded']}.{key}" if "x-go-embedded" in inner else key
                fitted = self.fit(found, inner, below, f"{field}.{name}" if field else name, title)
                if fitted == [] and keeps_no_empty(inner):
                    fitted = None
                if fitted or (fitted is not None and "x-go-omitempty" not in inner):
                    value[key] = fitted
                elif fitted is None and inner.get("x-go-json") in TIMES and "x-go-omitempty" not in inner:
                    value[key] = None
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


_ZERO: dict[str, Any] = {"string": str, "array": list, "integer": int, "number": int, "boolean": bool}
"""What a null becomes inside a list or a map, where the entry itself stays."""


def _quantity(value: Any, _field: str, _struct: str) -> str:
    return "0" if value is None else written_quantity(value)


def _int_or_string(value: Any, field: str, struct: str) -> Any:
    if value is None:
        return 0
    try:
        return value if isinstance(value, str) else _scalar(value, _INT32, field, struct)
    except _PassedOver as e:
        raise TypeMismatch(str(e)) from None


def _moment(value: Any, field: str, struct: str, *, micro: bool) -> str | None:
    """Return a time as it is written, None for Go's zero time."""
    if not isinstance(value, str):
        raise TypeMismatch(str(_mismatch(value, "string", field, struct)))
    written = canonical_time(value, micro=micro)
    return None if written in ZERO_TIMES else written


def _raw(value: Any, _field: str, _struct: str) -> Any:
    return value


_INT32 = {"type": "integer", "format": "int32"}

_OWN = {"Quantity": _quantity, "IntOrString": _int_or_string, "RawExtension": _raw, "Raw": _raw}
"""How types with JSON of their own are read, by `x-go-json`."""


def _bytes(value: str) -> str:
    try:
        return canonical_base64(value)
    except TypeMismatch as e:
        raise _PassedOver(str(e)) from None


def _scalar(value: Any, schema: Schema, field: str, struct: str) -> Any:
    kind = schema["type"]
    if kind == "string":
        if schema.get("format") == "date-time":
            return _moment(value, field, struct, micro=schema.get("title") == "MicroTime")
        if not isinstance(value, str):
            raise _mismatch(value, _go_type(schema, {}), field, struct)
        return _bytes(value) if schema.get("format") == "byte" else value
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


_OWN_NAMES = {
    "Time": "v1.Time",
    "MicroTime": "v1.MicroTime",
    "Quantity": "resource.Quantity",
    "IntOrString": "intstr.IntOrString",
    "RawExtension": "runtime.RawExtension",
}
"""What Go calls types with JSON of their own, as elements of others."""


def _go_type(schema: Schema, defs: Mapping[str, Schema]) -> str:
    """Name a field's type as Go does."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    told = schema.get("x-go-type") or _OWN_NAMES.get(schema.get("x-go-json", ""))
    if told is not None:
        return str(told)
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


def _mismatch(value: Any, go_type: str, field: str, struct: str, *, exact: bool = False) -> _PassedOver:
    shape = {"boolean": "bool", "integer": "number"}.get(_shape(value), _shape(value))
    if exact:
        shape = f"number {value.digits if isinstance(value, SpelledNumber) else go_json(value)}"
    if not field:
        return _PassedOver(f"json: cannot unmarshal {shape} into Go value of type {go_type}")
    return _PassedOver(f"json: cannot unmarshal {shape} into Go struct field {struct}.{field} of type {go_type}")

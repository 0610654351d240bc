"""What Go's converter of unstructured objects says of a value of another type than its field.

Strategic merge patches go through it in the reference, where other objects go through the JSON decoder (watchd.schema.typed).
It tells no place, stops at the first field in the type's order, and passes over unknown ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchd.schema.fitting import INT_BITS, TIMES, is_struct
from watchd.schema.goscalars import TypeMismatch, canonical_base64, canonical_time, written_quantity
from watchd.status import go_json, json_type

Schema = Mapping[str, Any]

_KINDS: dict[type, str] = {dict: "map", list: "slice", str: "string", bool: "bool", int: "int64", float: "float64"}
_BYTE: Schema = {"type": "integer", "format": "uint8"}
_INT32_BITS = INT_BITS["int32"]


def misfit(value: Any, schema: Schema, defs: Schema) -> str:
    """Return why a value cannot be converted to a Go type; empty where it can."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    if value is None or ("anyOf" in schema and "type" not in schema):
        return ""
    own = schema.get("x-go-json")
    if own is not None:
        return _own(value, own)
    kind = _KINDS[type(value)]
    match schema.get("type"):
        case "object" if is_struct(schema):
            why = _struct(value, schema.get("properties", {}), defs) if kind == "map" else f"cannot restore struct from: {kind}"
        case "object":
            entries = schema.get("additionalProperties") or {}
            why = _all(value.values(), entries, defs) if kind == "map" else f"cannot restore map from {kind}"
        case "array":
            why = _all(value, schema.get("items", {}), defs) if kind == "slice" else f"cannot restore slice from {kind}"
        case None:
            why = ""
        case _:
            why = _scalar(value, kind, schema)
    return why


def _struct(value: Mapping[str, Any], properties: Schema, defs: Schema) -> str:
    return next((why for name, inner in properties.items() if name in value and (why := misfit(value[name], inner, defs))), "")


def _all(values: Any, schema: Schema, defs: Schema) -> str:
    return next((why for value in values if (why := misfit(value, schema, defs))), "")


def _own(value: Any, own: str) -> str:
    """Say what the type's own reading of JSON says."""
    try:
        if own == "Quantity":
            written_quantity(value)
        elif own in TIMES:
            if not isinstance(value, str):
                return f"json: cannot unmarshal {json_type(value)} into Go value of type string"
            canonical_time(value, micro=own == "MicroTime")
        elif own == "IntOrString" and not isinstance(value, str):
            return _int32(value)
    except TypeMismatch as e:
        return str(e)
    return ""


def _int32(value: Any) -> str:
    if type(value) not in (int, float):
        return f"json: cannot unmarshal {json_type(value)} into Go value of type int32"
    half = 1 << (_INT32_BITS - 1)
    if type(value) is float or not -half <= value < half:
        return f"json: cannot unmarshal number {go_json(value)} into Go value of type int32"
    return ""


def _scalar(value: Any, kind: str, schema: Schema) -> str:
    wanted = schema["type"]
    if wanted == "string" and schema.get("format") == "byte":
        return _bytes(value, kind)
    fits: dict[str, tuple[str, ...]] = {"string": ("string",), "boolean": ("bool",), "number": ("int64", "float64"), "integer": ("int64",)}
    if kind in fits[wanted] or (wanted == "integer" and kind == "float64" and value.is_integer()):
        return ""
    go_kind = {"string": "string", "boolean": "bool", "number": "float64"}.get(wanted) or schema.get("format", "int64")
    if (wanted, kind) in (("string", "int64"), ("integer", "float64")):
        return f"cannot convert {kind} to {schema.get('x-go-type', go_kind)}"
    return f"unrecognized type: {go_kind}"


def _bytes(value: Any, kind: str) -> str:
    if kind == "slice":
        # Numbers would do for bytes.
        return next((why for item in value if item is not None and (why := _scalar(item, _KINDS[type(item)], _BYTE))), "")
    if kind != "string":
        return f"cannot restore slice from {kind}"
    try:
        canonical_base64(value)
    except TypeMismatch as e:
        return f"error decoding from json: {e}"
    return ""

"""What is wrong with single schemas of a definition, wherever they stand in the tree (FEATURES rows 113 to 122).

The order and the texts are those of apiextensions-apiserver's pkg/apis/apiextensions/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchd.crd import internal
from watchd.crd.faults import forbidden, invalid, not_supported, required
from watchd.schema.extensions import EMBEDDED, LIST_MAP_KEYS, LIST_TYPE, MAP_TYPE, PRESERVE
from watchd.status import FieldError

Schema = Mapping[str, Any]

TYPES = ("array", "boolean", "integer", "number", "object", "string")


def check_fields(
    schema: Schema, path: str, out: list[FieldError], *, inside_meta: bool = False, no_default: str | None = None
) -> None:
    """Check which fields a schema has.

    Args:
        schema: one of a definition.
        path: of the schema.
        out: takes the faults.
        inside_meta: whether it is below apiVersion, kind or metadata of an object.
        no_default: why it may have no default, None where it may.

    """
    kind = schema.get("type")
    if kind and kind not in TYPES:
        out.append(not_supported(f"{path}.type", kind, TYPES))
    if "default" in schema and no_default is not None:
        out.append(forbidden(f"{path}.default", f"must not be set {no_default}"))
    strangers = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
    out.extend(forbidden(f"{path}.{name}", f"{name} is not supported") for name in strangers if name in schema)
    if kind == "null":
        out.append(forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative"))
    if isinstance(schema.get("items"), list) and schema["items"]:
        out.append(forbidden(f"{path}.items", "items must be a schema object and not an array"))
    if inside_meta and schema.get(EMBEDDED):
        out.append(forbidden(f"{path}.{EMBEDDED}", "must not be used inside of resource meta"))
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        out.append(forbidden(f"{path}.uniqueItems", why))
    if schema.get("properties") and schema.get("additionalProperties", True) is not True:
        out.append(forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive"))


def check_extensions(schema: Schema, path: str, out: list[FieldError]) -> None:
    """Check what a schema says of unknown fields, and of how its lists and maps are merged."""
    kind, map_type = schema.get("type"), schema.get(MAP_TYPE)
    if schema.get(PRESERVE) is False:
        out.append(invalid(f"{path}.{PRESERVE}", value=False, why="must be true or undefined"))
    if map_type is not None:
        if kind != "object":
            out.append(_wrong_type(kind, path, f"must be object if {MAP_TYPE} is specified"))
        if map_type not in {"atomic", "granular"}:
            out.append(not_supported(f"{path}.{MAP_TYPE}", map_type, ("atomic", "granular")))
    list_type = schema.get(LIST_TYPE)
    if list_type is not None or schema.get(LIST_MAP_KEYS):
        _check_list(schema, list_type, path, out)


def _check_list(schema: Schema, list_type: str | None, path: str, out: list[FieldError]) -> None:
    kind = schema.get("type")
    if list_type is not None:
        if kind != "array":
            out.append(_wrong_type(kind, path, f"must be array if {LIST_TYPE} is specified"))
        elif list_type == "set" and isinstance(schema.get("items"), Mapping):
            _check_set(schema["items"], path, out)
        if list_type not in {"atomic", "set", "map"}:
            out.append(not_supported(f"{path}.{LIST_TYPE}", list_type, ("atomic", "set", "map")))
    if schema.get(LIST_MAP_KEYS) and list_type != "map":
        why = f"must be map if {LIST_MAP_KEYS} is non-empty"
        at = f"{path}.{LIST_TYPE}"
        out.append(required(at, why) if list_type is None else invalid(at, list_type, why))
    if list_type == "map":
        _check_map(schema, path, out)
    if list_type in {"set", "map"} and isinstance(schema.get("items"), Mapping):
        _check_entries(schema, schema["items"], path, out)


def _wrong_type(kind: str | None, path: str, why: str) -> FieldError:
    return invalid(f"{path}.type", kind, why) if kind else required(f"{path}.type", why)


def _check_set(items: Schema, path: str, out: list[FieldError]) -> None:
    """Check that the entries of a set are compared as wholes."""
    why = f"must be atomic as item of a list with {LIST_TYPE}=set"
    inner = items.get(LIST_TYPE)
    if items.get("type") == "array" and inner not in {None, "atomic"}:
        out.append(invalid(f"{path}.items.{LIST_TYPE}", inner, why))
    if items.get("type") == "object" and items.get(MAP_TYPE) != "atomic":
        # The reference quotes the list type here.
        out.append(invalid(f"{path}.items.{MAP_TYPE}", inner, why))


def _check_map(schema: Schema, path: str, out: list[FieldError]) -> None:
    """Check that the keys of a list of type map are scalar fields of its entries."""
    keys, items = schema.get(LIST_MAP_KEYS) or [], schema.get("items")
    if not keys:
        out.append(required(f"{path}.{LIST_MAP_KEYS}", f"must not be empty if {LIST_TYPE} is map"))
    if items is None:
        out.append(required(f"{path}.items", f"must have a schema if {LIST_TYPE} is map"))
        return
    if isinstance(items, list):
        text = internal.schema_or_list(items)
        why = f"must only have a single schema if {LIST_TYPE} is map"
        out.append(invalid(f"{path}.items", text, why))
        return
    if items.get("type") != "object":
        why = f"must be object if parent array's {LIST_TYPE} is map"
        out.append(invalid(f"{path}.items.type", items.get("type", ""), why))
        return
    fields = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in fields:
            out.append(invalid(f"{path}.{LIST_MAP_KEYS}", keys, "entries must all be names of item properties"))
        elif fields[key].get("type") in {"array", "object"}:
            why = f"must be a scalar type if parent array's {LIST_TYPE} is map"
            out.append(invalid(f"{path}.items.properties[{key}].type", items["type"], why))
        if key in keys[:index]:
            out.append(invalid(f"{path}.{LIST_MAP_KEYS}", keys, "must not contain duplicate entries"))


def _check_entries(schema: Schema, items: Schema, path: str, out: list[FieldError]) -> None:
    """Check that entries that are told apart are there, and so are their keys."""
    list_type = schema[LIST_TYPE]
    if items.get("nullable"):
        out.append(forbidden(f"{path}.items.nullable", f"cannot be nullable when {LIST_TYPE} is {list_type}"))
    if list_type != "map":
        return
    fields, needed = items.get("properties") or {}, items.get("required") or ()
    for key in schema.get(LIST_MAP_KEYS) or ():
        field = fields.get(key)
        if field is None:
            continue
        at, why = f"{path}.items.properties[{key}]", f"this property is in {LIST_MAP_KEYS}, so it"
        if key not in needed and "default" not in field:
            out.append(required(f"{at}.default", f"{why} must have a default or be a required property"))
        if field.get("nullable"):
            out.append(forbidden(f"{at}.nullable", f"{why} cannot be nullable"))

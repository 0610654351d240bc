"""What is wrong with single schemas of a definition, wherever they stand in the tree (FEATURES rows 113 to 122).

The order and the texts are those of apiextensions-apiserver's pkg/apis/apiextensions/validation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from watchd.crd import internal
from watchd.crd.faults import forbidden, invalid, not_supported, required
from watchd.crd.fieldpaths import BadPath, resolve
from watchd.crd.internal import Quoting
from watchd.schema.structural import EMBEDDED, LIST_MAP_KEYS, LIST_TYPE, MAP_TYPE, PRESERVE, VALIDATIONS
from watchd.status import FieldError, FieldProblem

Schema = Mapping[str, Any]

TYPES = ("array", "boolean", "integer", "number", "object", "string")

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
"""What a rule may give as its reason."""

_LINE_BREAK = re.compile(r"[\n\r]")


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
        out.append(Quoting(FieldProblem.INVALID, f"{path}.items", text, why))
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


def check_rules(schema: Schema, path: str, out: list[FieldError]) -> None:
    """Check the fields of rules, but for the expressions themselves."""
    for index, rule in enumerate(schema[VALIDATIONS]):
        at = f"{path}.{VALIDATIONS}[{index}]"
        text, message = rule.get("rule", ""), rule.get("message") or ""
        if not text.strip():
            out.append(required(f"{at}.rule", "rule is not specified"))
        elif message and not message.strip():
            out.append(invalid(f"{at}.message", message, "must be non-empty if specified"))
        elif _LINE_BREAK.search(message.strip()):
            out.append(invalid(f"{at}.message", message, "must not contain line breaks"))
        elif _LINE_BREAK.search(text.strip()) and not message.strip():
            out.append(required(f"{at}.message", "message must be specified if rule contains line breaks"))
        expression, reason = rule.get("messageExpression") or "", rule.get("reason")
        if expression and not expression.strip():
            out.append(required(f"{at}.messageExpression", "messageExpression must be non-empty if specified"))
        if reason is not None and reason not in REASONS:
            out.append(not_supported(f"{at}.reason", reason, REASONS))
        if rule.get("fieldPath"):
            _check_field_path(rule["fieldPath"], schema, f"{at}.fieldPath", out)


def _check_field_path(field_path: str, schema: Schema, path: str, out: list[FieldError]) -> None:
    if not field_path.strip():
        out.append(invalid(path, field_path, "must be non-empty if specified"))
    if _LINE_BREAK.search(field_path):
        out.append(invalid(path, field_path, "must not contain line breaks"))
    try:
        resolve(field_path, schema)
    except BadPath:
        out.append(invalid(path, field_path, "must be a valid path"))



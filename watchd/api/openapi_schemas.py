"""The schemas that OpenAPI documents have of a kind: those of custom kinds made of their definitions.

What is published of a definition's schema, and what version 2 leaves out for kubectl's sake, are the reference's rules
(apiextensions-apiserver pkg/apiserver/schema/kubeopenapi.go and unfold.go, pkg/controller/openapi/v2 and builder).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from watchd.api.openapi_operations import META, list_schema_name, schema_name
from watchd.registry.kind import Kind, Version
from watchd.registry.schemas import REF, component, published
from watchd.schema.extensions import EMBEDDED, INT_OR_STRING, LIST_MAP_KEYS, LIST_TYPE, MAP_TYPE, PRESERVE, VALIDATIONS

REF_V2 = "#/definitions/"
CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
GVK = "x-kubernetes-group-version-kind"
SELECTABLE = "x-kubernetes-selectable-fields"

Object = dict[str, Any]

_API_VERSION = {
    "description": "APIVersion defines the versioned schema of this representation of an object. Servers should convert "
    "recognized schemas to the latest internal value, and may reject unrecognized values. More info: "
    f"{CONVENTIONS}#resources",
    "type": "string",
}
_KIND = {
    "description": "Kind is a string value representing the REST resource this object represents. Servers may infer this "
    "from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: "
    f"{CONVENTIONS}#types-kinds",
    "type": "string",
}
_EMBEDDED_API_VERSION = {
    "description": "apiVersion defines the versioned schema of this representation of an object. More info: "
    f"{CONVENTIONS}#resources",
    "type": "string",
}
_EMBEDDED_KIND = {
    "description": "kind is a string value representing the type of this object. In CamelCase. More info: "
    f"{CONVENTIONS}#types-kinds",
    "type": "string",
}
_METADATA = {
    "description": f"Standard object's metadata. More info: {CONVENTIONS}#metadata",
    "allOf": [{"$ref": f"{REF}{META}.ObjectMeta"}],
}
_LIST_METADATA = {
    "description": f"Standard list metadata. More info: {CONVENTIONS}#types-kinds",
    "allOf": [{"$ref": f"{REF}{META}.ListMeta"}],
}

_TEXTS = ("description", "type", "format", "title", "pattern")
"""Published unless empty."""

_NUMBERS = (
    "maximum",
    "minimum",
    "maxLength",
    "minLength",
    "maxItems",
    "minItems",
    "multipleOf",
    "maxProperties",
    "minProperties",
    LIST_TYPE,
    MAP_TYPE,
)
"""Published where given, zero too."""

_SWITCHES = ("exclusiveMaximum", "exclusiveMinimum", "uniqueItems", PRESERVE, EMBEDDED, INT_OR_STRING)
"""Published where true."""

_LISTS = ("required", "enum", LIST_MAP_KEYS, VALIDATIONS)
"""Published unless empty."""

_VALUES = ("default", "example")
"""Published unless null."""

_JUNCTORS = ("allOf", "anyOf", "oneOf")

_INTEGER_OR_STRING = [{"type": "integer"}, {"type": "string"}]


@cache
def meta() -> Object:
    """Return the shared schemas and the descriptions of parameters. Not to be changed."""
    data: Object = msgspec.json.decode(files("watchd.api").joinpath("openapi_meta.json").read_bytes())
    return data


def schemas_v3(kind: Kind, version: Version) -> dict[str, Object]:
    """Return the v3 schemas of a kind and its list, by name, without what they refer to."""
    name = schema_name(kind, version.name)
    if not kind.custom and component(name) is not None:
        own = published(name)
    elif isinstance(version.schema, Mapping):
        own = _root(_structural(version.schema))
    else:
        # No properties at all: kubectl would take those that are missing for forbidden ones.
        own = {"type": "object"}
    return _with_list(kind, version, own)


def schemas_v2(kind: Kind, version: Version) -> dict[str, Object]:
    """Return the v2 schemas of a kind and its list, by name, without what they refer to."""
    name, schema = schema_name(kind, version.name), version.schema
    if not kind.custom and component(name) is not None:
        own = published(name)
    elif isinstance(schema, Mapping) and schema.get(PRESERVE) is not True:
        own = _root(_structural_v2(schema), unknown=False)
    else:
        # Not even what every object has: kubectl would refuse all the rest.
        own = {"type": "object"}
    return {name: shared_v2(found) for name, found in _with_list(kind, version, own).items()}


def _with_list(kind: Kind, version: Version, own: Object) -> dict[str, Object]:
    names = kind.names
    name, group_version = schema_name(kind, version.name), {"group": kind.group, "version": version.name}
    more = {SELECTABLE: [{"fieldPath": path} for path in version.selectable_fields]} if version.selectable_fields else {}
    listed = {
        "description": f"{names.list_kind} is a list of {names.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": _API_VERSION,
            "items": {
                "description": f"List of {names.plural}. More info: {CONVENTIONS}",
                "type": "array",
                "items": {"$ref": REF + name},
            },
            "kind": _KIND,
            "metadata": _LIST_METADATA,
        },
        GVK: [{**group_version, "kind": names.list_kind}],
        **more,
    }
    own = {**own, GVK: [{**group_version, "kind": names.kind}], **more}
    if "list" not in kind.verbs:
        return {name: own}
    return {name: own, list_schema_name(kind, version.name): listed}


def _root(out: Object, *, unknown: bool = True) -> Object:
    """Add what every object has, and every object within it.

    Where `unknown` is not set, embedded objects that may have unknown fields get nothing: kubectl would refuse those.
    """
    out["properties"] = {**out.get("properties", {}), "apiVersion": _API_VERSION, "kind": _KIND, "metadata": _METADATA}
    stack = [out]
    while stack:
        node = stack.pop()
        below = [*node.get("properties", {}).values(), node.get("items"), node.get("additionalProperties")]
        stack += [schema for schema in below if isinstance(schema, dict)]
        if EMBEDDED in node and (unknown or PRESERVE not in node):
            node["properties"] = {
                **node.get("properties", {}),
                "apiVersion": _EMBEDDED_API_VERSION,
                "kind": _EMBEDDED_KIND,
                "metadata": _METADATA,
            }
            required = node.get("required", [])
            node["required"] = [*required, *(name for name in ("kind", "apiVersion") if name not in required)]
    return out


def _values(node: Mapping[str, Any]) -> Object:
    """Copy what a schema says of a value by itself."""
    out: Object = {}
    for key in (*_TEXTS, *_LISTS):
        if node.get(key):
            out[key] = node[key]
    for key in (*_NUMBERS, *_VALUES):
        if node.get(key) is not None:
            out[key] = node[key]
    for key in _SWITCHES:
        if node.get(key) is True:
            out[key] = True
    docs = {key: text for key, text in (node.get("externalDocs") or {}).items() if text}
    return {**out, "externalDocs": docs} if docs else out


def _structural(node: Mapping[str, Any]) -> Object:
    """Write a structural schema as v3 has it."""
    out = _values(node)
    if node.get("nullable") is True:
        out["nullable"] = True
    if node.get("properties"):
        out["properties"] = {name: _structural(schema) for name, schema in node["properties"].items()}
    if isinstance(node.get("items"), Mapping):
        out["items"] = _structural(node["items"])
    additional = node.get("additionalProperties")
    if additional is not None:
        out["additionalProperties"] = _structural(additional) if isinstance(additional, Mapping) else additional
    _add_junctors(node, out)
    return _unfolded(out) if INT_OR_STRING in out else out


def _add_junctors(node: Mapping[str, Any], out: Object) -> None:
    for key in _JUNCTORS:
        if node.get(key):
            out[key] = [_nested(schema) for schema in node[key]]
    if node.get("not") is not None:
        out["not"] = _nested(node["not"])


def _nested(node: Mapping[str, Any]) -> Object:
    """Write a schema within a junctor, whose additionalProperties the reference does not publish."""
    out = _values(node)
    if node.get("properties"):
        out["properties"] = {name: _nested(schema) for name, schema in node["properties"].items()}
    if isinstance(node.get("items"), Mapping):
        out["items"] = _nested(node["items"])
    _add_junctors(node, out)
    return out


def _unfolded(out: Object) -> Object:
    """Say in plain OpenAPI that a value is an integer or a string, unless the schema says so already."""
    any_of, all_of = out.get("anyOf"), out.get("allOf") or []
    if any_of == _INTEGER_OR_STRING or (all_of and all_of[0].get("anyOf") == _INTEGER_OR_STRING):
        return out
    if any_of is None:
        return {**out, "anyOf": _INTEGER_OR_STRING}
    return {**out, "allOf": [{"anyOf": _INTEGER_OR_STRING}, *all_of]}


def _structural_v2(node: Mapping[str, Any]) -> Object:
    """Write a structural schema as v2 has it: without junctors, defaults and null, and lenient where those matter.

    kubectl takes a type, `items` or `properties` for all there may be, so they go where null or unknown fields may be.
    """
    nullable, preserve = node.get("nullable") is True, node.get(PRESERVE) is True
    open_ended = nullable or preserve
    properties = {} if open_ended else node.get("properties") or {}
    items = None if open_ended else node.get("items")
    additional = node.get("additionalProperties")
    out = _values(node)
    out.pop("default", None)
    kind = out.get("type")
    if nullable or (kind == "array" and items is None) or (preserve and kind == "object"):
        out.pop("type", None)
    if properties:
        out["properties"] = {name: _structural_v2(schema) for name, schema in properties.items()}
    if isinstance(items, Mapping):
        out["items"] = _structural_v2(items)
    if additional is not None:
        out["additionalProperties"] = _structural_v2(additional) if isinstance(additional, Mapping) else additional
    required = [name for name in out.pop("required", ()) if (properties.get(name) or {}).get("nullable") is not True]
    if required and not (isinstance(additional, Mapping) and additional.get("nullable") is True):
        out["required"] = required
    return out


# What is shared


def shared_v2(node: Any) -> Any:
    """Write one of the package's own schemas as v2 has it: plain references, no defaults."""
    if not isinstance(node, dict):
        return node
    out: Object = {}
    for key, value in node.items():
        if key == "$ref":
            out[key] = REF_V2 + str(value).removeprefix(REF)
        elif key == "allOf" and isinstance(value[0].get("$ref"), str):
            out["$ref"] = REF_V2 + value[0]["$ref"].removeprefix(REF)
        elif key == "properties":
            out[key] = {name: shared_v2(below) for name, below in value.items()}
        elif key in ("items", "additionalProperties"):
            out[key] = shared_v2(value)
        elif key not in ("default", "nullable", *_JUNCTORS, "not"):
            out[key] = value
    return out


def _shared(name: str) -> Object | None:
    """Return a shared schema in its v3 form, or None for a name that only looks like one (a default's text)."""
    found: Object | None = meta()["schemas"].get(name)
    if found is None and component(name) is not None:
        found = published(name)
    return found


def shared_schemas(roots: Iterable[str]) -> dict[str, Object]:
    """Return the schemas of these names that come with the package and all that those refer to, in the v3 form."""
    out: dict[str, Object] = {}
    wanted = set(roots)
    while wanted:
        name = wanted.pop()
        schema = _shared(name)
        if schema is not None:
            out[name] = schema
            wanted |= set(references(schema)) - out.keys()
    return out


def references(node: Any) -> Iterator[str]:
    """Yield the names of all schemas that a v3 schema refers to."""
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, dict):
            reference = here.get("$ref")
            if isinstance(reference, str) and reference.startswith(REF):
                yield reference.removeprefix(REF)
            stack += here.values()
        elif isinstance(here, list):
            stack += here

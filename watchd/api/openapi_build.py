"""OpenAPI documents made from kinds: v3 for one group version, v2 for all (FEATURES rows 98 to 100).

One description of each operation is written in both dialects. Names, operationIds and what v2 leaves out are the
reference's: kubectl finds its schemas, and whether a server knows dryRun and fieldValidation, by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import attrs
import msgspec

from conversion.codec import CBOR, JSON, YAML
from conversion.gvk import GroupVersion
from watchd.api.discovery import Subresource, subresources_of
from watchd.api.patch import PatchType
from watchd.api.version import MAJOR, MINOR
from watchd.registry.kind import Kind, Version
from watchd.registry.schemas import REF, components, published

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
REF_V2 = "#/definitions/"
SCALE = "io.k8s.api.autoscaling.v1.Scale"
CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"

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
_METADATA = {
    "description": f"Standard object's metadata. More info: {CONVENTIONS}#metadata",
    "allOf": [{"$ref": f"{REF}{META}.ObjectMeta"}],
}
_LIST_METADATA = {
    "description": f"Standard list metadata. More info: {CONVENTIONS}#types-kinds",
    "allOf": [{"$ref": f"{REF}{META}.ListMeta"}],
}

_LIST = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")

_PRODUCED = (JSON, YAML, CBOR)
_CONSUMED = (JSON, YAML)
_PATCHES = (PatchType.APPLY_YAML, PatchType.JSON, PatchType.MERGE)

_UNSUPPORTED_V2 = frozenset({"default", "nullable", "allOf", "anyOf", "oneOf", "not"})
"""What OpenAPI v2, or kubectl reading it, does not know."""

_UNTYPED_V2 = frozenset({"type", "items", "properties"})
"""What goes too where null or unknown fields are allowed: kubectl would refuse them."""


@cache
def meta() -> Object:
    """Return the shared schemas and the descriptions of parameters. Not to be changed."""
    data: Object = msgspec.json.decode(files("watchd.api").joinpath("openapi_meta.json").read_bytes())
    return data


@attrs.frozen
class Operation:
    """One method of one path."""

    path: str
    method: str
    id: str
    action: str
    """list, get, post, put, patch, delete, deletecollection."""
    description: str
    gvk: Object
    answer: str
    """Name of the answer's schema."""
    parameters: tuple[str, ...] = ()
    """In the query."""
    body: str = ""
    """Name of the body's schema."""


def camel(text: str) -> str:
    """Join what is between other characters than letters and digits, each part with a capital."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", text))


def group_name(group: str) -> str:
    """Return a group as operationIds have it: `Core`, `Apps`, `DiscoveryExampleCom`."""
    return camel(group.removesuffix(".k8s.io")) if group else "Core"


def schema_name(kind: Kind, version: str) -> str:
    """Return the name of a kind's schema: the group's labels backwards, or where the reference has its Go package."""
    if kind.custom:
        return ".".join([*reversed(kind.group.split(".")), version, kind.names.kind])
    first = kind.group.partition(".")[0] or "core"
    own = f"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind.names.kind}"
    return own if first == "apiextensions" else f"io.k8s.api.{first}.{version}.{kind.names.kind}"


def operations(kind: Kind, version: Version) -> Iterator[Operation]:
    """Describe all operations of a kind at a version."""
    return _Operations(kind, version).all()


class _Operations:
    """The operations of one kind at one version."""

    def __init__(self, kind: Kind, version: Version) -> None:
        group_version = GroupVersion(kind.group, version.name)
        root = f"/apis/{group_version}" if kind.group else f"/api/{group_version}"
        self._kind = kind
        self._version = version
        self._all = f"{root}/{kind.names.plural}"
        self._collection = f"{root}/namespaces/{{namespace}}/{kind.names.plural}" if kind.namespaced else self._all
        self._prefix = group_name(kind.group) + camel(version.name)
        self._name = ("Namespaced" if kind.namespaced else "") + kind.names.kind
        self._schema = schema_name(kind, version.name)
        self._gvk = {"group": kind.group, "version": version.name, "kind": kind.names.kind}

    def _operation(self, path: str, method: str, verb: str, action: str, what: str, **rest: Any) -> Operation:
        name = rest.pop("name", self._name)
        rest.setdefault("answer", self._schema)
        return Operation(path, method, f"{verb}{self._prefix}{name}", action, what, rest.pop("gvk", self._gvk), **rest)

    def all(self) -> Iterator[Operation]:
        """Describe them: the collection's, the object's, the subresources'."""
        has = self._kind.verbs.__contains__
        yield from self._of_collection()
        one, kind = f"{self._collection}/{{name}}", self._kind.names.kind
        if has("get"):
            yield self._operation(one, "get", "read", "get", f"read the specified {kind}", parameters=("resourceVersion",))
        if has("update"):
            what = f"replace the specified {kind}"
            yield self._operation(one, "put", "replace", "put", what, parameters=_WRITE, body=self._schema)
        if has("delete"):
            yield self._operation(
                one,
                "delete",
                "delete",
                "delete",
                f"delete {_article(kind)} {kind}",
                parameters=_DELETE,
                body=f"{META}.DeleteOptions",
                answer=f"{META}.Status",
            )
        if has("patch"):
            what = f"partially update the specified {kind}"
            yield self._operation(one, "patch", "patch", "patch", what, parameters=(*_WRITE, "force"), body=f"{META}.Patch")
        for sub in subresources_of(self._kind, self._version):
            yield from self._of_subresource(sub)

    def _of_collection(self) -> Iterator[Operation]:
        names, has = self._kind.names, self._kind.verbs.__contains__
        listed = f"{self._schema}List"
        if has("list"):
            what = f"list objects of kind {names.kind}"
            yield self._operation(self._collection, "get", "list", "list", what, parameters=_LIST, answer=listed)
            if self._kind.namespaced:
                name = f"{names.kind}ForAllNamespaces"
                yield self._operation(self._all, "get", "list", "list", what, parameters=_LIST, answer=listed, name=name)
        if has("create"):
            what = f"create {_article(names.kind)} {names.kind}"
            yield self._operation(self._collection, "post", "create", "post", what, parameters=_WRITE, body=self._schema)
        if has("deletecollection"):
            yield self._operation(
                self._collection,
                "delete",
                "delete",
                "deletecollection",
                f"delete collection of {names.kind}",
                parameters=(*_DELETE, *_LIST),
                body=f"{META}.DeleteOptions",
                answer=f"{META}.Status",
                name=f"Collection{self._name}",
            )

    def _of_subresource(self, sub: Subresource) -> Iterator[Operation]:
        path = f"{self._collection}/{{name}}/{sub.name}"
        name = self._name + camel(sub.name)
        gvk, schema = self._gvk, self._schema
        if sub.name == "scale":
            gvk, schema = {"group": sub.group, "version": sub.version, "kind": sub.kind}, SCALE
        given = {"gvk": gvk, "answer": schema, "name": name}
        what = f"{sub.name} of the specified {self._kind.names.kind}"
        if "get" in sub.verbs:
            yield self._operation(path, "get", "read", "get", f"read {what}", parameters=("resourceVersion",), **given)
        if "update" in sub.verbs:
            yield self._operation(path, "put", "replace", "put", f"replace {what}", parameters=_WRITE, body=schema, **given)
        if "patch" in sub.verbs:
            parameters = (*_WRITE, "force")
            what = f"partially update {what}"
            yield self._operation(path, "patch", "patch", "patch", what, parameters=parameters, body=f"{META}.Patch", **given)


def _article(word: str) -> str:
    return "an" if word[:1] in "AEIOU" else "a"


# Schemas


def schemas_of(kind: Kind, version: Version) -> dict[str, Object]:
    """Return the v3 schemas of a kind and its list, by name, without what they refer to."""
    name, names = schema_name(kind, version.name), kind.names
    ids = {"group": kind.group, "version": version.name}
    own = published(name) if not kind.custom and name in components() else _own_schema(version.schema)
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
        "x-kubernetes-group-version-kind": [{**ids, "kind": names.list_kind}],
    }
    return {name: {**own, "x-kubernetes-group-version-kind": [{**ids, "kind": names.kind}]}, f"{name}List": listed}


def _own_schema(schema: Any) -> Object:
    """Return a definition's schema with what every object has."""
    if not isinstance(schema, dict):
        # No properties at all: kubectl would take those that are missing for forbidden ones.
        return {"type": "object"}
    out: Object = _embedding(schema)
    out["properties"] = {**out.get("properties", {}), "apiVersion": _API_VERSION, "kind": _KIND, "metadata": _METADATA}
    return out


def _embedding(node: Any) -> Any:
    """Copy a schema; objects within the object get apiVersion, kind and metadata."""
    if isinstance(node, list):
        return [_embedding(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        # Values and names of fields are no schemas.
        out[key] = value if key in ("default", "enum", "example") else _embedding(value)
    if node.get("x-kubernetes-embedded-resource") is True:
        properties = out.get("properties", {})
        out["properties"] = {**properties, "apiVersion": _API_VERSION, "kind": _KIND, "metadata": _METADATA}
    return out


def _schema_of(name: str) -> Object | None:
    """Return a shared schema in its v3 form, or None for a name that only looks like one (a default's text)."""
    shared: dict[str, Object] = meta()["schemas"]
    if name in shared:
        return shared[name]
    return published(name) if name in components() else None


def _with_references(schemas: dict[str, Object], roots: Iterable[str]) -> dict[str, Object]:
    """Add what is referred to, by schemas and by operations; sorted by name."""
    out = dict(schemas)
    wanted = {*roots, *(name for schema in schemas.values() for name in _references(schema))} - out.keys()
    while wanted:
        name = wanted.pop()
        schema = _schema_of(name)
        if schema is not None:
            out[name] = schema
            wanted |= set(_references(schema)) - out.keys()
    return dict(sorted(out.items()))


def _references(node: Any) -> Iterator[str]:
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


# Version 3


def document_v3(served: Sequence[tuple[Kind, Version]]) -> Object:
    """Make the document of one group version."""
    schemas: dict[str, Object] = {}
    paths: dict[str, Object] = {}
    roots: set[str] = set()
    for kind, version in served:
        schemas |= schemas_of(kind, version)
        for operation in operations(kind, version):
            path = paths.setdefault(operation.path, {"parameters": [_parameter_v3(*p) for p in _in_path(operation.path)]})
            path[operation.method] = _operation_v3(operation)
            roots |= {operation.answer, operation.body} - {""}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": f"v{MAJOR}.{MINOR}.0"},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": _with_references(schemas, roots)},
    }


def _in_path(path: str) -> list[tuple[str, str]]:
    named = [(name, "path") for name in ("name", "namespace") if f"{{{name}}}" in path]
    return [*named, ("pretty", "query")]


def _parameter_v3(name: str, place: str) -> Object:
    known = meta()["parameters"][name]
    out: Object = {
        "name": name,
        "in": place,
        "description": known["description"],
        "schema": {"type": known["type"], "uniqueItems": True},
    }
    return {**out, "required": True} if place == "path" else out


def _content_v3(media_types: Iterable[str], schema: str) -> Object:
    return {str(media_type): {"schema": {"$ref": REF + schema}} for media_type in media_types}


def _consumed(operation: Operation) -> tuple[str, ...]:
    return _PATCHES if operation.action == "patch" else _CONSUMED


def _codes(operation: Operation) -> dict[str, str]:
    codes = {"200": "OK"}
    if operation.action in ("post", "put", "patch"):
        codes["201"] = "Created"
    if operation.action in ("post", "delete"):
        codes["202"] = "Accepted"
    return codes


def _operation_v3(operation: Operation) -> Object:
    answer = _content_v3(_PRODUCED, operation.answer)
    responses: Object = {code: {"description": text, "content": answer} for code, text in _codes(operation).items()}
    out: Object = {
        "tags": [_tag(operation)],
        "description": operation.description,
        "operationId": operation.id,
        "parameters": [_parameter_v3(name, "query") for name in sorted(set(operation.parameters))],
    }
    if operation.body:
        out["requestBody"] = {"content": _content_v3(_consumed(operation), operation.body)}
        if not operation.action.startswith("delete"):
            out["requestBody"]["required"] = True
    out["responses"] = {**responses, "401": {"description": "Unauthorized"}}
    return {**out, "x-kubernetes-action": operation.action, "x-kubernetes-group-version-kind": operation.gvk}


def _tag(operation: Operation) -> str:
    parts = operation.path.split("/")
    group, version = (parts[2], parts[3]) if parts[1] == "apis" else ("", parts[2])
    name = group_name(group)
    return f"{name[:1].lower()}{name[1:]}_{version}"


# Version 2


def document_v2(served: Sequence[tuple[Kind, Version]]) -> Object:
    """Make the one document of all group versions."""
    schemas: dict[str, Object] = {}
    paths: dict[str, Object] = {}
    roots: set[str] = set()
    for kind, version in served:
        schemas |= schemas_of(kind, version)
        for operation in operations(kind, version):
            path = paths.setdefault(operation.path, {"parameters": [_parameter_v2(*p) for p in _in_path(operation.path)]})
            path[operation.method] = _operation_v2(operation)
            roots |= {operation.answer, operation.body} - {""}
    definitions = {name: _root_v2(schema) for name, schema in _with_references(schemas, roots).items()}
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": f"v{MAJOR}.{MINOR}.0"},
        "paths": dict(sorted(paths.items())),
        "definitions": definitions,
    }


def _root_v2(schema: Object) -> Object:
    if schema.get("x-kubernetes-preserve-unknown-fields") is True:
        ids = "x-kubernetes-group-version-kind"
        return {"type": "object", **({ids: schema[ids]} if ids in schema else {})}
    out: Object = _schema_v2(schema)
    return out


def _schema_v2(node: Any) -> Any:
    """Write a v3 schema as v2: references in its form, without what it or kubectl does not know."""
    if not isinstance(node, dict):
        return node
    wrapped = node.get("allOf")
    if isinstance(wrapped, list) and len(wrapped) == 1 and isinstance(wrapped[0], dict) and "$ref" in wrapped[0]:
        node = {**node, "$ref": wrapped[0]["$ref"]}
    dropped = _UNSUPPORTED_V2
    if node.get("nullable") is True or node.get("x-kubernetes-preserve-unknown-fields") is True:
        dropped = dropped | _UNTYPED_V2
    out: Object = {}
    for key, value in node.items():
        if key in dropped:
            continue
        if key == "$ref":
            out[key] = REF_V2 + str(value).removeprefix(REF)
        elif key == "properties":
            out[key] = {name: _schema_v2(below) for name, below in value.items()}
        elif key in ("items", "additionalProperties"):
            out[key] = _schema_v2(value)
        else:
            out[key] = value
    return out


def _parameter_v2(name: str, place: str) -> Object:
    known = meta()["parameters"][name]
    out: Object = {"name": name, "in": place, "description": known["description"], "type": known["type"], "uniqueItems": True}
    return {**out, "required": True} if place == "path" else out


def _operation_v2(operation: Operation) -> Object:
    answer = {"$ref": REF_V2 + operation.answer}
    responses: Object = {code: {"description": text, "schema": answer} for code, text in _codes(operation).items()}
    parameters = [_parameter_v2(name, "query") for name in sorted(set(operation.parameters))]
    if operation.body:
        body: Object = {"name": "body", "in": "body", "schema": {"$ref": REF_V2 + operation.body}}
        parameters.insert(0, body if operation.action.startswith("delete") else {**body, "required": True})
    return {
        "tags": [_tag(operation)],
        "description": operation.description,
        "operationId": operation.id,
        "consumes": [str(media_type) for media_type in _consumed(operation)] if operation.body else ["*/*"],
        "produces": list(_PRODUCED),
        "schemes": ["https"],
        "parameters": parameters,
        "responses": {**responses, "401": {"description": "Unauthorized"}},
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": operation.gvk,
    }

"""OpenAPI documents made from kinds: v3 for one group version, v2 for all (FEATURES rows 98 to 100).

A document is written piece by piece, a path or a schema at a time, so that the thread that builds a large one keeps
the others waiting for one piece at most.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Protocol

import attrs
import orjson

from conversion.openapi_protobuf import ENCODER_V2, ENCODER_V3, Encoder
from watchd.api.openapi_operations import META, PATH, Operation, operations
from watchd.api.openapi_schemas import REF_V2, meta, references, schemas_v2, schemas_v3, shared_schemas, shared_v2
from watchd.api.version import MAJOR, MINOR
from watchd.registry.kind import Kind, Version
from watchd.registry.schemas import REF

Object = dict[str, Any]
Served = Sequence[tuple[Kind, Version]]

_INFO = {"title": "Kubernetes", "version": f"v{MAJOR}.{MINOR}.0"}
_CUSTOM_INFO = {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}
"""What the reference calls documents that have custom kinds alone."""

_CUSTOM_ROOTS = frozenset({f"{META}.ObjectMeta", f"{META}.ListMeta"})
"""What schemas of custom kinds refer to."""

_PLACED = {"name": "name", "namespace": "namespace", PATH: "path"}
"""Parameters of paths, and how paths call them."""

_UNSHARED_V2 = frozenset({"name", "dryRun", "fieldValidation"})
"""Parameters that are told anew at each operation: kubectl looks for them there, or they speak of one kind."""

_FNV_OFFSET, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


@attrs.frozen
class Form:
    """How a document is written down."""

    piece: Callable[[str, Object], Any]
    """Name of a message and a value -> what a document has in the value's place, encoded."""
    document: Callable[[Object], bytes]


def _json_piece(_: str, value: Object) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(value))


def _protobuf(encoder: Encoder) -> Form:
    return Form(encoder.encode, partial(encoder.encode, "Document"))


JSON_FORM = Form(_json_piece, orjson.dumps)
PROTOBUF_V2, PROTOBUF_V3 = _protobuf(ENCODER_V2), _protobuf(ENCODER_V3)


class Dialect(Protocol):
    """A version of OpenAPI."""

    schema_message: str
    """What a named schema is in protobuf."""

    def schemas(self, kind: Kind, version: Version) -> dict[str, Object]:
        """Return the schemas of a kind and its list."""

    def shared(self, schema: Object) -> Object:
        """Write one of the shared schemas."""

    def operation(self, operation: Operation, common: frozenset[str]) -> Object:
        """Write an operation, without the parameters that its path has told."""

    def parameter(self, name: str, kind: str) -> Object:
        """Write a parameter of the path or the query."""

    def document(self, parts: Parts) -> Object:
        """Put the parts together."""


@attrs.define
class Parts:
    """The pieces of a document, encoded, by name."""

    form: Form
    custom: bool
    """Whether all kinds are custom."""
    paths: dict[str, Any] = attrs.field(factory=dict)
    schemas: dict[str, Any] = attrs.field(factory=dict)


def document_v3(served: Served, form: Form = JSON_FORM) -> bytes:
    """Write the document of one group version."""
    return _document(_V3(), served, form)


def document_v2(served: Served, form: Form = JSON_FORM) -> bytes:
    """Write the one document of all group versions."""
    return _document(_V2(form), served, form)


def _document(dialect: Dialect, served: Served, form: Form) -> bytes:
    parts = Parts(form, custom=all(kind.custom for kind, _ in served))
    roots: set[str] = set()
    for kind, version in served:
        roots |= _add_paths(dialect, operations(kind, version), parts)
        if kind.custom:
            roots |= _CUSTOM_ROOTS
        else:
            roots |= {name for schema in schemas_v3(kind, version).values() for name in references(schema)}
        for name, schema in dialect.schemas(kind, version).items():
            parts.schemas[name] = form.piece(dialect.schema_message, schema)
    for name, schema in shared_schemas(roots - parts.schemas.keys()).items():
        if name not in parts.schemas:
            parts.schemas[name] = form.piece(dialect.schema_message, dialect.shared(schema))
    return form.document(dialect.document(parts))


def _add_paths(dialect: Dialect, told: Iterable[Operation], parts: Parts) -> set[str]:
    """Add the paths of a kind and return the names of the schemas that its operations refer to."""
    paths: dict[str, list[Operation]] = {}
    for operation in told:
        paths.setdefault(operation.path, []).append(operation)
    for path, found in paths.items():
        common = frozenset.intersection(*(frozenset(operation.parameters) for operation in found))
        placed = (name for name, text in _PLACED.items() if f"{{{text}}}" in path)
        pretty = () if found[0].action == "connect" else ("pretty",)
        names = sorted([*placed, *pretty, *common])
        item: Object = {"parameters": [dialect.parameter(name, found[0].kind) for name in names]}
        item |= {operation.method: dialect.operation(operation, common) for operation in found}
        parts.paths[path] = parts.form.piece("PathItem", item)
    return {
        name for found in paths.values() for operation in found for name in (operation.answer, operation.body) if name
    }


def _own_parameters(operation: Operation, common: frozenset[str]) -> list[str]:
    return sorted(name for name in operation.parameters if name not in common)


def _described(name: str, kind: str) -> tuple[Object, Object]:
    """Return name, place and description of a parameter, and its type."""
    known = meta()["parameters"][name]
    place = "path" if name in _PLACED else "query"
    description = known["description"] + (kind if name == "name" else "")
    # There are two descriptions of fieldManager; the second one's name has a remark.
    where = {"name": name.partition(" ")[0], "in": place}
    required = {"required": True} if place == "path" else {}
    return {"description": description, **where, **required}, {"uniqueItems": True, "type": known["type"]}


def _sorted(pieces: Mapping[str, Any]) -> Object:
    return {name: pieces[name] for name in sorted(pieces)}


class _V3:
    """OpenAPI 3.0."""

    schema_message = "SchemaOrReference"

    def schemas(self, kind: Kind, version: Version) -> dict[str, Object]:
        return schemas_v3(kind, version)

    def shared(self, schema: Object) -> Object:
        return schema

    def parameter(self, name: str, kind: str) -> Object:
        told, schema = _described(name, kind)
        return {**told, "schema": schema}

    def operation(self, operation: Operation, common: frozenset[str]) -> Object:
        answer = self._content(operation.produces, operation.answer)
        responses: Object = {code: {"description": text, "content": answer} for code, text in operation.codes.items()}
        out: Object = {"tags": [operation.tag], "description": operation.description, "operationId": operation.id}
        if parameters := _own_parameters(operation, common):
            out["parameters"] = [self.parameter(name, operation.kind) for name in parameters]
        if operation.body:
            out["requestBody"] = {"content": self._content(operation.consumes, operation.body)}
            if not operation.action.startswith("delete"):
                out["requestBody"]["required"] = True
        out["responses"] = {**responses, "401": {"description": "Unauthorized"}}
        return {**out, "x-kubernetes-action": operation.action, "x-kubernetes-group-version-kind": operation.gvk}

    @staticmethod
    def _content(media_types: Iterable[str], schema: str) -> Object:
        told = {"$ref": REF + schema} if schema else {"type": "string"}
        return {str(media_type): {"schema": told} for media_type in media_types}

    def document(self, parts: Parts) -> Object:
        info = _CUSTOM_INFO if parts.custom else _INFO
        components = {"schemas": _sorted(parts.schemas)}
        return {"openapi": "3.0.0", "info": info, "paths": _sorted(parts.paths), "components": components}


class _V2:
    """Swagger 2.0: what many operations have in common is told once and referred to."""

    schema_message = "Schema"

    def __init__(self, form: Form) -> None:
        self._form = form
        self._parameters: dict[str, Any] = {}

    def schemas(self, kind: Kind, version: Version) -> dict[str, Object]:
        return schemas_v2(kind, version)

    def shared(self, schema: Object) -> Object:
        out: Object = shared_v2(schema)
        return out

    def parameter(self, name: str, kind: str) -> Object:
        told, schema = _described(name, kind)
        # In the order in which the reference writes them, since the shared one's name is a hash of the text.
        parameter = {**schema, **told}
        return parameter if name in _UNSHARED_V2 else self._refer(parameter)

    def _body(self, operation: Operation) -> Object:
        required = {} if operation.action.startswith("delete") else {"required": True}
        body = {"name": "body", "in": "body", **required, "schema": {"$ref": REF_V2 + operation.body}}
        return self._refer(body) if operation.body.startswith(META) else body

    def _refer(self, parameter: Object) -> Object:
        name = f"{parameter['name']}-{_name_hash(orjson.dumps(parameter))}"
        if name not in self._parameters:
            self._parameters[name] = self._form.piece("Parameter", parameter)
        return {"$ref": f"#/parameters/{name}"}

    def operation(self, operation: Operation, common: frozenset[str]) -> Object:
        answer = {"$ref": REF_V2 + operation.answer} if operation.answer else {"type": "string"}
        responses: Object = {code: {"description": text, "schema": answer} for code, text in operation.codes.items()}
        named = {name: self.parameter(name, operation.kind) for name in _own_parameters(operation, common)}
        if operation.body:
            named["body"] = self._body(operation)
        out: Object = {
            "tags": [operation.tag],
            "description": operation.description,
            "operationId": operation.id,
            "consumes": [str(media_type) for media_type in operation.consumes],
            "produces": list(operation.produces),
            "schemes": ["https"],
        }
        if named:
            out["parameters"] = [named[name] for name in sorted(named)]
        out["responses"] = {**responses, "401": {"description": "Unauthorized"}}
        return {**out, "x-kubernetes-action": operation.action, "x-kubernetes-group-version-kind": operation.gvk}

    def document(self, parts: Parts) -> Object:
        return {
            "swagger": "2.0",
            "info": _INFO,
            "paths": _sorted(parts.paths),
            "definitions": _sorted(parts.schemas),
            "parameters": _sorted(self._parameters),
        }


@cache
def _name_hash(text: bytes) -> str:
    """Return what tells shared parameters of one name apart (kube-openapi pkg/builder/parameters.go): a short FNV-1."""
    value = _FNV_OFFSET
    for byte in text:
        value = value * _FNV_PRIME % (1 << 64) ^ byte
    return urlsafe_b64encode(value.to_bytes(8, "big")[:6]).decode()

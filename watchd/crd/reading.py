"""Reading stored definitions: with their schemas as the JSON that they are, since few of them are asked for.

A schema is most of a definition, by far: read whole, each took ten times the memory and the time.
"""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec
import orjson

from storage.types import Record, Stored
from watchd.registry.kind import Kind
from watchd.registry.value import canonical
from watchd.registry.view import load_decoded

Object = dict[str, Any]


class _Schema(TypedDict, total=False):
    openAPIV3Schema: msgspec.Raw


class _Version(TypedDict, total=False):
    name: Any
    served: Any
    storage: Any
    deprecated: Any
    deprecationWarning: Any
    schema: _Schema | None
    subresources: Any
    additionalPrinterColumns: Any
    selectableFields: Any


class _Spec(TypedDict, total=False):
    group: Any
    scope: Any
    names: Any
    versions: list[_Version] | None
    conversion: Any
    preserveUnknownFields: Any


class _Definition(TypedDict, total=False):
    apiVersion: Any
    kind: Any
    metadata: Any
    spec: _Spec
    status: Any


_DECODER = msgspec.json.Decoder(_Definition)


def read(kind: Kind, version: str, seen: Stored | Record) -> Object:
    """Decode a stored definition at a version; the schemas in it are msgspec.Raw. The caller owns the result.

    Fields that the server does nothing by are left out.
    """
    definition: Object = {**_DECODER.decode(seen.body)}
    return load_decoded(kind, version, seen, definition)


def alike(one: Object, other: Object) -> bool:
    """Tell whether two definitions whose names were accepted make the same kind."""
    first, second = _image(one), _image(other)
    # Schemas are in the order of whoever wrote them.
    return first == second or canonical(orjson.loads(first)) == canonical(orjson.loads(second))


def _image(definition: Object) -> bytes:
    """Return what a definition says of its kind, as JSON."""
    image = {
        "metadata": {"uid": definition["metadata"].get("uid", "")},
        "spec": definition["spec"],
        "names": definition["status"]["acceptedNames"],
    }
    return msgspec.json.encode(image, order="deterministic")

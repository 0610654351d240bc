"""Kinds that come with other packages: a group, its versions as Python types, and the functions between them.

A package names a function of its own under the entry point `watchd.kinds`; it returns Resources. What they say becomes a kind
like any other custom one: schemas are made of the types (msgspec.Struct), unknown fields go, defaults and constraints hold, status
is a subresource where there is a type for it, and every served version is read and written at once. docs/versions.md has an example.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from conversion.hub import Conversion, Spoke
from watchd.crd import definitions
from watchd.crd.install import kind_of
from watchd.registry.kind import Kind

Object = dict[str, Any]

ENTRY_POINT = "watchd.kinds"

_REF = "#/$defs/"


class ExtensionError(Exception):
    """A package's kinds cannot be served; the message names it and says why."""


class Version(msgspec.Struct, frozen=True):
    """One version of a kind."""

    name: str
    spec: type[msgspec.Struct]
    status: type[msgspec.Struct] | None = None
    to_hub: Conversion | None = None
    """From this version to the hub's, and back: pure functions over whole objects. Without them only the apiVersion differs."""
    from_hub: Conversion | None = None
    served: bool = True
    deprecated: str = ""
    """The warning of a version that is deprecated."""
    columns: tuple[Mapping[str, Any], ...] = ()
    """As additionalPrinterColumns of a definition."""
    selectable: tuple[str, ...] = ()
    """Paths that field selectors may name (`.spec.color`)."""


class Resource(msgspec.Struct, frozen=True):
    """A kind and its versions."""

    group: str
    kind: str
    plural: str
    hub: str
    """The version that is stored."""
    versions: tuple[Version, ...]
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def to_kind(self) -> Kind:
        """Return the kind that the server installs. Raises ExtensionError for one that no definition could be."""
        definition = _definition(self)
        definitions.default(definition)
        problems = definitions.KIND.strategy.validate(definition)
        if problems:
            raise ExtensionError(f"{self.plural}.{self.group}: {'; '.join(map(str, problems))}")
        spokes = {
            version.name: Spoke(version.to_hub, version.from_hub)
            for version in self.versions
            if version.name != self.hub and (version.to_hub or version.from_hub)
        }
        return msgspec.structs.replace(kind_of(definition), spokes=spokes)


def _definition(resource: Resource) -> Object:
    names = {
        "plural": resource.plural,
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "singular": resource.kind.lower(),
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": names,
            "versions": [_version(version, storage=version.name == resource.hub) for version in resource.versions],
        },
        "status": {"acceptedNames": names, "conditions": [], "storedVersions": [resource.hub]},
    }


def _version(version: Version, *, storage: bool) -> Object:
    properties = {"spec": schema_of(version.spec)}
    if version.status is not None:
        properties["status"] = schema_of(version.status)
    out: Object = {
        "name": version.name,
        "served": version.served,
        "storage": storage,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        "subresources": {"status": {}} if version.status is not None else {},
        "additionalPrinterColumns": [dict(column) for column in version.columns],
        "selectableFields": [{"jsonPath": path} for path in version.selectable],
    }
    if version.deprecated:
        out |= {"deprecated": True, "deprecationWarning": version.deprecated}
    return out


def schema_of(kind: type[msgspec.Struct]) -> Object:
    """Return the structural schema of a type: its fields by their encoded names, constraints of msgspec.Meta, docstrings as descriptions.

    Raises ExtensionError for types that hold themselves, and for unions that no structural schema can say.
    """
    (root,), components = msgspec.json.schema_components([kind])
    return _structural(root, components, ())


def _structural(node: Mapping[str, Any], components: Mapping[str, Any], inside: tuple[str, ...]) -> Object:
    if "$ref" in node:
        name = str(node["$ref"]).removeprefix(_REF)
        if name in inside:
            raise ExtensionError(f"{name} holds itself: no structural schema can say that")
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return {**_structural(components[name], components, (*inside, name)), **beside}
    if "anyOf" in node:
        return _optional(node, components, inside)
    out = {key: value for key, value in node.items() if key not in ("title", "properties", "items", "additionalProperties")}
    if "enum" in node and "type" not in node:
        out["type"] = "string" if all(isinstance(value, str) for value in node["enum"]) else "integer"
    if not out.get("required", True):
        del out["required"]
    if "properties" in node:
        out["properties"] = {name: _structural(inner, components, inside) for name, inner in node["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), Mapping):
            out[key] = _structural(node[key], components, inside)
    if out.get("type") is None:
        out["x-kubernetes-preserve-unknown-fields"] = True
    return out


def _optional(node: Mapping[str, Any], components: Mapping[str, Any], inside: tuple[str, ...]) -> Object:
    """Return the schema of `T | None`: T that may be null, and is absent where nobody gives it."""
    others = [option for option in node["anyOf"] if option.get("type") != "null"]
    if len(others) != 1:
        raise ExtensionError("a union of several types: no structural schema can say that")
    beside = {key: value for key, value in node.items() if key not in ("anyOf", "title")}
    if beside.get("default", 0) is None:
        del beside["default"]
    return {**_structural(others[0], components, inside), **beside, "nullable": True}


def installed() -> Iterator[Kind]:
    """Yield the kinds of all packages that name some. Raises ExtensionError for a package whose kinds cannot be had."""
    if not _named():
        return
    # Reading the metadata of every package takes longer than all of the start.
    from importlib.metadata import entry_points  # noqa: PLC0415 - see above

    for point in entry_points(group=ENTRY_POINT):
        try:
            found: Callable[[], Iterable[Resource]] = point.load()
            resources = list(found())
        except Exception as error:  # a package's own code, run before anything else
            raise ExtensionError(f"{point.value} of {point.dist.name if point.dist else 'a package'}: {type(error).__name__}: {error}") from error
        for resource in resources:
            yield resource.to_kind()


def _named() -> bool:
    """Tell whether any installed package names kinds: a look at the files, without their modules."""
    section = f"[{ENTRY_POINT}]".encode()
    for place in dict.fromkeys(sys.path):
        try:
            entries = [entry.path for entry in os.scandir(place or ".") if entry.name.endswith((".dist-info", ".egg-info"))]
        except OSError:
            continue
        for entry in entries:
            try:
                if section in Path(entry, "entry_points.txt").read_bytes():
                    return True
            except OSError:
                continue
    return False

"""Derive the schemas of versions that have been removed (decision 0007). Not a part of the running server.

    python -m watchd.registry.builtin.derive_removed

Published documents have them no more, but the Go types are still there: the table of protobuf fields (conversion/protobuf_fields) tells
the fields of each with their JSON names, types and `omitempty`. What it does not tell - list types, merge keys, formats, enums,
descriptions - is taken from the field of the same name of the stable type. To be run after watchd.registry.builtin.derive.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import msgspec

from watchd.registry.builtin.derive import HERE, REF, Field, fields_of, write, written
from watchd.registry.builtin.removed import with_removed
from watchd.registry.builtin.table import Entry, component_of
from watchd.registry.schemas import component, description

Schema = dict[str, Any]

API = "io.k8s.api."
ELSEWHERE = {
    "meta.v1": "io.k8s.apimachinery.pkg.apis.meta.v1",
    "intstr": "io.k8s.apimachinery.pkg.util.intstr",
    "runtime": "io.k8s.apimachinery.pkg.runtime",
    "resource": "io.k8s.apimachinery.pkg.api.resource",
}
"""Go packages whose components do not stand below `io.k8s.api`."""

SIBLINGS = {
    "apps.v1beta1": ("apps.v1",),
    "apps.v1beta2": ("apps.v1",),
    "batch.v1beta1": ("batch.v1",),
    "coordination.v1beta1": ("coordination.v1",),
    "discovery.v1beta1": ("discovery.v1",),
    "extensions.v1beta1": ("apps.v1", "networking.v1"),
    "networking.v1beta1": ("networking.v1",),
    "node.v1beta1": ("node.v1",),
    "policy.v1beta1": ("policy.v1",),
    "rbac.v1beta1": ("rbac.v1",),
    "scheduling.v1beta1": ("scheduling.v1",),
    "storage.v1beta1": ("storage.v1",),
}
"""Where the stable types of the same names are."""

SCALARS: dict[str, Schema] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
}

RENAMED = {"batch.v2alpha1": "batch.v1beta1"}
"""Packages that are no more, and the one with the same types."""

KINDS_AS = {"batch.v2alpha1.ScheduledJob": "batch.v1beta1.CronJob", "batch.v2alpha1.Job": "batch.v1.Job"}
"""Kinds of such packages that go by another name, or have the type of another package."""

TEXTS = {
    "rollbackTo": "The revision that the workload is to be rolled back to. It is cleared once that is done.",
    "revision": "The revision to roll back to; 0 is the one before the present.",
    "templateGeneration": "A number that is raised with each change of the template.",
    "backend": "Where traffic goes.",
    "serviceName": "The name of the Service.",
    "servicePort": "The port of the Service, by number or name.",
    "topology": "Where the endpoint is: labels of its node, such as topology.kubernetes.io/zone and kubernetes.io/hostname.",
}
"""What is said of fields that the stable types do not have."""


def main() -> int:
    """Write schemas and descriptions of each package anew."""
    tables = files("watchd.registry.builtin").joinpath("kinds.json").read_bytes()
    present: list[Entry] = msgspec.json.decode(tables)
    removed = [entry for entry in with_removed(present) if entry not in present]
    messages: Schema = msgspec.json.decode(files("conversion").joinpath("protobuf_fields.json").read_bytes())["messages"]
    packages: dict[str, list[Entry]] = {}
    for entry in removed:
        packages.setdefault(_package(entry), []).append(entry)
    for package, entries in packages.items():
        maker = Maker(package, messages)
        for entry in entries:
            maker.add(entry["kind"], entry)
            maker.add(f"{entry['kind']}List", entry)
        documented = any(_package(entry) == package for entry in present)
        for folder, made in (("schemas", maker.schemas), ("descriptions", maker.texts)):
            path = HERE / folder / f"{API}{package}.json"
            # Of a package with kinds that are still there the documents say the rest.
            kept: Schema = msgspec.json.decode(path.read_bytes()) if documented else {}
            write(path, dict(sorted({**made, **kept}.items())))
    return 0


def _package(entry: Entry) -> str:
    return component_of(entry["group"], entry["version"], entry["kind"]).removeprefix(API).rpartition(".")[0]


class Maker:
    """Makes the components of one package."""

    def __init__(self, package: str, messages: Schema) -> None:
        self.package = package
        self.types = RENAMED.get(package, package)
        self.messages = messages
        self.schemas: dict[str, Schema] = {}
        self.texts: dict[str, dict[str, str]] = {}

    def add(self, kind: str, entry: Entry) -> None:
        """Make the component of a kind, or of its list, and all that it refers to in the package."""
        single = kind.removesuffix("List")
        like = KINDS_AS.get(f"{self.package}.{single}", f"{self.types}.{single}")
        self._make(kind, f"{like}List" if kind.endswith("List") else like)
        schema = self.schemas[kind]
        schema["x-kubernetes-group-version-kind"] = [{"group": entry["group"], "kind": kind, "version": entry["version"]}]
        if kind.endswith("List"):
            schema["properties"]["items"]["items"] = {"$ref": f"{REF}{API}{self.package}.{single}"}

    def _make(self, name: str, message: str) -> None:
        if name in self.schemas:
            return
        sibling = self._sibling(message)
        stable = component(sibling) or {}
        fields = list(fields_of(message, self.messages))
        required = [field.name for field in fields if field.name in stable.get("required", ()) and "o" not in field.flags]
        schema: Schema = {"type": "object", **({"required": required} if required else {})}
        self.schemas[name] = schema
        self.texts[name] = {"": description(sibling)} if description(sibling) else {}
        properties: Schema = {}
        if any(field.go_type in ("meta.v1.ObjectMeta", "meta.v1.ListMeta") for field in fields) and "apiVersion" in stable.get("properties", {}):
            for own in ("apiVersion", "kind"):
                properties[own] = {"type": "string", "x-go-omitempty": True}
                self.texts[name][own] = description(sibling, own)
        for field in fields:
            properties[field.name] = self._field(field, stable.get("properties", {}).get(field.name))
            text = description(sibling, field.name) or TEXTS.get(field.name, "")
            if text:
                self.texts[name][field.name] = text
        schema["properties"] = properties
        for reference in _own(fields, self.types):
            self._make(reference.rpartition(".")[2], reference)

    def _field(self, field: Field, stable: Schema | None) -> Schema:
        made = self._of_type(field.go_type)
        kept = {} if stable is None or not _same(made, stable) else {
            key: value for key, value in stable.items() if key not in ("$ref", "items", "additionalProperties", "x-go-zero", "x-go-omitempty")
        }
        node = {**kept, **made}
        for inner in ("items", "additionalProperties"):
            if inner in made and kept:
                below = {key: value for key, value in (stable or {}).get(inner, {}).items() if key != "$ref"}
                node[inner] = {**below, **made[inner]}
        node.update(written(field, self.messages))
        if field.embedded:
            node["x-go-embedded"] = field.embedded
        return node

    def _of_type(self, go_type: str) -> Schema:
        """Return the schema of a Go type as far as the type tells it."""
        if go_type.startswith("*"):
            made = self._of_type(go_type[1:])
            made.pop("default", None)
            return made
        if go_type.startswith("[]"):
            return {"type": "array", "items": self._of_type(f"*{go_type[2:]}")}
        if go_type.startswith("{}"):
            return {"type": "object", "additionalProperties": self._of_type(f"*{go_type[2:]}")}
        if go_type in SCALARS:
            return dict(SCALARS[go_type])
        package, _, name = go_type.rpartition(".")
        if package == self.types:
            return {"default": {}, "$ref": f"{REF}{API}{self.package}.{name}"}
        return {"default": {}, "$ref": f"{REF}{ELSEWHERE.get(package, API + package)}.{name}"}

    def _sibling(self, message: str) -> str:
        package, _, name = message.rpartition(".")
        candidates = [f"{API}{sibling}.{name}" for sibling in SIBLINGS.get(package, (package,))]
        return next((found for found in candidates if component(found) is not None), candidates[0])


def _same(made: Schema, stable: Schema) -> bool:
    """Tell whether the stable field is of the same sort, and its type of the same name."""
    if ("$ref" in made) != ("$ref" in stable):
        return False
    if "$ref" in made:
        return bool(made["$ref"].rpartition(".")[2] == stable["$ref"].rpartition(".")[2])
    return bool(made.get("type") == stable.get("type"))


def _own(fields: list[Field], package: str) -> Iterator[str]:
    for field in fields:
        name = field.go_type.lstrip("*[]{}")
        if name.rpartition(".")[0] == package:
            yield name


if __name__ == "__main__":
    sys.exit(main())

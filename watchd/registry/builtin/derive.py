"""Derive the data of built-in kinds from published documents (decision 0007). Not a part of the running server.

    python -m watchd.registry.builtin.derive DOCUMENTS

DOCUMENTS is a directory with the OpenAPI v3 documents of a Kubernetes API server (`*_openapi.json`, as they stand in the
Kubernetes repository or as a server answers them) and its aggregated discovery (`aggregated_v2.json`, `aggregated_v2_core.json`).
Written are, beside this file:

- `schemas/PACKAGE.json`: the components of one Go package without their descriptions, by name. Two private facts are added
  from the table of protobuf fields, which is made of the Go types: `x-go-omitempty` and `x-go-zero` (watchd.schema.typed
  says what they do). Properties stand in the order of the Go type;
- `descriptions/PACKAGE.json`: what was left out, by component and field; that of the component itself under "";
- `kinds.json`: what discovery says of each resource and its subresources.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

Schema = dict[str, Any]

HERE = Path(__file__).parent
REF = "#/components/schemas/"
BY_HAND = "io.k8s.apiextensions-apiserver."
"""Its types have JSON of their own that documents do not tell; their schemas are written by hand."""

ZEROS: dict[str, Any] = {"string": "", "bool": False, "int32": 0, "int64": 0, "double": 0}
"""The JSON of Go's zero values that are neither null nor a struct."""

NULLABLE = ("[]", "{}", "*")
"""How types begin whose zero value is null."""

OF_OBJECTS = ("apiVersion", "kind")
"""Fields of Go's TypeMeta, left out where they are empty."""

OWN_ZEROS: dict[str, Any] = {"IntOrString": 0, "Quantity": "0"}
"""Zero values of the structs that have JSON of their own; of the others it is null."""


def main(arguments: list[str]) -> int:
    """Write the data anew."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m watchd.registry.builtin.derive DOCUMENTS\n")
        return 2
    documents = Path(arguments[0])
    write_schemas(documents)
    write_kinds(documents)
    return 0


def write_schemas(documents: Path) -> None:
    """Write schemas and descriptions."""
    components: dict[str, Schema] = {}
    for path in sorted(documents.glob("*_openapi.json")):
        components.update(msgspec.json.decode(path.read_bytes()).get("components", {}).get("schemas", {}))
    messages = msgspec.json.decode(files("conversion").joinpath("protobuf_fields.json").read_bytes())["messages"]
    schemas: dict[str, dict[str, Schema]] = defaultdict(dict)
    described: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for name, component in sorted(components.items()):
        if name.startswith(BY_HAND):
            continue
        package, _, short = name.rpartition(".")
        texts = {"": component.get("description", "")}
        texts.update({field: node["description"] for field, node in component.get("properties", {}).items() if "description" in node})
        described[package][short] = texts
        schemas[package][short] = _component(component, messages.get(message_name(name)), messages)
    for folder, tables in (("schemas", schemas), ("descriptions", described)):
        for package, table in tables.items():
            _write(HERE / folder / f"{package}.json", table)


def message_name(component: str) -> str:
    """Return how the table of protobuf fields calls a component (`io.k8s.api.core.v1.Pod` is `core.v1.Pod`)."""
    parts = component.split(".")
    return ".".join(parts[-3:] if parts[-2].startswith("v") and parts[-2][1:2].isdigit() else parts[-2:])


def _component(component: Schema, message: Any, messages: Schema) -> Schema:
    out = {key: value for key, value in component.items() if key not in ("description", "properties")}
    if isinstance(message, str):
        # Time, Quantity, IntOrString and the like: JSON of their own.
        out["x-go-json"] = message
    properties: Schema = component.get("properties", {})
    if not properties:
        return out
    known = {field[0]: field for field in _fields(message, messages)} if isinstance(message, list) else {}
    order = [*(name for name in OF_OBJECTS if name in properties), *(name for name in known if name in properties)]
    order += [name for name in properties if name not in order]
    out["properties"] = {
        name: {**_bare(properties[name]), **_written(known.get(name), messages)} for name in order
    }
    if known:
        # Protobuf messages have no field for what every object says of itself.
        for name in OF_OBJECTS:
            if name in properties and name not in known:
                out["properties"][name]["x-go-omitempty"] = True
    return out


def _bare(node: Schema) -> Schema:
    """Drop the description, and the wrapping that lets a reference have one beside it."""
    out = {key: value for key, value in node.items() if key not in ("description", "allOf")}
    if "allOf" in node:
        (only,) = node["allOf"]
        out.update(only)
    return out


def _fields(message: list[list[Any]], messages: Schema) -> Iterator[list[Any]]:
    """Go over a Go type's fields as its JSON has them: those of embedded types among its own."""
    for field in message:
        if field[0]:
            yield field
        else:
            yield from _fields(messages[field[2]], messages)


def _written(field: list[Any] | None, messages: Schema) -> Schema:
    """Tell how Go's encoder writes a field that holds its zero value."""
    if field is None:
        return {}
    go_type: str = field[2]
    flags: str = field[3] if len(field) > 3 else ""
    message = messages.get(go_type)
    if isinstance(message, list):
        return {"x-go-zero": {}}
    if isinstance(message, str) and not message.startswith(NULLABLE):
        # `omitempty` leaves no struct out, `omitzero` does.
        return {"x-go-omitempty": True} if "z" in flags else {"x-go-zero": OWN_ZEROS.get(message)}
    if "o" in flags:
        return {} if go_type.startswith("*") else {"x-go-omitempty": True}
    return {"x-go-zero": ZEROS.get(go_type)}


def write_kinds(documents: Path) -> None:
    """Write what discovery says: core first, then the groups in the order of the document."""
    resources: list[Schema] = []
    for name in ("aggregated_v2_core.json", "aggregated_v2.json"):
        for group in msgspec.json.decode((documents / name).read_bytes())["items"]:
            for version in group["versions"]:
                where = {"group": group["metadata"].get("name", ""), "version": version["version"]}
                resources += ({**where, **_resource(resource)} for resource in version["resources"])
    _write(HERE / "kinds.json", resources)


def _resource(resource: Schema) -> Schema:
    return {
        "resource": resource["resource"],
        "kind": resource["responseKind"]["kind"],
        "singular": resource["singularResource"],
        "namespaced": resource["scope"] == "Namespaced",
        "verbs": resource["verbs"],
        "shortNames": resource.get("shortNames", []),
        "categories": resource.get("categories", []),
        "subresources": [
            {
                "name": subresource["subresource"],
                "verbs": subresource["verbs"],
                **subresource["responseKind"],
            }
            for subresource in resource.get("subresources", ())
        ],
    }


def _write(path: Path, table: Any) -> None:
    """Write a table with a line for each entry, so that its changes can be read."""
    path.parent.mkdir(exist_ok=True)
    encode = msgspec.json.Encoder().encode
    if isinstance(table, dict):
        lines = [encode(key) + b": " + encode(value) for key, value in table.items()]
        path.write_bytes(b"{\n" + b",\n".join(lines) + b"\n}\n")
    else:
        path.write_bytes(b"[\n" + b",\n".join(map(encode, table)) + b"\n]\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

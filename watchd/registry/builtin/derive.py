"""Derive the data of built-in kinds from published documents (decision 0007). Not a part of the running server.

    python -m watchd.registry.builtin.derive DOCUMENTS

DOCUMENTS is a directory with the OpenAPI v3 documents of a Kubernetes API server (`*_openapi.json`, as they stand in the
Kubernetes repository or as a server answers them), its aggregated discovery (`aggregated_v2.json`, `aggregated_v2_core.json`), and
`go_names.json`, which `go run . names` in conversion/protobuf_fields writes.
Written are, beside this file:

- `schemas/PACKAGE.json`: the components of one Go package without their descriptions, by name. Private facts are added
  from the table of protobuf fields, which is made of the Go types, and the names: `x-go-omitempty`, `x-go-zero`,
  `x-go-embedded` and `x-go-type` (watchd.schema.typed says what they do). Properties stand in the order of the Go type;
- `descriptions/PACKAGE.json`: what was left out, by component and field; that of the component itself under "";
- `kinds.json`: what discovery says of each resource and its subresources.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
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
    names = msgspec.json.decode((documents / "go_names.json").read_bytes())
    schemas: dict[str, dict[str, Schema]] = defaultdict(dict)
    described: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for name, component in sorted(components.items()):
        if name.startswith(BY_HAND):
            continue
        package, _, short = name.rpartition(".")
        texts = {"": component.get("description", "")}
        texts.update({field: node["description"] for field, node in component.get("properties", {}).items() if "description" in node})
        described[package][short] = texts
        schemas[package][short] = _component(component, message_name(name), messages, names)
    for folder, tables in (("schemas", schemas), ("descriptions", described)):
        for package, table in tables.items():
            write(HERE / folder / f"{package}.json", table)


def message_name(component: str) -> str:
    """Return how the table of protobuf fields calls a component (`io.k8s.api.core.v1.Pod` is `core.v1.Pod`)."""
    parts = component.split(".")
    return ".".join(parts[-3:] if parts[-2].startswith("v") and parts[-2][1:2].isdigit() else parts[-2:])


def _component(component: Schema, of: str, messages: Schema, names: dict[str, dict[str, list[str]]]) -> Schema:
    message = messages.get(of)
    out = {key: value for key, value in component.items() if key not in ("description", "properties")}
    if isinstance(message, str):
        # Time, Quantity, IntOrString and the like: JSON of their own.
        out["x-go-json"] = message
    properties: Schema = component.get("properties", {})
    if not properties:
        return out
    known = {field.name: field for field in fields_of(of, messages)} if isinstance(message, list) else {}
    order = [*(name for name in OF_OBJECTS if name in properties), *(name for name in known if name in properties)]
    order += [name for name in properties if name not in order]
    out["properties"] = {
        name: {**_bare(properties[name]), **(written(known[name], messages) if name in known else {})} for name in order
    }
    for name, field in known.items():
        if name in properties:
            _name(out["properties"][name], names.get(field.of, {}).get(name, ()))
            if field.embedded:
                out["properties"][name]["x-go-embedded"] = field.embedded
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


@attrs.frozen
class Field:
    """A field of a Go type, as its JSON has it."""

    name: str
    go_type: str
    flags: str
    of: str
    """The message whose Go type has it."""
    embedded: str
    """The types, each embedded in the one before, that have it, if it is not the message's own: `RuleWithOperations.Rule`."""


def fields_of(of: str, messages: Schema, embedded: str = "") -> Iterator[Field]:
    """Go over a Go type's fields as its JSON has them: those of embedded types among its own."""
    for name, _, go_type, *flags in messages[of]:
        if name:
            yield Field(name, go_type, "".join(flags), of, embedded)
        else:
            yield from fields_of(go_type, messages, f"{embedded}.{go_type.rpartition('.')[2]}".lstrip("."))


def written(field: Field, messages: Schema) -> Schema:
    """Tell how Go's encoder writes a field that holds its zero value."""
    message = messages.get(field.go_type)
    if isinstance(message, list):
        return {"x-go-zero": {}}
    if isinstance(message, str) and not message.startswith(NULLABLE):
        # `omitempty` leaves no struct out, `omitzero` does.
        return {"x-go-omitempty": True} if "z" in field.flags else {"x-go-zero": OWN_ZEROS.get(message)}
    if "o" in field.flags:
        return {} if field.go_type.startswith("*") else {"x-go-omitempty": True}
    return {"x-go-zero": ZEROS.get(field.go_type)}


def _name(node: Schema, levels: Iterable[str]) -> None:
    """Write what Go calls a field's type, that of its elements, and so on, each beside the schema that it is of."""
    for name in levels:
        if name:
            node["x-go-type"] = name
        node = node.get("items") or node.get("additionalProperties") or {}


def write_kinds(documents: Path) -> None:
    """Write what discovery says: core first, then the groups in the order of the document."""
    resources: list[Schema] = []
    for name in ("aggregated_v2_core.json", "aggregated_v2.json"):
        for group in msgspec.json.decode((documents / name).read_bytes())["items"]:
            for version in group["versions"]:
                where = {"group": group["metadata"].get("name", ""), "version": version["version"]}
                resources += ({**where, **_resource(resource)} for resource in version["resources"])
    write(HERE / "kinds.json", resources)


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


def write(path: Path, table: Any) -> None:
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

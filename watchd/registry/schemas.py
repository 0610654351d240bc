"""The schemas of built-in kinds: OpenAPI v3 components under the reference's names, from builtin/schemas.

One file holds a Go package's components, and another its descriptions, which documents need and nothing else does; each is
read when it is first asked for. The files' own extensions begin with `x-go-` (watchd.schema.typed says what they do);
`published` leaves them out. watchd.registry.builtin.derive makes the files.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

Schema = dict[str, Any]

REF = "#/components/schemas/"

PRIVATE = "x-go-"

BUILTIN = Path(__file__).with_name("builtin")
"""Where the files are."""

_inlined: dict[str, Schema] = {}
"""Components with all they refer to put in line, by name. Their parts are shared: a container's schema is there once."""


@cache
def _table(folder: str, package: str) -> dict[str, Any]:
    path = BUILTIN / folder / f"{package}.json"
    try:
        loaded: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    return loaded


def component(name: str) -> Schema | None:
    """Return a component by its whole name (`io.k8s.api.core.v1.Pod`), without descriptions. Not to be changed."""
    package, _, short = name.rpartition(".")
    found: Schema | None = _table("schemas", package).get(short)
    return found


def names() -> list[str]:
    """Return the names of all components."""
    packages = sorted(path.name.removesuffix(".json") for path in (BUILTIN / "schemas").iterdir())
    return [f"{package}.{short}" for package in packages for short in _table("schemas", package)]


@cache
def whole(name: str) -> Schema:
    """Return the schema of one component with all it refers to put in line, each with its Go type as `title`.

    Types that hold themselves stay references to `#/$defs/NAME`, and the result has their `$defs`. Not to be changed.
    Raises KeyError where there is no such component.
    """
    defs: Schema = {}
    schema: Schema = _inline({"$ref": REF + name}, (), defs)
    return {**schema, "$defs": defs} if defs else schema


def _inline(node: Any, inside: tuple[str, ...], defs: Schema) -> Any:
    if isinstance(node, list):
        return [_inline(item, inside, defs) for item in node]
    if not isinstance(node, dict):
        return node
    ref = node.get("$ref")
    if not isinstance(ref, str):
        return {key: _inline(value, inside, defs) for key, value in node.items()}
    beside = {key: value for key, value in node.items() if key != "$ref"}
    name = ref.removeprefix(REF)
    title = name.rpartition(".")[2]
    if name not in inside:
        body = _body(name, title, inside, defs)
        return {**body, **beside} if beside else body
    if title not in defs:
        defs[title] = {}
        defs[title].update(_inline(component(name), (name,), defs), title=title)
    return {"$ref": f"#/$defs/{title}", **beside}


def _body(name: str, title: str, inside: tuple[str, ...], defs: Schema) -> Schema:
    body = _inlined.get(name)
    if body is None:
        found = component(name)
        if found is None:
            raise KeyError(name)
        body = {**_inline(found, (*inside, name), defs), "title": title}
        if not defs:
            # With `$defs` it holds where it was asked for, and nowhere else.
            _inlined[name] = body
    return body


def description(name: str, field: str = "") -> str:
    """Return how a component, or one of its fields, is described; nothing where it is not."""
    package, _, short = name.rpartition(".")
    return str(_table("descriptions", package).get(short, {}).get(field, ""))


def published(name: str) -> Schema:
    """Return one component as OpenAPI v3 documents have it: described, references wrapped. Raises KeyError."""
    schema = component(name)
    if schema is None:
        raise KeyError(name)
    package, _, short = name.rpartition(".")
    texts: dict[str, str] = _table("descriptions", package).get(short, {})
    out: Schema = {"description": texts[""]} if texts.get("") else {}
    out.update((key, value) for key, value in schema.items() if key != "properties" and not key.startswith(PRIVATE))
    if "properties" in schema:
        out["properties"] = {
            field: {**({"description": texts[field]} if field in texts else {}), **_published(node)}
            for field, node in schema["properties"].items()
        }
    return out


def _published(node: Schema) -> Schema:
    out: Schema = {}
    for key, value in node.items():
        if key == "$ref" or key.startswith(PRIVATE):
            continue
        out[key] = _published(value) if key in {"items", "additionalProperties"} and isinstance(value, dict) else value
    if "$ref" in node:
        out["allOf"] = [{"$ref": node["$ref"]}]
    return out

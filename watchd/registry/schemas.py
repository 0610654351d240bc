"""The schemas of built-in kinds: OpenAPI v3 components under the reference's names, from builtin/schemas.json.

The file's own extensions are `x-go-omitempty` and `x-go-zero` (watchd.schema.typed says what they do); `published`
leaves them out.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

REF = "#/components/schemas/"

_DEFAULTED = "x-go-zero"
_PRIVATE = ("x-go-omitempty", _DEFAULTED)


@cache
def components() -> dict[str, Any]:
    """Return all components, as the file has them. Not to be changed."""
    data = files("watchd.registry.builtin").joinpath("schemas.json").read_bytes()
    loaded: dict[str, Any] = msgspec.json.decode(data)
    return loaded


@cache
def whole(name: str) -> dict[str, Any]:
    """Return the schema of one component with all it refers to put in line, each with its Go type as `title`.

    Types that hold themselves stay references to `#/$defs/NAME`, and the result has their `$defs`. Not to be changed.
    """
    defs: dict[str, Any] = {}
    schema: dict[str, Any] = _inline({"$ref": REF + name}, (), defs)
    return {**schema, "$defs": defs} if defs else schema


def _inline(node: Any, inside: tuple[str, ...], defs: dict[str, Any]) -> Any:
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
        body = _inline(components()[name], (*inside, name), defs)
        return {**body, "title": title, **beside}
    if title not in defs:
        defs[title] = {}
        defs[title].update(_inline(components()[name], (name,), defs), title=title)
    return {"$ref": f"#/$defs/{title}", **beside}


def published(name: str) -> dict[str, Any]:
    """Return one component as OpenAPI v3 documents have it: references wrapped, defaults as the reference gives them."""
    schema = components()[name]
    out = {key: value for key, value in schema.items() if key != "properties"}
    if "properties" in schema:
        out["properties"] = {field: _published(node) for field, node in schema["properties"].items()}
    return out


def _published(node: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key in _PRIVATE or key == "$ref":
            continue
        out[key] = _published(value) if key in {"items", "additionalProperties"} and isinstance(value, dict) else value
    if "$ref" in node:
        out["allOf"] = [{"$ref": node["$ref"]}]
    if node.get(_DEFAULTED) is not None:
        out["default"] = node[_DEFAULTED]
    return out

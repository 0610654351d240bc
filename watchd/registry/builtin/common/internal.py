"""Objects as messages quote them that are of the reference's internal types: no JSON names, and nothing left out."""

from __future__ import annotations

from typing import Any

from watchd.registry.schemas import REF, component
from watchd.status import Written, go_json

Schema = dict[str, Any]

TAGGED = ("io.k8s.apimachinery.",)
"""Packages whose types are the same inside: they keep their JSON names."""

INITIALISMS = {
    "uid": "UID",
    "ip": "IP",
    "clusterIP": "ClusterIP",
    "podIP": "PodIP",
    "hostIP": "HostIP",
    "apiVersion": "APIVersion",
}
"""Fields that Go does not write as their JSON name with a capital."""


def internal(value: Any, name: str) -> Written:
    """Return a value of a component (`io.k8s.api.apps.v1.DeploymentStrategy`) as a field error quotes it."""
    return Written(go_json(_struct(value, name), ordered=True))


def _struct(value: Schema, name: str) -> Schema:
    properties: Schema = (component(name) or {}).get("properties", {})
    return {
        INITIALISMS.get(field, field[:1].upper() + field[1:]): _field(value.get(field), schema)
        for field, schema in properties.items()
    }


def _field(value: Any, schema: Schema) -> Any:
    """Return a field's value, or the zero value of its type where it is absent."""
    ref = schema.get("$ref", "").removeprefix(REF)
    if value is None:
        return _zero(schema, ref)
    if ref and not ref.startswith(TAGGED):
        return _struct(value, ref)
    items = schema.get("items")
    if items is not None and isinstance(value, list):
        return [_field(item, items) for item in value]
    return value


def _zero(schema: Schema, ref: str) -> Any:
    if "x-go-zero" in schema:
        zero = schema["x-go-zero"]
        return _struct({}, ref) if zero == {} and ref and not ref.startswith(TAGGED) else zero
    if schema.get("x-go-omitempty"):
        return {"string": "", "integer": 0, "number": 0, "boolean": False}.get(schema.get("type", ""))
    return None

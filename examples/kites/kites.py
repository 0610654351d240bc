"""Kites: a group with three versions, as a package of its own brings it to watchd."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from watchd.extension import Resource, Version

Object = dict[str, Any]


class SpecV1(msgspec.Struct, forbid_unknown_fields=False):
    """What a kite is to be."""

    size: Annotated[int, msgspec.Meta(ge=1, le=100, description="Square centimetres, by the thousand.")] = 10
    colors: list[str] = []


class SpecV1Beta1(msgspec.Struct):
    """A kite had one color."""

    size: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    color: str = ""


class Status(msgspec.Struct):
    """How a kite is."""

    flying: bool = False


REST = "kites.example.com/more-colors"
"""Annotation for the colors that v1beta1 cannot say."""


def to_v1(obj: Object) -> Object:
    spec = {name: value for name, value in obj.get("spec", {}).items() if name != "color"}
    annotations = {**obj["metadata"].get("annotations", {})}
    rest = annotations.pop(REST, "")
    color = obj.get("spec", {}).get("color")
    colors = ([color] if color else []) + (rest.split(",") if rest else [])
    meta = {name: value for name, value in obj["metadata"].items() if name != "annotations"}
    return {**obj, "metadata": {**meta, **({"annotations": annotations} if annotations else {})}, "spec": {**spec, **({"colors": colors} if colors else {})}}


def from_v1(obj: Object) -> Object:
    spec = {name: value for name, value in obj.get("spec", {}).items() if name != "colors"}
    first, *rest = obj.get("spec", {}).get("colors") or [""]
    annotations = {**obj["metadata"].get("annotations", {}), **({REST: ",".join(rest)} if rest else {})}
    meta = {**obj["metadata"], **({"annotations": annotations} if annotations else {})}
    return {**obj, "metadata": meta, "spec": {**spec, **({"color": first} if first else {})}}


def kinds() -> list[Resource]:
    old = "kites.example.com/v1alpha1 Kite is deprecated; use kites.example.com/v1 Kite"
    versions = (
        Version("v1", SpecV1, Status, columns=({"name": "Size", "type": "integer", "jsonPath": ".spec.size"},)),
        Version("v1beta1", SpecV1Beta1, Status, to_v1, from_v1),
        Version("v1alpha1", SpecV1Beta1, Status, to_v1, from_v1, deprecated=old),
    )
    return [Resource("kites.example.com", "Kite", "kites", "v1", versions, short_names=("ki",))]

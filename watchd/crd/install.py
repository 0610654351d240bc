"""From a CustomResourceDefinition to the Kind that it defines."""

from __future__ import annotations

from typing import Any

from conversion.gvk import version_priority
from watchd.crd.definitions import storage_version
from watchd.registry.kind import Kind, Names, Scale, Version
from watchd.registry.strategy import Strategy

Object = dict[str, Any]


class CustomStrategy(Strategy):
    """The rules of every custom kind; what its schema demands is not the strategy's business."""

    unconditional_update = False
    generation = True
    status_reset = True


def kind_of(definition: Object) -> Kind:
    """Return the Kind that a definition makes. Pure; takes definitions that have been validated and defaulted.

    The names are those that were accepted. Versions are in the order of preference; all are there, also those that
    are not served, since objects may be stored at them.
    """
    spec, metadata = definition["spec"], definition["metadata"]
    names = definition["status"]["acceptedNames"]
    versions = sorted(spec["versions"], key=lambda version: version_priority(version["name"]))
    return Kind(
        group=spec["group"],
        names=Names(
            plural=names["plural"],
            kind=names["kind"],
            singular=names.get("singular", ""),
            list_kind=names.get("listKind", ""),
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
        ),
        versions=tuple(_version(version, spec) for version in versions),
        hub=storage_version(spec),
        namespaced=spec["scope"] == "Namespaced",
        strategy=CustomStrategy(),
        custom=True,
        uid=metadata.get("uid", ""),
    )


def _version(version: Object, spec: Object) -> Version:
    subresources = version.get("subresources") or {}
    scale = subresources.get("scale")
    return Version(
        name=version["name"],
        served=bool(version.get("served")),
        deprecation_warning=deprecation_warning(version, spec),
        status="status" in subresources,
        scale=None
        if scale is None
        else Scale(scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath") or ""),
        schema=(version.get("schema") or {}).get("openAPIV3Schema"),
        selectable_fields=tuple(
            field["jsonPath"].removeprefix(".") for field in version.get("selectableFields") or ()
        ),
        columns=tuple(version.get("additionalPrinterColumns") or ()),
    )


def deprecation_warning(version: Object, spec: Object) -> str:
    """Return what requests to a version are warned of: the definition's text, or one that names a better version."""
    if not version.get("deprecated"):
        return ""
    given = version.get("deprecationWarning")
    if given is not None:
        return str(given)
    group, kind = spec["group"], spec["names"]["kind"]
    mine = version_priority(version["name"])
    better = sorted(
        version_priority(other["name"])
        for other in spec["versions"]
        if other.get("served") and not other.get("deprecated") and version_priority(other["name"]) < mine
    )
    text = f"{group}/{version['name']} {kind} is deprecated"
    return f"{text}; use {group}/{better[0][-1]} {kind}" if better else text

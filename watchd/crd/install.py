"""From a CustomResourceDefinition to the Kind that it defines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conversion.gvk import version_priority
from conversion.webhook import NewUid
from watchd.crd.conversion import Calls, no_calls, spokes, translations_of
from watchd.crd.definitions import storage_version
from watchd.registry.embedded import RULES
from watchd.registry.kind import Kind, Names, Scale, Version
from watchd.registry.strategy import Strategy, Warn
from watchd.schema.custom import CustomSchema, ScalePaths
from watchd.status import FieldError, go_quote

Object = dict[str, Any]


STANDARD_FINALIZERS = frozenset({"orphan", "foregroundDeletion", "kubernetes"})
"""Finalizers without a domain that are Kubernetes' own."""


class CustomStrategy(Strategy):
    """The rules of every custom kind; what its schemas demand is asked of them, by the apiVersion of the object."""

    unconditional_update = False
    generation = True
    status_reset = True

    def __init__(self, schemas: Mapping[str, CustomSchema]) -> None:
        """Take the schemas of the versions, by apiVersion."""
        self._schemas = schemas

    def default(self, obj: Object) -> None:
        """Fill in what the client left out, in place."""
        schema = self._schemas.get(obj["apiVersion"])
        if schema is not None:
            schema.compiled.default(obj)

    def default_applied(self, obj: Object) -> None:
        """Fill in what an apply left out, in place; a null that may not be is wrong there."""
        schema = self._schemas.get(obj["apiVersion"])
        if schema is not None:
            schema.compiled.fill(obj)

    def default_status(self, obj: Object) -> None:
        """Fill in what is left out of the status, in place."""
        schema = self._schemas.get(obj["apiVersion"])
        if schema is not None:
            schema.compiled.default_status(obj)

    def settle(self, obj: Object, *, defaults: bool = True) -> None:
        """Bring what was stored or converted to what its version's schema says now, in place."""
        schema = self._schemas.get(obj["apiVersion"])
        if schema is None:
            # That version is defined no more.
            return
        compiled = schema.compiled
        compiled.settle(obj)
        (compiled.default if defaults else compiled.drop_nulls)(obj)

    def skeleton(self, version: str) -> bytes:
        """Return a digest of what `settle` does to objects of a version."""
        for api_version, schema in self._schemas.items():
            if api_version.rpartition("/")[2] == version:
                return schema.skeleton
        return b""

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Return what is wrong with an object beyond its metadata, and warn of what is let pass."""
        schema = self._schemas.get(obj["apiVersion"])
        errors: list[FieldError] = []
        if schema is not None and old is None:
            errors = schema.compiled.validate(obj)
        elif schema is not None and old is not None:
            compiled = schema.compiled
            validate = compiled.validate_status if subresource == "status" else compiled.validate_update
            errors = validate(obj, old, warn)
        if not errors and not subresource:
            for text in finalizer_warnings(obj["metadata"], (old or {}).get("metadata") or {}):
                warn(text)
        return errors


def finalizer_warnings(meta: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is to be said of the names of finalizers that are new."""
    for name in sorted(set(meta.get("finalizers") or ()) - set(old.get("finalizers") or ())):
        if "/" not in name and name not in STANDARD_FINALIZERS:
            including = " including a path (/)" if "." in name else ""
            to_avoid = " to avoid accidental conflicts with other finalizer writers"
            yield f"metadata.finalizers: {go_quote(name)}: prefer a domain-qualified finalizer name{including}{to_avoid}"


def kind_of(definition: Object, calls: Calls = no_calls, new_uid: NewUid = str) -> Kind:
    """Return the Kind that a definition makes. Takes definitions that have been validated and defaulted.

    `calls` and `new_uid` serve conversion by webhook. The names are those that were accepted. Versions are in the order of preference; all are there, also those that
    are not served, since objects may be stored at them.
    """
    spec, metadata = definition["spec"], definition["metadata"]
    names = definition["status"]["acceptedNames"]
    listed = sorted(spec["versions"], key=lambda version: version_priority(version["name"]))
    versions = tuple(_version(version, spec) for version in listed)
    group = spec["group"]
    translations = translations_of(spec, calls, new_uid)
    schemas = {f"{group}/{version.name}": version.custom for version in versions if version.custom is not None}
    return Kind(
        group=group,
        names=Names(
            plural=names["plural"],
            kind=names["kind"],
            singular=names.get("singular", ""),
            list_kind=names.get("listKind", ""),
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
        ),
        versions=versions,
        hub=storage_version(spec) or "",
        namespaced=spec["scope"] == "Namespaced",
        own_strategy=CustomStrategy(schemas),
        spokes=spokes(spec, storage_version(spec) or "", translations),
        translations=translations,
        custom=True,
        uid=metadata.get("uid", ""),
    )


def _version(version: Object, spec: Object) -> Version:
    subresources = version.get("subresources") or {}
    found = subresources.get("scale")
    scale = None
    if found is not None:
        scale = Scale(found["specReplicasPath"], found["statusReplicasPath"], found.get("labelSelectorPath") or "")
    return Version(
        name=version["name"],
        served=bool(version.get("served")),
        deprecation_warning=deprecation_warning(version, spec),
        status="status" in subresources,
        scale=scale,
        custom=_schema(version, scale),
        selectable_fields=tuple(
            field["jsonPath"].removeprefix(".") for field in version.get("selectableFields") or ()
        ),
        columns=tuple(version.get("additionalPrinterColumns") or ()),
    )


def _schema(version: Object, scale: Scale | None) -> CustomSchema | None:
    source = (version.get("schema") or {}).get("openAPIV3Schema")
    if source is None:
        return None
    paths = None if scale is None else ScalePaths(scale.spec_replicas, scale.status_replicas, scale.label_selector)
    return CustomSchema(source, RULES, scale=paths)


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

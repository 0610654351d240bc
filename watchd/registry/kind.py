"""A kind is data: group, names, versions, what can be done with it."""

from __future__ import annotations

from typing import Any

import attrs

from conversion.gvk import GroupVersion, GroupVersionKind, GroupVersionResource
from watchd.registry.strategy import Strategy

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
"""Verbs of a built-in collection, in the order discovery lists them."""

SUBRESOURCE_VERBS = ("get", "patch", "update")
"""Verbs of status and scale."""


@attrs.frozen
class Names:
    """What a kind is called."""

    plural: str
    kind: str
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Fill in the conventional forms."""
        if not self.singular:
            object.__setattr__(self, "singular", self.kind.lower())
        if not self.list_kind:
            object.__setattr__(self, "list_kind", f"{self.kind}List")


@attrs.frozen
class Scale:
    """Where the scale subresource finds its values (JSON paths)."""

    spec_replicas: str
    status_replicas: str
    label_selector: str = ""


@attrs.frozen
class Version:
    """A served version of a kind."""

    name: str
    served: bool = True
    deprecation_warning: str = ""
    """The Warning header's text, or empty where the version is not deprecated."""
    status: bool = False
    """Whether there is a status subresource."""
    scale: Scale | None = None
    schema: Any = None
    """The OpenAPI v3 schema of the whole object, or None where nothing is known."""
    selectable_fields: tuple[str, ...] = ()
    """Paths that field selectors may name, beside metadata.name and metadata.namespace (`spec.color`)."""
    columns: tuple[Any, ...] = ()
    """additionalPrinterColumns as the definition has them."""


@attrs.frozen
class Kind:
    """A kind that the server knows."""

    group: str
    names: Names
    versions: tuple[Version, ...]
    """In order of preference."""
    hub: str
    """The version that is stored."""
    namespaced: bool = True
    strategy: Strategy = attrs.field(factory=Strategy)
    custom: bool = False
    """Defined by a CustomResourceDefinition."""
    storage_name: str = ""
    """What the log calls it: the group-resource, shared by kinds that are one object under two groups."""
    uid: str = ""
    """Of the CustomResourceDefinition."""
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[str, ...] = ()
    """Beside status and scale (`finalize`)."""

    def __attrs_post_init__(self) -> None:
        """Name the storage after the group-resource unless told otherwise."""
        if not self.storage_name:
            object.__setattr__(self, "storage_name", f"{self.names.plural}.{self.group}".rstrip("."))

    def version(self, name: str) -> Version | None:
        """Return a version by name, served or not."""
        for version in self.versions:
            if version.name == name:
                return version
        return None

    def gvk(self, version: str) -> GroupVersionKind:
        """Return the GroupVersionKind of a version."""
        return GroupVersionKind(self.group, version, self.names.kind)

    def gvr(self, version: str) -> GroupVersionResource:
        """Return the GroupVersionResource of a version."""
        return GroupVersionResource(self.group, version, self.names.plural)

    def api_version(self, version: str) -> str:
        """Return the apiVersion of a version."""
        return str(GroupVersion(self.group, version))

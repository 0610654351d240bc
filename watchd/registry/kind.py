"""A kind is data: group, names, versions, what can be done with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

import msgspec
import orjson

from conversion.gvk import GroupVersionKind, GroupVersionResource
from conversion.hub import Hub, Spoke
from conversion.webhook import Translations
from watchd.registry.managed.manager import FieldManager
from watchd.registry.managed.tracking import field_manager
from watchd.registry.schemas import whole
from watchd.registry.strategy import Strategy
from watchd.schema.custom import CustomSchema
from watchd.schema.typed import prune_and_check

Object = dict[str, Any]

EPOCH_BYTES = 8
"""Length of a schema epoch: enough that two epochs of one kind never meet."""

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
"""Verbs of a built-in collection, in the order discovery lists them."""

SUBRESOURCE_VERBS = ("get", "patch", "update")
"""Verbs of status and scale."""


class Names(msgspec.Struct, frozen=True):
    """What a kind is called."""

    plural: str
    kind: str
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Fill in the conventional forms."""
        if not self.singular:
            msgspec.structs.force_setattr(self, "singular", self.kind.lower())
        if not self.list_kind:
            msgspec.structs.force_setattr(self, "list_kind", f"{self.kind}List")


class Scale(msgspec.Struct, frozen=True):
    """Where the scale subresource finds its values (JSON paths)."""

    spec_replicas: str
    status_replicas: str
    label_selector: str = ""
    labels: bool = False
    """Whether the selector is a LabelSelector, or a map of labels, and no text."""


class Subresource(msgspec.Struct, frozen=True):
    """A subresource beside status and scale."""

    name: str
    verbs: tuple[str, ...] = SUBRESOURCE_VERBS
    group: str = ""
    version: str = ""
    kind: str = ""
    """Of its own objects; empty where they are those of the resource."""


class Behaviour(Protocol):
    """What a built-in kind does and shows, read when it is first asked for."""

    def strategy(self) -> Strategy:
        """Return the kind's strategy."""

    def columns(self) -> tuple[Any, ...]:
        """Return what the kind shows in a Table (watchd.registry.columns.Column), nothing where it has no columns of its own."""


class Version(msgspec.Struct, frozen=True):
    """A served version of a kind."""

    name: str
    served: bool = True
    deprecation_warning: str = ""
    """The Warning header's text, or empty where the version is not deprecated."""
    removed_release: str = ""
    """The release that serves a deprecated version no more, for the metric of those that are asked for; empty where there is none."""
    orphans: bool = False
    """Whether a delete at this version that says nothing of dependents leaves them behind, as versions of old do."""
    status: bool = False
    """Whether there is a status subresource."""
    scale: Scale | None = None
    component: str = ""
    """The name of a built-in kind's schema (watchd.registry.schemas)."""
    own_schema: Any = None
    """Of the whole object, where it is no built-in kind's."""
    custom: CustomSchema | None = None
    """What a custom kind's schema does to its objects."""
    selectable_fields: tuple[str, ...] = ()
    """Paths that field selectors may name, beside metadata.name and metadata.namespace (`spec.color`)."""
    columns: tuple[Any, ...] = ()
    """additionalPrinterColumns as the definition has them."""

    @property
    def schema(self) -> Any:
        """The OpenAPI v3 schema of the whole object, or None where nothing is known."""
        if self.custom is not None:
            return self.custom.raw
        return whole(self.component) if self.component else self.own_schema


class Kind(msgspec.Struct, frozen=True, eq=False, dict=True, weakref=True):
    """A kind that the server knows."""

    group: str
    names: Names
    versions: tuple[Version, ...]
    """In order of preference."""
    hub: str
    """The version that is stored."""
    namespaced: bool = True
    own_strategy: Strategy | None = None
    """Where it is no built-in kind's."""
    custom: bool = False
    """Defined by a CustomResourceDefinition, or by a package in its way (watchd.extension)."""
    storage_name: str = ""
    """What the log calls it: the group-resource, shared by kinds that are one object under two groups."""
    uid: str = ""
    """Of the CustomResourceDefinition; empty where there is none."""
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    """Beside status and scale."""
    virtual: bool = False
    """Whether nothing is stored: reviews are answered and forgotten."""
    behaviour: Behaviour | None = None
    """Of a built-in kind, where strategy and columns are not given."""
    own_columns: tuple[Any, ...] = ()
    """Where they are no built-in kind's."""
    spokes: Mapping[str, Spoke] = msgspec.field(default_factory=dict)
    """How versions reach the stored form and come back. One that is missing differs in its apiVersion only."""
    translations: Translations | None = None
    """What a webhook made of the objects, where versions are converted by one: to be fetched before they are asked for."""
    stored_as: GroupVersionKind | None = None
    """What stored bytes say they are, where that is not this group's hub version (events.k8s.io Events are stored as core Events)."""
    stored_fields: tuple[str, ...] = ()
    """Fields that the stored header carries beside the selectable ones: those of the other kind that shares the storage."""
    siblings: list[Kind] = msgspec.field(default_factory=list)
    """The other kinds that share the storage, filled in by whoever makes them: owners of fields may have written through one of them."""

    def __post_init__(self) -> None:
        """Name the storage after the group-resource unless told otherwise."""
        if not self.storage_name:
            msgspec.structs.force_setattr(self, "storage_name", f"{self.names.plural}.{self.group}".rstrip("."))

    @cached_property
    def strategy(self) -> Strategy:
        """The rules of the kind."""
        if self.own_strategy is not None:
            return self.own_strategy
        return Strategy() if self.behaviour is None else self.behaviour.strategy()

    @cached_property
    def columns(self) -> tuple[Any, ...]:
        """What a built-in kind shows in a Table (watchd.registry.columns.Column)."""
        return self.own_columns if self.behaviour is None else self.behaviour.columns()

    def blank(self, version: str, metadata: Object) -> Object:
        """Return an object of which nothing is said but its metadata: a built-in kind's has Go's zero values."""
        obj: Object = {"kind": self.names.kind, "apiVersion": self.api_version(version), "metadata": metadata}
        found = self.version(version)
        if found is not None and found.component:
            prune_and_check(obj, found.schema)
        return obj

    def drop_status(self, obj: Object, version: str) -> None:
        """Take from a new object, in place, the status that its writer has no say in: a built-in kind's is Go's zero value then."""
        obj.pop("status", None)
        if version not in self._zero_statuses:
            self._zero_statuses[version] = self._zero_status(version)
        zero = self._zero_statuses[version]
        if zero:
            obj["status"] = orjson.loads(zero)

    @cached_property
    def _zero_statuses(self) -> dict[str, bytes]:
        """The status of new objects by version, of those that were asked for; empty where there is none."""
        return {}

    def _zero_status(self, name: str) -> bytes:
        version = self.version(name)
        schema = version.schema if version is not None and version.component else None
        status = (schema or {}).get("properties", {}).get("status")
        empty: Object = {}
        if status is not None:
            prune_and_check(empty, {"type": "object", "properties": {"status": status}, "title": self.names.kind})
        return orjson.dumps(empty["status"]) if "status" in empty else b""

    @property
    def home(self) -> Kind:
        """The kind as which the objects are stored: itself, but where it shares another one's storage."""
        return self if self.stored_as is None else next((kind for kind in self.siblings if kind.stored_as is None), self)

    def subresource(self, name: str) -> Subresource | None:
        """Return a subresource beside status and scale by its name."""
        return next((sub for sub in self.subresources if sub.name == name), None)

    @cached_property
    def hub_gvk(self) -> GroupVersionKind:
        """What stored bytes say they are."""
        return self.stored_as or self.gvk(self.hub)

    @cached_property
    def selectable_fields(self) -> tuple[str, ...]:
        """All fields whose values the stored header carries: the strategy's and each version's."""
        found = dict.fromkeys((*self.stored_fields, *self.strategy.selectable_fields))
        for version in self.versions:
            found.update(dict.fromkeys(version.selectable_fields))
        return tuple(found)

    @cached_property
    def epoch(self) -> bytes:
        """Digest of what stored bytes and headers depend on: while it is current they are trusted undecoded (DESIGN section 4)."""
        parts = [str(self.hub_gvk), self.selectable_fields, self.strategy.skeleton(self.hub).hex()]
        return hashlib.blake2b(orjson.dumps(parts), digest_size=EPOCH_BYTES).digest()

    @cached_property
    def managers(self) -> FieldManager:
        """What tracks who owns which field of the objects."""
        return field_manager(self)

    def is_hub(self, version: str) -> bool:
        """Tell whether stored bytes can be served at a version as they are."""
        return self.gvk(version) == self.hub_gvk

    @cached_property
    def _hub(self) -> Hub:
        spokes = {version.name: self.spokes.get(version.name, Spoke()) for version in self.versions}
        return Hub(self.group, self.names.kind, self.hub_gvk, spokes)

    def reworded(self, obj: Object, source: str, target: str, other: Kind | None = None) -> Object:
        """Convert from one version to another, of a sibling if given, and leave it at that: what the other's schema does not know stays.

        For the owners of fields, which the reference looks for so. The result shares nothing with the object.
        Raises ConversionError.
        """
        kind = other or self
        hub: Object = orjson.loads(orjson.dumps(self._hub.to_hub(obj, source)))
        return hub if kind.is_hub(target) else kind._hub.from_hub(hub, target)  # noqa: SLF001 - of its own class

    def to_hub(self, obj: Object, version: str) -> Object:
        """Convert from a version to the stored form, as the hub's schema has it.

        The result may share parts of the input, which is not changed. Raises ConversionError.
        """
        out = self._hub.to_hub(obj, version)
        if self._alike(version):
            return out
        copied: Object = orjson.loads(orjson.dumps(out))
        self.strategy.settle(copied)
        return copied

    def from_hub(self, obj: Object, version: str) -> Object:
        """Convert from the stored form to a version. Takes over the object. Raises ConversionError.

        What the version's schema does not know goes; its defaults are those of objects that come in at it, and are not
        filled in here, as in the reference.
        """
        out = self._hub.from_hub(obj, version)
        if not self._alike(version):
            self.strategy.settle(out, defaults=False)
        return out

    def differs_in_name(self, version: str) -> bool:
        """Tell whether a version is no hub, but what is stored needs another apiVersion only to be an object of it."""
        return not self.is_hub(version) and version not in self.spokes and self._alike(version)

    def _alike(self, version: str) -> bool:
        """Tell whether a version's schema treats objects as the hub's does."""
        return self.strategy.skeleton(version) == self.strategy.skeleton(self.hub)

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
        return f"{self.group}/{version}" if self.group else version

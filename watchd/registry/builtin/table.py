"""The table of built-in kinds: what kinds.json and `removed` say of each, and where its behaviour is found.

What a kind does beside being stored stands in the package of its group (`core`, `apps`, ...): STRATEGIES and COLUMNS by
plural name the modules, which are imported when the kind is first used. A kind that is in neither is stored, and that is all.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from conversion.gvk import GroupVersion, GroupVersionKind
from conversion.hub import Hub, Spoke
from watchd.registry.builtin.core.event import ALL_FIELDS, STORAGE_NAME, from_core, to_core
from watchd.registry.builtin.deprecations import deprecation
from watchd.registry.builtin.facts import with_facts
from watchd.registry.builtin.removed import home_of, orphans, with_removed
from watchd.registry.builtin.spokes import CONVERTED, SHAPES, shape, spoke
from watchd.registry.builtin.stages import Runtime, Served, decide, is_stable
from watchd.registry.columns import Column
from watchd.registry.kind import Kind, Names, Scale, Subresource, Version
from watchd.registry.strategy import Strategy

Entry = dict[str, Any]

Object = dict[str, Any]

PACKAGES = {"apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis", "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis"}
"""Where schemas of groups are that do not stand in `io.k8s.api`."""

PACKAGE_NAMES = {
    "": "core",
    "rbac.authorization.k8s.io": "rbac",
    "flowcontrol.apiserver.k8s.io": "flowcontrol",
    "internal.apiserver.k8s.io": "apiserverinternal",
}
"""Go packages of groups that are not called after their group's first label."""

ELSEWHERE = frozenset({("apiextensions.k8s.io", "customresourcedefinitions")})
"""Kinds that stand in packages of their own."""

WITHOUT_STORAGE = frozenset({("", "bindings"), ("", "componentstatuses")})
"""Resources that are no objects of the store, beside those that can only be created."""

SCALE = Scale(".spec.replicas", ".status.replicas", ".spec.selector", labels=True)
"""Where built-in kinds have what their scale shows."""

UNSTABLE = ("alpha", "beta")
"""Parts of the names of versions that are not served unless they are asked for."""


UNCONVERTED = frozenset(
    {
        ("certificates.k8s.io", "v1beta1", "podcertificaterequests"),
        ("resource.k8s.io", "v1beta1", "resourceclaims"),
        ("resource.k8s.io", "v1beta1", "resourceclaimtemplates"),
        ("resource.k8s.io", "v1beta1", "resourceslices"),
    }
)
"""Resources at versions of another shape than their hub's, for which there are no functions: they are not served."""


class Behaviour(msgspec.Struct, frozen=True):
    """What a kind does, read when it is first asked for."""

    group: str
    plural: str
    """Of the kind as which the objects are stored."""
    hub: Hub | None = None
    """The versions, where some of them have a Shape."""
    shapes: Mapping[str, str] = msgspec.field(default_factory=dict)
    """The Shapes by version, as `spokes.SHAPES` names them."""

    def _package(self) -> Any:
        return import_module(f"watchd.registry.builtin.{package_of(self.group)}")

    def strategy(self) -> Strategy:
        """Return the kind's strategy."""
        module: str | None = self._package().STRATEGIES.get(self.plural)
        if module is None:
            rules = Strategy()
        else:
            found: Strategy | Mapping[str, Strategy] = import_module(f"{self._package().__name__}.{module}").STRATEGY
            rules = found[self.plural] if isinstance(found, Mapping) else found
        rules = with_facts(rules, self.group, self.plural)
        if self.hub is None:
            return rules
        versioned = import_module("watchd.registry.builtin.versioned")
        shapes = {version: partial(shape, reference) for version, reference in self.shapes.items()}
        made: Strategy = versioned.Versioned(rules, self.hub, shapes)
        return made

    def columns(self) -> tuple[Column, ...]:
        """Return what the kind shows in a Table, or nothing where it has no columns of its own."""
        module: str | None = self._package().COLUMNS.get(self.plural)
        if module is None:
            return ()
        found: tuple[Column, ...] | Mapping[str, tuple[Column, ...]] = import_module(f"{self._package().__name__}.{module}").COLUMNS
        columns = found[self.plural] if isinstance(found, Mapping) else found
        if self.hub is None or not CONVERTED & set(self.shapes.values()):
            return columns
        made: tuple[Column, ...] = import_module("watchd.registry.builtin.versioned").columns_at_hub(columns, self.hub)
        return made


def package_of(group: str) -> str:
    """Return the name of the package, here and in Go, of a group."""
    return PACKAGE_NAMES.get(group, group.partition(".")[0])


def component_of(group: str, version: str, kind: str) -> str:
    """Return the name of a kind's schema (`io.k8s.api.core.v1.Pod`)."""
    return f"{PACKAGES.get(group, 'io.k8s.api')}.{package_of(group)}.{version}.{kind}"


def load(runtime: Runtime | None = None) -> tuple[Kind, ...]:
    """Return the kinds of which a version is served, in the order of discovery, each with all its versions.

    Kinds with a stable version are there in any case: objects of theirs may be stored, and the server's own controllers need them.

    Args:
        runtime: keys and values of `--runtime-config`.

    Raises ConfigError for what cannot be served.
    """
    entries = _entries()
    served = _served(runtime or {}, entries)
    grouped: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        grouped.setdefault((entry["group"], entry["resource"]), []).append(entry)
    hubs = {key: found[0] for key, found in grouped.items()}
    kinds = [_kind(*key, found, hubs, served) for key, found in grouped.items() if key not in ELSEWHERE]
    for kind in kinds:
        kind.siblings.extend(other for other in kinds if other.storage_name == kind.storage_name and other is not kind and not kind.virtual)
    return tuple(kind for kind in kinds if any(version.served or is_stable(version.name) for version in kind.versions))


def staged(kind: Kind, runtime: Runtime) -> Kind:
    """Return a kind that stands in a package of its own with the versions served that are asked for. Raises ConfigError."""
    served = _served(runtime, _entries())
    versions = (msgspec.structs.replace(version, served=served(kind.group, version.name, kind.names.plural)) for version in kind.versions)
    return msgspec.structs.replace(kind, versions=tuple(versions))


def _entries() -> list[Entry]:
    """Return what is said of all resources at all versions that can be served."""
    decoded: list[Entry] = msgspec.json.decode(Path(__file__).with_name("kinds.json").read_bytes())
    return [entry for entry in with_removed(decoded) if (entry["group"], entry["version"], entry["resource"]) not in UNCONVERTED]


def _served(runtime: Runtime, entries: list[Entry]) -> Served:
    return decide(runtime, {(entry["group"], entry["version"]) for entry in entries})


def _kind(group: str, plural: str, entries: list[Entry], hubs: Mapping[tuple[str, str], Entry], served: Served) -> Kind:
    """Make a kind of what is said of it at each version, the preferred one first."""
    first, home = entries[0], home_of(group, plural)
    stored = _gvk(hubs[home])
    kind = Kind(
        group=group,
        names=Names(plural, first["kind"], first["singular"], "", tuple(first["shortNames"]), tuple(first["categories"])),
        versions=tuple(_version(entry, served) for entry in entries),
        hub=first["version"],
        namespaced=first["namespaced"],
        verbs=tuple(first["verbs"]),
        subresources=tuple(
            Subresource(sub["name"], tuple(sub["verbs"]), *((sub["group"], sub["version"], sub["kind"]) if sub["kind"] != first["kind"] else ()))
            for sub in first["subresources"]
            if sub["name"] not in ("status", "scale")
        ),
        virtual=first["verbs"] == ["create"] or (group, plural) in WITHOUT_STORAGE,
        behaviour=Behaviour(*home),
        storage_name="" if home == (group, plural) else f"{home[1]}.{home[0]}",
        stored_as=None if home == (group, plural) else stored,
    )
    if (group, plural) in SHARED:
        return msgspec.structs.replace(kind, **SHARED[group, plural])
    shapes = SHAPES.get((group, plural), {})
    if not shapes and home == (group, plural):
        return kind
    spokes = {
        version: spoke(reference, component_of(group, version, first["kind"]), component_of(stored.group, stored.version, stored.kind))
        for version, reference in shapes.items()
        if reference in CONVERTED
    }
    hub = Hub(group, first["kind"], stored, {version.name: spokes.get(version.name, Spoke()) for version in kind.versions})
    return msgspec.structs.replace(kind, spokes=spokes, behaviour=Behaviour(*home, hub, shapes))


def _gvk(entry: Entry) -> GroupVersionKind:
    return GroupVersionKind(entry["group"], entry["version"], entry["kind"])


def _version(entry: Entry, served: Served) -> Version:
    subresources = {sub["name"] for sub in entry["subresources"]}
    told = deprecation(str(GroupVersion(entry["group"], entry["version"])), entry["kind"])
    return Version(
        entry["version"],
        served=served(entry["group"], entry["version"], entry["resource"]),
        status="status" in subresources,
        scale=SCALE if "scale" in subresources else None,
        component=component_of(entry["group"], entry["version"], entry["kind"]),
        deprecation_warning="" if told is None else told.warning,
        removed_release="" if told is None else told.removed_release,
        orphans=orphans(entry["group"], entry["version"], entry["resource"]),
    )


def _scaler_to_v2(obj: Entry) -> Entry:
    """Convert a HorizontalPodAutoscaler at autoscaling/v1; what that takes is imported when it is first done."""
    found: Entry = import_module("watchd.registry.builtin.autoscaling.conversion").to_v2(obj)
    return found


def _scaler_from_v2(obj: Entry) -> Entry:
    """Convert a HorizontalPodAutoscaler to autoscaling/v1."""
    found: Entry = import_module("watchd.registry.builtin.autoscaling.conversion").from_v2(obj)
    return found


SHARED: dict[tuple[str, str], dict[str, Any]] = {
    ("", "events"): {"storage_name": STORAGE_NAME, "stored_fields": ALL_FIELDS},
    ("events.k8s.io", "events"): {
        "storage_name": STORAGE_NAME,
        "stored_fields": ALL_FIELDS,
        "stored_as": GroupVersionKind("", "v1", "Event"),
        "spokes": {"v1": Spoke(to_core, from_core)},
    },
    ("autoscaling", "horizontalpodautoscalers"): {"spokes": {"v1": Spoke(_scaler_to_v2, _scaler_from_v2)}},
}
"""What kinds have that are stored as something else: Events are one object under two groups, whose core form is stored."""

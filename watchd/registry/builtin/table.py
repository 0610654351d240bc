"""The table of built-in kinds: what kinds.json says of each, and where its behaviour is found.

What a kind does beside being stored stands in the package of its group (`core`, `apps`, ...): STRATEGIES and COLUMNS by
plural name the modules, which are imported when the kind is first used. A kind that is in neither is stored, and that is all.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.resources import files
from typing import Any

import attrs
import msgspec

from conversion.gvk import GroupVersionKind
from conversion.hub import Spoke
from watchd.registry.builtin.core.event import ALL_FIELDS, STORAGE_NAME, from_core, to_core
from watchd.registry.builtin.facts import with_facts
from watchd.registry.columns import Column
from watchd.registry.kind import Kind, Names, Scale, Subresource, Version
from watchd.registry.strategy import Strategy

Entry = dict[str, Any]

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

DEPRECATED = {
    ("", "v1", "componentstatuses"): "v1 ComponentStatus is deprecated in v1.19+",
    ("", "v1", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}
"""What clients of a resource are warned of."""

SCALE = Scale(".spec.replicas", ".status.replicas", ".spec.selector", labels=True)
"""Where built-in kinds have what their scale shows."""

UNSTABLE = ("alpha", "beta")
"""Parts of the names of versions that are not served unless they are asked for."""


@attrs.frozen
class Behaviour:
    """What a kind does, read when it is first asked for."""

    group: str
    plural: str

    def _package(self) -> Any:
        return import_module(f"watchd.registry.builtin.{package_of(self.group)}")

    def strategy(self) -> Strategy:
        """Return the kind's strategy."""
        module: str | None = self._package().STRATEGIES.get(self.plural)
        if module is None:
            return with_facts(Strategy(), self.group, self.plural)
        found: Strategy | Mapping[str, Strategy] = import_module(f"{self._package().__name__}.{module}").STRATEGY
        return with_facts(found[self.plural] if isinstance(found, Mapping) else found, self.group, self.plural)

    def columns(self) -> tuple[Column, ...]:
        """Return what the kind shows in a Table, or nothing where it has no columns of its own."""
        module: str | None = self._package().COLUMNS.get(self.plural)
        if module is None:
            return ()
        found: tuple[Column, ...] | Mapping[str, tuple[Column, ...]] = import_module(f"{self._package().__name__}.{module}").COLUMNS
        return found[self.plural] if isinstance(found, Mapping) else found


def package_of(group: str) -> str:
    """Return the name of the package, here and in Go, of a group."""
    return PACKAGE_NAMES.get(group, group.partition(".")[0])


def component_of(group: str, version: str, kind: str) -> str:
    """Return the name of a kind's schema (`io.k8s.api.core.v1.Pod`)."""
    return f"{PACKAGES.get(group, 'io.k8s.api')}.{package_of(group)}.{version}.{kind}"


def load() -> tuple[Kind, ...]:
    """Return all kinds of the table with the versions that are served unless told otherwise, in the order of discovery."""
    entries: list[Entry] = msgspec.json.decode(files("watchd.registry.builtin").joinpath("kinds.json").read_bytes())
    grouped: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if not any(word in entry["version"] for word in UNSTABLE):
            grouped.setdefault((entry["group"], entry["resource"]), []).append(entry)
    return tuple(_kind(*key, found) for key, found in grouped.items() if key not in ELSEWHERE)


def _kind(group: str, plural: str, entries: list[Entry]) -> Kind:
    """Make a kind of what is said of it at each version, the preferred one first."""
    first = entries[0]
    behaviour = Behaviour(group, plural)
    kind = Kind(
        group=group,
        names=Names(plural, first["kind"], first["singular"], "", tuple(first["shortNames"]), tuple(first["categories"])),
        versions=tuple(_version(entry) for entry in entries),
        hub=first["version"],
        namespaced=first["namespaced"],
        verbs=tuple(first["verbs"]),
        subresources=tuple(
            Subresource(sub["name"], tuple(sub["verbs"]), *((sub["group"], sub["version"], sub["kind"]) if sub["kind"] != first["kind"] else ()))
            for sub in first["subresources"]
            if sub["name"] not in ("status", "scale")
        ),
        virtual=first["verbs"] == ["create"] or (group, plural) in WITHOUT_STORAGE,
        behaviour=behaviour,
    )
    return attrs.evolve(kind, **SHARED[group, plural]) if (group, plural) in SHARED else kind


def _version(entry: Entry) -> Version:
    subresources = {sub["name"] for sub in entry["subresources"]}
    return Version(
        entry["version"],
        status="status" in subresources,
        scale=SCALE if "scale" in subresources else None,
        component=component_of(entry["group"], entry["version"], entry["kind"]),
        deprecation_warning=DEPRECATED.get((entry["group"], entry["version"], entry["resource"]), ""),
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

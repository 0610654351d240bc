"""Versions that the reference served once and does no more, and the alpha group of the classic example (batch/v2alpha1).

Verbs, short names and categories are those of the stable kind that stands in their place; schemas are in `schemas`, made by
watchd.registry.builtin.derive_removed. They are served where `--runtime-config` asks for them.
"""

from __future__ import annotations

from typing import Any

Entry = dict[str, Any]
"""As in kinds.json."""

REMOVED: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps", "v1beta2"): ("controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"),
    ("apps", "v1beta1"): ("controllerrevisions", "deployments", "statefulsets"),
    ("batch", "v1beta1"): ("cronjobs",),
    ("batch", "v2alpha1"): ("cronjobs", "jobs", "scheduledjobs"),
    ("networking.k8s.io", "v1beta1"): ("ingressclasses", "ingresses", "ipaddresses", "servicecidrs"),
    ("extensions", "v1beta1"): ("daemonsets", "deployments", "ingresses", "networkpolicies", "replicasets"),
    ("policy", "v1beta1"): ("poddisruptionbudgets",),
    ("rbac.authorization.k8s.io", "v1beta1"): ("clusterrolebindings", "clusterroles", "rolebindings", "roles"),
    ("storage.k8s.io", "v1beta1"): (
        "csidrivers",
        "csinodes",
        "csistoragecapacities",
        "storageclasses",
        "volumeattachments",
        "volumeattributesclasses",
    ),
    ("scheduling.k8s.io", "v1beta1"): ("priorityclasses",),
    ("coordination.k8s.io", "v1beta1"): ("leases",),
    ("node.k8s.io", "v1beta1"): ("runtimeclasses",),
    ("discovery.k8s.io", "v1beta1"): ("endpointslices",),
}
"""Plurals by group and version, the preferred version of a group first."""

HOMES: dict[tuple[str, str], tuple[str, str]] = {
    ("batch", "scheduledjobs"): ("batch", "cronjobs"),
    ("extensions", "daemonsets"): ("apps", "daemonsets"),
    ("extensions", "deployments"): ("apps", "deployments"),
    ("extensions", "ingresses"): ("networking.k8s.io", "ingresses"),
    ("extensions", "networkpolicies"): ("networking.k8s.io", "networkpolicies"),
    ("extensions", "replicasets"): ("apps", "replicasets"),
}
"""Kinds that are stored as another kind: it is one object under two names."""

ORPHANING: frozenset[tuple[str, str]] = frozenset(
    {("apps", "v1beta1"), ("apps", "v1beta2"), ("batch", "v1beta1"), ("batch", "v2alpha1"), ("extensions", "v1beta1")}
)
"""Versions at which a delete that says nothing of dependents leaves them behind, and the plurals below."""

OWNERS = frozenset({"cronjobs", "daemonsets", "deployments", "replicasets", "scheduledjobs", "statefulsets"})


def orphans(group: str, version: str, plural: str) -> bool:
    """Tell whether a delete at a version leaves dependents behind unless told otherwise (DefaultGarbageCollectionPolicy)."""
    return (group, version) in ORPHANING and plural in OWNERS


NAMED_OTHERWISE: dict[str, Entry] = {
    "scheduledjobs": {"kind": "ScheduledJob", "singular": "scheduledjob", "shortNames": [], "categories": []},
}
"""What differs in the names of a kind whose home has others."""

AFTER = {"extensions": "networking.k8s.io"}
"""Groups that come no more in the reference's documents, and behind which one they stand: clients that look for a resource in
any group are to find the stable one first, as it was from release 1.16 on."""


def home_of(group: str, plural: str) -> tuple[str, str]:
    """Return group and plural of the kind as which objects are stored."""
    return HOMES.get((group, plural), (group, plural))


def with_removed(entries: list[Entry]) -> list[Entry]:
    """Return the entries of kinds.json and those of versions that have been removed, in the order of discovery's groups."""
    stable: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        stable.setdefault((entry["group"], entry["resource"]), entry)
    out = list(entries)
    for (group, version), plurals in REMOVED.items():
        made = [_entry(group, version, plural, stable[home_of(group, plural)]) for plural in plurals]
        before = AFTER.get(group, group)
        place = max(index for index, entry in enumerate(out) if entry["group"] in (before, group)) + 1
        out[place:place] = made
    return out


def _entry(group: str, version: str, plural: str, stable: Entry) -> Entry:
    return {**stable, "group": group, "version": version, "resource": plural, **NAMED_OTHERWISE.get(plural, {})}

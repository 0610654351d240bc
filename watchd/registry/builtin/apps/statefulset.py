"""StatefulSet: replicas of a pod template with names and volumes of their own."""

from __future__ import annotations

from typing import Any

from watchd.registry import formats
from watchd.registry.builtin.apps.workload import (
    APPS,
    WorkloadStrategy,
    containers_of,
    kept_running,
    pod_columns,
    ready,
    strict_selector,
    template_problems,
    too_many,
)
from watchd.registry.builtin.common.fields import (
    amount_of,
    at_most_all,
    immutable,
    int_or_percent,
    invalid,
    nonnegative,
    nonnegatives,
    one_of,
)
from watchd.registry.builtin.common.internal import internal
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import NameFormat, Object
from watchd.status import FieldError

ROLLING, ON_DELETE = "RollingUpdate", "OnDelete"
ORDERED, PARALLEL = "OrderedReady", "Parallel"
RETAIN, DELETE = "Retain", "Delete"

REPLICAS = 1
HISTORY = 10
"""Old revisions that are kept."""

FIXED = ("selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy")
"""Fields of the spec that never change."""


class StatefulSetStrategy(WorkloadStrategy):
    """The rules of StatefulSet."""

    names_hosts = False
    kind = "StatefulSet"
    name_format = NameFormat.LABEL
    counts = (
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    )

    def default_spec(self, spec: Object) -> None:
        """Fill in replicas, the ways of starting and rolling on, what becomes of claims, and the history."""
        spec.setdefault("podManagementPolicy", ORDERED)
        strategy = spec.setdefault("updateStrategy", {})
        if not strategy.get("type"):
            strategy["type"] = ROLLING
            strategy.setdefault("rollingUpdate", {})
        if strategy["type"] == ROLLING and strategy.get("rollingUpdate") is not None:
            strategy["rollingUpdate"].setdefault("partition", 0)
            strategy["rollingUpdate"].setdefault("maxUnavailable", 1)
        retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
        retention.setdefault("whenDeleted", RETAIN)
        retention.setdefault("whenScaled", RETAIN)
        spec.setdefault("replicas", REPLICAS)
        spec.setdefault("revisionHistoryLimit", HISTORY)
        for claim in spec.get("volumeClaimTemplates", ()):
            _default_claim(claim)

    def spec_problems(self, spec: Object) -> list[FieldError]:
        """Check policies, numbers, selector and template."""
        out = _management(spec) + _strategy(spec.get("updateStrategy", {}), "spec.updateStrategy")
        for name in ("whenDeleted", "whenScaled"):
            path = f"spec.persistentVolumeClaimRetentionPolicy.{name}"
            out += one_of(spec["persistentVolumeClaimRetentionPolicy"].get(name, ""), (RETAIN, DELETE), path)
        out += nonnegatives(spec, ("replicas", "minReadySeconds"), "spec")
        out += nonnegative(spec.get("ordinals", {}).get("start"), "spec.ordinals.start")
        service = spec.get("serviceName", "")
        if service:
            out += [invalid("spec.serviceName", service, text) for text in formats.dns1123_label(service)]
        out += strict_selector(spec, "statefulset")
        out += template_problems({**spec, "template": _as_started(spec)}, "StatefulSet", "")
        return out + kept_running(spec["template"]["spec"], "StatefulSet")

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the spec, most of which stands still; or the status alone."""
        if subresource == "status":
            return super().validate_update(obj, old, subresource)
        out = self.spec_problems(obj["spec"])
        for name in FIXED:
            out += immutable(obj["spec"].get(name), old["spec"].get(name), f"spec.{name}")
        return out

    def more_status_problems(self, status: Object) -> list[FieldError]:
        """Hold the parts of the replicas against their number."""
        names = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
        return too_many(status, names, "status.readyReplicas")


def _default_claim(claim: Object) -> None:
    claim.setdefault("apiVersion", "v1")
    claim.setdefault("kind", "PersistentVolumeClaim")
    claim["spec"].setdefault("volumeMode", "Filesystem")
    claim.setdefault("status", {}).setdefault("phase", "Pending")


def _management(spec: Object) -> list[FieldError]:
    policy = spec.get("podManagementPolicy", "")
    if policy in (ORDERED, PARALLEL):
        return []
    return [invalid("spec.podManagementPolicy", policy, f"must be '{ORDERED}' or '{PARALLEL}'")]


def _strategy(strategy: Object, path: str) -> list[FieldError]:
    kind, step = strategy.get("type"), strategy.get("rollingUpdate")
    where = f"{path}.rollingUpdate"
    if kind == ON_DELETE:
        return [] if step is None else [invalid(where, internal(step, f"{APPS}.RollingUpdateStatefulSetStrategy"), f"only allowed for updateStrategy '{ROLLING}'")]
    if kind != ROLLING:
        return [invalid(path, internal(strategy, f"{APPS}.StatefulSetUpdateStrategy"), f"must be '{ROLLING}' or '{ON_DELETE}'")]
    if step is None:
        return []
    out = nonnegative(step.get("partition"), f"{where}.partition")
    unavailable = step.get("maxUnavailable")
    if unavailable is not None:
        out += int_or_percent(unavailable, f"{where}.maxUnavailable")
        if amount_of(unavailable) == 0:
            out.append(invalid(f"{where}.maxUnavailable", unavailable, "cannot be 0"))
        out += at_most_all(unavailable, f"{where}.maxUnavailable")
    return out


def _as_started(spec: Object) -> Object:
    """Return the template as its pods are made of it: with the volumes of the claims, and names that the controller gives."""
    template: Object = spec["template"]
    pod: dict[str, Any] = {**template["spec"]}
    pod.pop("subdomain", None)
    pod.pop("hostname", None)
    names = [claim.get("metadata", {}).get("name", "") for claim in spec.get("volumeClaimTemplates", ())]
    if names:
        claimed = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in dict.fromkeys(names)]
        pod["volumes"] = claimed + [volume for volume in pod.get("volumes", ()) if volume.get("name") not in names]
    return {**template, "spec": pod}


STRATEGY = StatefulSetStrategy()

COLUMNS = (
    NAME,
    Column("Ready", ready, description="Number of the pod with ready state"),
    AGE,
    *pod_columns(containers_of),
)

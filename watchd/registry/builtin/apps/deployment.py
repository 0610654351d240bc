"""Deployment: replicas of a pod template, and how one revision makes place for the next."""

from __future__ import annotations

from watchd.registry.builtin.apps.workload import (
    APPS,
    WorkloadStrategy,
    containers_of,
    count,
    pod_columns,
    ready,
    revision_limit,
    strict_selector,
    template_problems,
    too_many,
)
from watchd.registry.builtin.common.fields import (
    amount_of,
    at_most_all,
    forbidden,
    int_or_percent,
    invalid,
    nonnegative,
    not_supported,
)
from watchd.registry.builtin.common.internal import internal
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object
from watchd.status import FieldError

ROLLING, RECREATE = "RollingUpdate", "Recreate"

REPLICAS = 1
HISTORY = 10
"""Old ReplicaSets that are kept."""
DEADLINE = 600
"""Seconds without progress after which a Deployment counts as failed."""
STEP = "25%"
"""Of the replicas: how many may be missing, and how many too many, while a Deployment rolls on."""


class DeploymentStrategy(WorkloadStrategy):
    """The rules of Deployment."""

    kind = "Deployment"
    status_keeps = ("spec", "metadata.labels")
    counts = (
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    )

    def default_spec(self, spec: Object) -> None:
        """Fill in replicas, the way of rolling on, history and deadline."""
        spec.setdefault("replicas", REPLICAS)
        strategy = spec.setdefault("strategy", {})
        if strategy.setdefault("type", ROLLING) == ROLLING:
            step = strategy.setdefault("rollingUpdate", {})
            step.setdefault("maxUnavailable", STEP)
            step.setdefault("maxSurge", STEP)
        spec.setdefault("revisionHistoryLimit", HISTORY)
        spec.setdefault("progressDeadlineSeconds", DEADLINE)

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Keep the labels from a write of the status; new annotations are a new generation."""
        super().prepare_update(obj, old, subresource)
        meta = obj["metadata"]
        if subresource == "status":
            meta.pop("labels", None)
            if "labels" in old["metadata"]:
                meta["labels"] = old["metadata"]["labels"]
        elif meta.get("annotations") != old["metadata"].get("annotations"):
            meta["generation"] = old["metadata"].get("generation", 0) + 1

    def spec_problems(self, spec: Object) -> list[FieldError]:
        """Check replicas, selector, template, strategy, times."""
        out = nonnegative(spec.get("replicas"), "spec.replicas") + strict_selector(spec, "deployment")
        out += template_problems(spec, "ReplicaSet", "invalid label selector")
        out += _strategy(spec.get("strategy", {}), "spec.strategy")
        out += nonnegative(spec.get("minReadySeconds"), "spec.minReadySeconds") + revision_limit(spec)
        deadline = spec.get("progressDeadlineSeconds")
        if deadline is not None:
            out += nonnegative(deadline, "spec.progressDeadlineSeconds")
            if deadline <= spec.get("minReadySeconds", 0):
                out.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
        return out

    def more_status_problems(self, status: Object) -> list[FieldError]:
        """Hold the parts of the replicas against their number."""
        return too_many(status, ("updatedReplicas", "readyReplicas", "availableReplicas"), "readyReplicas")


def _strategy(strategy: Object, path: str) -> list[FieldError]:
    step = strategy.get("rollingUpdate")
    if strategy.get("type") == RECREATE:
        why = f"may not be specified when strategy `type` is '{RECREATE}'"
        return [] if step is None else [forbidden(f"{path}.rollingUpdate", why)]
    if strategy.get("type") != ROLLING:
        return [not_supported(path, internal(strategy, f"{APPS}.DeploymentStrategy"), [RECREATE, ROLLING])]
    unavailable, surge = strategy["rollingUpdate"]["maxUnavailable"], strategy["rollingUpdate"]["maxSurge"]
    where = f"{path}.rollingUpdate"
    out = int_or_percent(unavailable, f"{where}.maxUnavailable") + int_or_percent(surge, f"{where}.maxSurge")
    if amount_of(unavailable) == 0 and amount_of(surge) == 0:
        out.append(invalid(f"{where}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    return out + at_most_all(unavailable, f"{where}.maxUnavailable")


STRATEGY = DeploymentStrategy()

COLUMNS = (
    NAME,
    Column("Ready", ready, description="Number of the pod with ready state"),
    Column("Up-to-date", count("status", "updatedReplicas"), field=(f"{APPS}.DeploymentStatus", "updatedReplicas")),
    Column("Available", count("status", "availableReplicas"), field=(f"{APPS}.DeploymentStatus", "availableReplicas")),
    AGE,
    *pod_columns(containers_of, (f"{APPS}.DeploymentSpec", "selector")),
)

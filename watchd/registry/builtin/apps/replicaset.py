"""ReplicaSet: so many replicas of one pod template."""

from __future__ import annotations

from watchd.registry.builtin.apps.workload import (
    APPS,
    WorkloadStrategy,
    containers_of,
    count,
    pod_columns,
    strict_selector,
    template_problems,
    too_many,
)
from watchd.registry.builtin.common.fields import nonnegatives
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object
from watchd.status import FieldError

REPLICAS = 1


class ReplicaSetStrategy(WorkloadStrategy):
    """The rules of ReplicaSet."""

    kind = "ReplicaSet"
    counts = (
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
        "terminatingReplicas",
    )

    def default_spec(self, spec: Object) -> None:
        """Fill in the replicas."""
        spec.setdefault("replicas", REPLICAS)

    def spec_problems(self, spec: Object) -> list[FieldError]:
        """Check replicas, selector and template."""
        out = nonnegatives(spec, ("replicas", "minReadySeconds"), "spec")
        # The reference says deployment here too.
        return out + strict_selector(spec, "deployment") + template_problems(spec, "ReplicaSet", "invalid label selector")

    def more_status_problems(self, status: Object) -> list[FieldError]:
        """Hold the parts of the replicas against their number."""
        return too_many(status, ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"), "readyReplicas")


STRATEGY = ReplicaSetStrategy()

COLUMNS = (
    NAME,
    Column("Desired", count("spec", "replicas"), type="integer", field=(f"{APPS}.ReplicaSetSpec", "replicas")),
    Column("Current", count("status", "replicas"), type="integer", field=(f"{APPS}.ReplicaSetStatus", "replicas")),
    Column("Ready", count("status", "readyReplicas"), type="integer", field=(f"{APPS}.ReplicaSetStatus", "readyReplicas")),
    AGE,
    *pod_columns(containers_of, (f"{APPS}.ReplicaSetSpec", "selector")),
)

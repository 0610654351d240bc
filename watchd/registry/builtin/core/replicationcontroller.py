"""ReplicationController: what ReplicaSet was before it; its selector is a map of labels."""

from __future__ import annotations

from watchd.registry.builtin.apps.workload import (
    MISMATCH,
    WorkloadStrategy,
    containers_of,
    count,
    kept_running,
    pod_columns,
    too_many,
)
from watchd.registry.builtin.common.fields import invalid, nonnegatives, required
from watchd.registry.builtin.core.podspec import default_pod_template
from watchd.registry.builtin.core.podvalidation import validate_pod_template
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object
from watchd.status import FieldError

CORE = "io.k8s.api.core.v1"
REPLICAS = 1


class ReplicationControllerStrategy(WorkloadStrategy):
    """The rules of ReplicationController."""

    selectable_fields = ("status.replicas",)
    orphans = " "
    counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")

    def default(self, obj: Object) -> None:
        """Select by the template's labels, and carry them, unless told otherwise."""
        spec = obj["spec"]
        template = spec.get("template")
        if template is not None:
            default_pod_template(template)
            labels = template.get("metadata", {}).get("labels")
            if labels and not spec.get("selector"):
                spec["selector"] = dict(labels)
            if labels and not obj["metadata"].get("labels"):
                obj["metadata"]["labels"] = dict(labels)
        spec.setdefault("replicas", REPLICAS)

    def spec_problems(self, spec: Object) -> list[FieldError]:
        """Check selector, replicas and template."""
        selector: dict[str, str] = spec.get("selector") or {}
        out = [] if selector else [required("spec.selector")]
        template = spec.get("template")
        if template is None:
            out.append(required("spec.template"))
        else:
            labels = template.get("metadata", {}).get("labels", {})
            if selector and not selector.items() <= labels.items():
                out.append(invalid("spec.template.metadata.labels", labels or None, MISMATCH))
            out += validate_pod_template(template, "spec.template")
            out += kept_running(template["spec"], "ReplicationController")
        return out + nonnegatives(spec, ("replicas", "minReadySeconds"), "spec")

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the spec, whose selector may change; or the status alone."""
        if subresource == "status":
            return super().validate_update(obj, old, subresource)
        return self.spec_problems(obj["spec"])

    def more_status_problems(self, status: Object) -> list[FieldError]:
        """Hold the parts of the replicas against their number."""
        return too_many(status, ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"), "readyReplicas")

    def fields(self, obj: Object) -> dict[str, str]:
        """Return the number of replicas."""
        return {"status.replicas": str(obj.get("status", {}).get("replicas", 0))}


def _selector(obj: Object) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((obj["spec"].get("selector") or {}).items())) or "<none>"


STRATEGY = ReplicationControllerStrategy()

COLUMNS = (
    NAME,
    Column("Desired", count("spec", "replicas"), type="integer", field=(f"{CORE}.ReplicationControllerSpec", "replicas")),
    Column("Current", count("status", "replicas"), type="integer", field=(f"{CORE}.ReplicationControllerStatus", "replicas")),
    Column("Ready", count("status", "readyReplicas"), type="integer", field=(f"{CORE}.ReplicationControllerStatus", "readyReplicas")),
    AGE,
    *pod_columns(containers_of, (f"{CORE}.ReplicationControllerSpec", "selector"), _selector),
)

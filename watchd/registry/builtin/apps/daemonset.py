"""DaemonSet: one pod on each node that fits."""

from __future__ import annotations

from watchd.registry.builtin.apps.workload import (
    APPS,
    MISMATCH,
    WorkloadStrategy,
    containers_of,
    count,
    kept_running,
    pod_columns,
    revision_limit,
)
from watchd.registry.builtin.common.fields import (
    amount_of,
    at_most_all,
    immutable,
    int_or_percent,
    invalid,
    nonnegatives,
    not_supported,
    required,
)
from watchd.registry.builtin.common.internal import internal
from watchd.registry.builtin.common.selectors import empty, matches, readable, selector_problems
from watchd.registry.builtin.core.podvalidation import validate_pod_template
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object
from watchd.registry.value import equal
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

ROLLING, ON_DELETE = "RollingUpdate", "OnDelete"
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
HISTORY = 10
"""Old revisions that are kept."""


class DaemonSetStrategy(WorkloadStrategy):
    """The rules of DaemonSet."""

    names_hosts = False
    kind = "DaemonSet"
    counts = (
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    )

    def default(self, obj: Object) -> None:
        """Fill in what template and spec leave out, and write the template's generation, which is a field inside the reference."""
        super().default(obj)
        obj["metadata"].setdefault("annotations", {}).setdefault(TEMPLATE_GENERATION, "0")

    def default_spec(self, spec: Object) -> None:
        """Fill in the way of rolling on and the history."""
        strategy = spec.setdefault("updateStrategy", {})
        if strategy.setdefault("type", ROLLING) == ROLLING:
            step = strategy.setdefault("rollingUpdate", {})
            step.setdefault("maxUnavailable", 1)
            step.setdefault("maxSurge", 0)
        spec.setdefault("revisionHistoryLimit", HISTORY)

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Begin with the first generation of the template."""
        super().prepare_create(obj, clock=clock, entropy=entropy)
        obj["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = "1"

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Count the generations of the template, in an annotation that clients cannot set."""
        super().prepare_update(obj, old, subresource)
        meta, before = obj["metadata"], old["metadata"].get("annotations", {}).get(TEMPLATE_GENERATION, "")
        number = int(before) if before.isdigit() else 0
        if not subresource and not equal(obj["spec"]["template"], old["spec"]["template"]):
            number += 1
        meta.setdefault("annotations", {})[TEMPLATE_GENERATION] = str(number)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the selector, which stands still, before the rest; or the status alone."""
        if subresource == "status":
            return super().validate_update(obj, old, subresource)
        held = immutable(obj["spec"].get("selector"), old["spec"].get("selector"), "spec.selector")
        return held + self.spec_problems(obj["spec"])

    def spec_problems(self, spec: Object) -> list[FieldError]:
        """Check selector, template and strategy."""
        selector, template = spec.get("selector"), spec["template"]
        labels = template.get("metadata", {}).get("labels", {})
        out = selector_problems(selector, "spec.selector")
        if readable(selector) and not matches(selector, labels):
            out.append(invalid("spec.template.metadata.labels", labels or None, MISMATCH))
        if selector is not None and empty(selector):
            out.append(invalid("spec.selector", selector, "empty selector is invalid for daemonset"))
        out += validate_pod_template(template, "spec.template") + kept_running(template["spec"], "DaemonSet")
        out += nonnegatives(spec, ("minReadySeconds",), "spec")
        return out + _strategy(spec.get("updateStrategy", {}), "spec.updateStrategy") + revision_limit(spec)


def _strategy(strategy: Object, path: str) -> list[FieldError]:
    if strategy.get("type") == ON_DELETE:
        return []
    if strategy.get("type") != ROLLING:
        return [not_supported(path, internal(strategy, f"{APPS}.DaemonSetUpdateStrategy"), [ROLLING, ON_DELETE])]
    unavailable, surge = strategy["rollingUpdate"]["maxUnavailable"], strategy["rollingUpdate"]["maxSurge"]
    first, second = f"{path}.rollingUpdate.maxUnavailable", f"{path}.rollingUpdate.maxSurge"
    out = int_or_percent(unavailable, first) + int_or_percent(surge, second)
    out += at_most_all(unavailable, first) + at_most_all(surge, second)
    if amount_of(unavailable) and amount_of(surge):
        out.append(invalid(second, surge, "may not be set when maxUnavailable is non-zero"))
    elif not amount_of(unavailable) and not amount_of(surge):
        out.append(required(first, "cannot be 0 when maxSurge is 0"))
    return out


def _node_selector(obj: Object, _: int) -> str:
    chosen = obj["spec"]["template"].get("spec", {}).get("nodeSelector", {})
    return ",".join(f"{key}={value}" for key, value in sorted(chosen.items())) or "<none>"


_STATUS = f"{APPS}.DaemonSetStatus"

STRATEGY = DaemonSetStrategy()

COLUMNS = (
    NAME,
    *(
        Column(name, count("status", field), type="integer", field=(_STATUS, field))
        for name, field in (
            ("Desired", "desiredNumberScheduled"),
            ("Current", "currentNumberScheduled"),
            ("Ready", "numberReady"),
            ("Up-to-date", "updatedNumberScheduled"),
            ("Available", "numberAvailable"),
        )
    ),
    Column("Node Selector", _node_selector, field=("io.k8s.api.core.v1.PodSpec", "nodeSelector")),
    AGE,
    *pod_columns(containers_of, (f"{APPS}.DaemonSetSpec", "selector")),
)

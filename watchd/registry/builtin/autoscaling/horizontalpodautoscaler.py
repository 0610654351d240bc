"""HorizontalPodAutoscaler: by which metrics something is scaled, and between which numbers.

Objects come in at autoscaling/v2, which is stored, and at v1. One of v1 is brought to what v2 makes of it when its defaults are
set, and is checked as that: so the reference tells its faults by v2's fields.
"""

from __future__ import annotations

import copy

from watchd.registry.builtin.autoscaling.conversion import (
    OWN_ANNOTATIONS,
    SPEC_ANNOTATIONS,
    STATUS_ANNOTATIONS,
    UTILIZATION,
    from_v2,
    to_v2,
    utilization_of_cpu,
    without_own,
)
from watchd.registry.builtin.autoscaling.metrics import metrics_problems, reference_problems, text
from watchd.registry.builtin.common.fields import invalid, nonnegative, nonnegatives, not_supported, required
from watchd.registry.builtin.common.quantities import ZERO, amount
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

V1 = "autoscaling/v1"

LEAST = 1
"""Replicas that stay unless told otherwise."""

WINDOW_MAX = 3600
"""Seconds of the longest stabilization window."""
PERIOD_MAX = 1800
"""Seconds of the longest period of a policy."""
PERIOD = 15
"""Seconds of the periods of the policies that hold unless told otherwise."""

UP: Object = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": PERIOD},
        {"type": "Percent", "value": 100, "periodSeconds": PERIOD},
    ],
}
DOWN: Object = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": PERIOD}]}
"""How replicas are added and taken away unless told otherwise."""

SELECT = ("Disabled", "Max", "Min")
POLICIES = ("Percent", "Pods")


class HorizontalPodAutoscalerStrategy(Strategy):
    """The rules of HorizontalPodAutoscaler."""

    generation = True

    def default(self, obj: Object) -> None:
        """Fill in replicas, metrics and behaviour; at v1 also what the annotations say of them."""
        if obj["apiVersion"] == V1:
            hub = to_v2(obj)
            _default_spec(hub["spec"])
            obj.update(from_v2(hub))
            return
        _default_spec(obj["spec"])
        annotations = obj["metadata"].get("annotations")
        if annotations and any(name in annotations for name in OWN_ANNOTATIONS):
            _annotate(obj, without_own(annotations))

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Begin without what v1 says of a status in annotations."""
        del clock, entropy
        _take_over(obj, {}, STATUS_ANNOTATIONS)

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Keep what v1 says in annotations of what may not change; a change of the spec there is a new generation."""
        if obj["apiVersion"] != V1:
            return
        meta, before = obj["metadata"], old["metadata"]
        _take_over(obj, before, SPEC_ANNOTATIONS if subresource == "status" else STATUS_ANNOTATIONS)
        if any((meta.get("annotations") or {}).get(name) != (before.get("annotations") or {}).get(name) for name in SPEC_ANNOTATIONS):
            meta["generation"] = before.get("generation", 0) + 1

    def validate(self, obj: Object) -> list[FieldError]:
        """Check a new object."""
        return _spec(_hub(obj)["spec"], None)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the spec, or the status alone."""
        obj, old = _hub(obj), _hub(old)
        if subresource != "status":
            return _spec(obj["spec"], old["spec"])
        status = obj.get("status") or {}
        out: list[FieldError] = []
        for index, condition in enumerate(status.get("conditions") or ()):
            out += nonnegative(condition.get("observedGeneration"), f"status.conditions[{index}].observedGeneration")
        return out + nonnegatives(status, ("currentReplicas", "desiredReplicas"), "status")


def _default_spec(spec: Object) -> None:
    """Fill in what a spec of v2 leaves out, in place."""
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = LEAST
    if not spec.get("metrics"):
        spec["metrics"] = [utilization_of_cpu(UTILIZATION)]
    behavior = spec.get("behavior")
    if behavior is not None:
        for field, rules in (("scaleUp", UP), ("scaleDown", DOWN)):
            behavior[field] = {**copy.deepcopy(rules), **(behavior.get(field) or {})}


def _hub(obj: Object) -> Object:
    return to_v2(obj) if obj.get("apiVersion") == V1 else obj


def _annotate(obj: Object, annotations: Object) -> None:
    if annotations:
        obj["metadata"]["annotations"] = annotations
    else:
        obj["metadata"].pop("annotations", None)


def _take_over(obj: Object, before: Object, names: tuple[str, ...]) -> None:
    """Give an object some annotations of another one's metadata, in place."""
    annotations, others = dict(obj["metadata"].get("annotations") or {}), before.get("annotations") or {}
    for name in names:
        annotations.pop(name, None)
        if name in others:
            annotations[name] = others[name]
    _annotate(obj, annotations)


def _spec(spec: Object, old: Object | None) -> list[FieldError]:
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    out: list[FieldError] = []
    if least is not None and most < least:
        out.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    target = spec.get("scaleTargetRef", {})
    before = (old or {}).get("scaleTargetRef", {})
    same = old is not None and all(target.get(name, "") == before.get(name, "") for name in ("apiVersion", "kind"))
    out += reference_problems(
        target, "spec.scaleTargetRef", core=target.get("kind") == "ReplicationController", any_version=same
    )
    out += metrics_problems(spec.get("metrics") or (), "spec.metrics", least)
    behavior = spec.get("behavior") or {}
    for field in ("scaleUp", "scaleDown"):
        out += _rules(behavior[field], f"spec.behavior.{field}") if behavior.get(field) is not None else []
    # What the reference's types themselves ask for is told last.
    if least is not None and least < 0:
        out.append(invalid("spec.minReplicas", least, "must be greater than or equal to 0"))
    if not most:
        out.append(required("spec.maxReplicas"))
    elif most < 0:
        out.append(invalid("spec.maxReplicas", most, "must be greater than or equal to 1"))
    return out


def _rules(rules: Object, path: str) -> list[FieldError]:
    window, select = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    out: list[FieldError] = []
    if window is not None and window < 0:
        out.append(invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero"))
    if window is not None and window > WINDOW_MAX:
        out.append(invalid(f"{path}.stabilizationWindowSeconds", window, f"must be less than or equal to {WINDOW_MAX}"))
    if select is not None and select not in SELECT:
        out.append(not_supported(f"{path}.selectPolicy", select, SELECT))
    policies = rules.get("policies") or ()
    if not policies:
        out.append(required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(policies):
        out += _policy(policy, f"{path}.policies[{index}]")
    tolerance = rules.get("tolerance")
    if tolerance is not None and amount(tolerance) < ZERO:
        out.append(invalid(f"{path}.tolerance", tolerance, "must be greater than or equal to 0"))
    return out


def _policy(policy: Object, path: str) -> list[FieldError]:
    kind, value, period = policy.get("type", ""), policy.get("value", 0), policy.get("periodSeconds", 0)
    out = [] if kind in POLICIES else [not_supported(f"{path}.type", kind, POLICIES)]
    out += [invalid(f"{path}.{name}", each, "must be greater than zero") for name, each in (("value", value), ("periodSeconds", period)) if each <= 0]
    if period > PERIOD_MAX:
        out.append(invalid(f"{path}.periodSeconds", period, f"must be less than or equal to {PERIOD_MAX}"))
    return out


STRATEGY = HorizontalPodAutoscalerStrategy()

_SPEC, _STATUS = "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec", "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus"


def _reference(obj: Object, _: int) -> str:
    target = obj.get("spec", {}).get("scaleTargetRef", {})
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _targets(obj: Object, _: int) -> str:
    obj = _hub(obj)
    return text(obj.get("spec", {}).get("metrics") or (), obj.get("status", {}).get("currentMetrics") or ())


COLUMNS = (
    NAME,
    Column("Reference", _reference, field=(_SPEC, "scaleTargetRef")),
    Column("Targets", _targets, field=(_SPEC, "metrics")),
    Column("MinPods", lambda obj, _: str(obj.get("spec", {}).get("minReplicas", "<unset>")), field=(_SPEC, "minReplicas")),
    Column("MaxPods", lambda obj, _: obj.get("spec", {}).get("maxReplicas", 0), field=(_SPEC, "maxReplicas")),
    Column("Replicas", lambda obj, _: obj.get("status", {}).get("currentReplicas", 0), field=(_STATUS, "currentReplicas")),
    AGE,
)

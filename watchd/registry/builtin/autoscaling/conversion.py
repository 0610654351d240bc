"""HorizontalPodAutoscalers at autoscaling/v1: what that version cannot say stands in annotations, as text.

The hub is autoscaling/v2. v1 knows a target for the CPU and its current value; the other metrics, conditions, the values that
were measured and the behaviour are JSON in four annotations, with the fields of v1's own metric types (the behaviour with those
of the reference's internal type). Text that cannot be read says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from watchd.registry.builtin.autoscaling.texts import V2, read, read_behavior
from watchd.registry.builtin.common.internal import internal
from watchd.schema.quantity import Quantity
from watchd.status import go_json

Object = dict[str, Any]

PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, BEHAVIOR = f"{PREFIX}metrics", f"{PREFIX}behavior"
CURRENT_METRICS, CONDITIONS = f"{PREFIX}current-metrics", f"{PREFIX}conditions"
SPEC_ANNOTATIONS = (METRICS, BEHAVIOR)
STATUS_ANNOTATIONS = (CURRENT_METRICS, CONDITIONS)
OWN_ANNOTATIONS = (*SPEC_ANNOTATIONS, *STATUS_ANNOTATIONS, f"{PREFIX}scale-down-tolerance", f"{PREFIX}scale-up-tolerance")
"""What v1 takes for fields; v2 drops it."""

CPU = "cpu"
UTILIZATION = 80
"""Per cent of the requested CPU that are aimed at unless told otherwise."""

Convert = Callable[[Object], Object]


def utilization_of_cpu(percent: int) -> Object:
    """Return the metric that aims at a utilization of the CPU."""
    return {"type": "Resource", "resource": {"name": CPU, "target": {"type": "Utilization", "averageUtilization": percent}}}


def without_own(annotations: Object) -> Object:
    """Return annotations without those that v1 takes for fields."""
    return {key: value for key, value in annotations.items() if key not in OWN_ANNOTATIONS}


# To the hub


def to_v2(obj: Object) -> Object:
    """Convert a v1 object to v2."""
    annotations: Object = obj["metadata"].get("annotations") or {}
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    metrics = [_metric_to_v2(metric, _SPECS_TO_V2) for metric in read(annotations.get(METRICS), "MetricSpec") or ()]
    percent = spec.get("targetCPUUtilizationPercentage")
    if percent is not None:
        metrics.append(utilization_of_cpu(percent))
    converted = {name: spec[name] for name in ("scaleTargetRef", "minReplicas", "maxReplicas") if name in spec}
    converted["metrics"] = metrics or [utilization_of_cpu(UTILIZATION)]
    behavior = read_behavior(annotations.get(BEHAVIOR))
    if behavior:
        converted["behavior"] = behavior
    out = {name: value for name, value in obj.items() if name not in ("metadata", "spec", "status")}
    return {**out, "metadata": _annotated(obj, without_own(annotations)), "spec": converted, "status": _status_to_v2(status, annotations)}


def _status_to_v2(status: Object, annotations: Object) -> Object:
    names = ("observedGeneration", "lastScaleTime", "desiredReplicas")
    out: Object = {name: status[name] for name in names if name in status}
    out.setdefault("desiredReplicas", 0)
    if status.get("currentReplicas"):
        out["currentReplicas"] = status["currentReplicas"]
    percent = status.get("currentCPUUtilizationPercentage")
    out["currentMetrics"] = None
    if percent is not None:
        out["currentMetrics"] = [{"type": "Resource", "resource": {"name": CPU, "current": {"averageUtilization": percent}}}]
    measured = read(annotations.get(CURRENT_METRICS), "MetricStatus")
    if measured is not None:
        out["currentMetrics"] = [_metric_to_v2(metric, _STATUSES_TO_V2) for metric in measured]
    conditions = read(annotations.get(CONDITIONS), "Condition")
    if conditions:
        out["conditions"] = conditions
    return out


def _annotated(obj: Object, annotations: Object) -> Object:
    meta = {name: value for name, value in obj["metadata"].items() if name != "annotations"}
    if annotations:
        meta["annotations"] = annotations
    return meta


def _metric_to_v2(metric: Object, kinds: dict[str, Convert]) -> Object:
    out: Object = {"type": metric["type"]}
    out.update((name, convert(metric[name])) for name, convert in kinds.items() if name in metric)
    return out


def _with(**fields: Any) -> Object:
    """Return the fields that there are."""
    return {name: value for name, value in fields.items() if value is not None}


def _identifier(source: Object, selector: str = "selector") -> Object:
    return _with(name=source["metricName"], selector=source.get(selector))


def _object_to_v2(source: Object) -> Object:
    value, average = source["targetValue"], source.get("averageValue")
    if average is not None and not Quantity.parse(value).sign():
        value = None
    target = _with(type="Value" if average is None else "AverageValue", value=value, averageValue=average)
    return {"describedObject": source["target"], "target": target, "metric": _identifier(source)}


def _pods_to_v2(source: Object) -> Object:
    return {"metric": _identifier(source), "target": {"type": "AverageValue", "averageValue": source["targetAverageValue"]}}


def _resource_to_v2(source: Object) -> Object:
    percent, average = source.get("targetAverageUtilization"), source.get("targetAverageValue")
    kind = "AverageValue" if percent is None else "Utilization"
    out = {"name": source["name"], "target": _with(type=kind, averageValue=average, averageUtilization=percent)}
    return {**out, "container": source["container"]} if "container" in source else out


def _external_to_v2(source: Object) -> Object:
    value, average = source.get("targetValue"), source.get("targetAverageValue")
    target = _with(type="AverageValue" if value is None else "Value", value=value, averageValue=average)
    return {"metric": _identifier(source, "metricSelector"), "target": target}


def _object_status_to_v2(source: Object) -> Object:
    current = _with(value=source["currentValue"], averageValue=source.get("averageValue"))
    return {"metric": _identifier(source), "current": current, "describedObject": source["target"]}


def _pods_status_to_v2(source: Object) -> Object:
    return {"metric": _identifier(source), "current": {"averageValue": source["currentAverageValue"]}}


def _resource_status_to_v2(source: Object) -> Object:
    current = _with(averageValue=source["currentAverageValue"], averageUtilization=source.get("currentAverageUtilization"))
    out = {"name": source["name"], "current": current}
    return {**out, "container": source["container"]} if "container" in source else out


def _external_status_to_v2(source: Object) -> Object:
    current = _with(value=source["currentValue"], averageValue=source.get("currentAverageValue"))
    return {"metric": _identifier(source, "metricSelector"), "current": current}


_SPECS_TO_V2: dict[str, Convert] = {
    "object": _object_to_v2,
    "pods": _pods_to_v2,
    "resource": _resource_to_v2,
    "containerResource": _resource_to_v2,
    "external": _external_to_v2,
}

_STATUSES_TO_V2: dict[str, Convert] = {
    "object": _object_status_to_v2,
    "pods": _pods_status_to_v2,
    "resource": _resource_status_to_v2,
    "containerResource": _resource_status_to_v2,
    "external": _external_status_to_v2,
}


# From the hub


def from_v2(obj: Object) -> Object:
    """Convert a v2 object to v1."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    annotations = without_own(obj["metadata"].get("annotations") or {})
    metrics = spec.get("metrics") or ()
    converted = {name: spec[name] for name in ("scaleTargetRef", "minReplicas", "maxReplicas") if name in spec}
    percents = [metric["resource"]["target"]["averageUtilization"] for metric in metrics if _aims_at_cpu(metric)]
    if percents:
        converted["targetCPUUtilizationPercentage"] = percents[0]
    others = [_metric_to_v1(metric, _SPECS_TO_V1) for metric in metrics if not _aims_at_cpu(metric)]
    if others:
        annotations[METRICS] = go_json(others, ordered=True)
    if spec.get("behavior") is not None:
        annotations[BEHAVIOR] = str(internal(spec["behavior"], f"{V2}.HorizontalPodAutoscalerBehavior"))
    measured, conditions = status.get("currentMetrics") or (), status.get("conditions") or ()
    if measured:
        annotations[CURRENT_METRICS] = go_json([_metric_to_v1(metric, _STATUSES_TO_V1) for metric in measured], ordered=True)
    if conditions:
        annotations[CONDITIONS] = go_json([_ordered(condition, _CONDITION) for condition in conditions], ordered=True)
    out = {name: value for name, value in obj.items() if name not in ("metadata", "spec", "status")}
    return {**out, "metadata": _annotated(obj, annotations), "spec": converted, "status": _status_to_v1(status, measured)}


def _status_to_v1(status: Object, measured: Iterable[Object]) -> Object:
    out: Object = {name: status[name] for name in ("observedGeneration", "lastScaleTime") if name in status}
    out |= {name: status.get(name, 0) for name in ("currentReplicas", "desiredReplicas")}
    for metric in measured:
        resource = metric.get("resource") if metric.get("type") == "Resource" else None
        percent = (resource or {}).get("current", {}).get("averageUtilization")
        if resource is not None and resource.get("name") == CPU and percent is not None:
            out["currentCPUUtilizationPercentage"] = percent
    return out


def _aims_at_cpu(metric: Object) -> bool:
    """Tell whether v1 has a field for a metric."""
    resource = metric.get("resource") if metric.get("type") == "Resource" else None
    return resource is not None and resource.get("name") == CPU and resource.get("target", {}).get("averageUtilization") is not None


_METRIC = ("type", "object", "pods", "resource", "containerResource", "external")
_CONDITION = ("type", "status", "lastTransitionTime", "reason", "message", "observedGeneration")
_REFERENCE = ("kind", "name", "apiVersion")


def _ordered(value: Object, names: Iterable[str]) -> Object:
    return {name: value[name] for name in names if name in value}


def _metric_to_v1(metric: Object, kinds: dict[str, Convert]) -> Object:
    out: Object = {"type": metric.get("type", "")}
    out.update((name, kinds[name](metric[name])) for name in _METRIC[1:] if name in metric)
    return out


def _selector(identifier: Object) -> Object | None:
    """Return a selector with its fields in the order of its type."""
    selector = identifier.get("selector")
    if selector is None:
        return None
    out: Object = {}
    if selector.get("matchLabels"):
        out["matchLabels"] = dict(sorted(selector["matchLabels"].items()))
    if selector.get("matchExpressions"):
        out["matchExpressions"] = [_ordered(each, ("key", "operator", "values")) for each in selector["matchExpressions"]]
    return out


def _object_to_v1(source: Object) -> Object:
    metric, target = source.get("metric", {}), source.get("target", {})
    return _with(
        target=_ordered(source.get("describedObject", {}), _REFERENCE),
        metricName=metric.get("name", ""),
        targetValue=target.get("value", "0"),
        selector=_selector(metric),
        averageValue=target.get("averageValue"),
    )


def _pods_to_v1(source: Object) -> Object:
    metric, target = source.get("metric", {}), source.get("target", {})
    return _with(metricName=metric.get("name", ""), targetAverageValue=target.get("averageValue", "0"), selector=_selector(metric))


def _resource_to_v1(source: Object) -> Object:
    target = source.get("target", {})
    return _with(
        name=source.get("name", ""),
        targetAverageUtilization=target.get("averageUtilization"),
        targetAverageValue=target.get("averageValue"),
        container=source.get("container"),
    )


def _external_to_v1(source: Object) -> Object:
    metric, target = source.get("metric", {}), source.get("target", {})
    return _with(
        metricName=metric.get("name", ""),
        metricSelector=_selector(metric),
        targetValue=target.get("value"),
        targetAverageValue=target.get("averageValue"),
    )


def _object_status_to_v1(source: Object) -> Object:
    metric, current = source.get("metric", {}), source.get("current", {})
    return _with(
        target=_ordered(source.get("describedObject", {}), _REFERENCE),
        metricName=metric.get("name", ""),
        currentValue=current.get("value", "0"),
        selector=_selector(metric),
        averageValue=current.get("averageValue"),
    )


def _pods_status_to_v1(source: Object) -> Object:
    metric, current = source.get("metric", {}), source.get("current", {})
    return _with(metricName=metric.get("name", ""), currentAverageValue=current.get("averageValue", "0"), selector=_selector(metric))


def _resource_status_to_v1(source: Object) -> Object:
    current = source.get("current", {})
    return _with(
        name=source.get("name", ""),
        currentAverageUtilization=current.get("averageUtilization"),
        currentAverageValue=current.get("averageValue", "0"),
        container=source.get("container"),
    )


def _external_status_to_v1(source: Object) -> Object:
    metric, current = source.get("metric", {}), source.get("current", {})
    return _with(
        metricName=metric.get("name", ""),
        metricSelector=_selector(metric),
        currentValue=current.get("value", "0"),
        currentAverageValue=current.get("averageValue"),
    )


_SPECS_TO_V1: dict[str, Convert] = {
    "object": _object_to_v1,
    "pods": _pods_to_v1,
    "resource": _resource_to_v1,
    "containerResource": _resource_to_v1,
    "external": _external_to_v1,
}

_STATUSES_TO_V1: dict[str, Convert] = {
    "object": _object_status_to_v1,
    "pods": _pods_status_to_v1,
    "resource": _resource_status_to_v1,
    "containerResource": _resource_status_to_v1,
    "external": _external_status_to_v1,
}

"""The text of the annotations in which autoscaling/v1 keeps what it has no fields for, read back."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson

from watchd.registry.schemas import whole
from watchd.schema.goscalars import TypeMismatch
from watchd.schema.typed import prune_and_check

Object = dict[str, Any]

V2 = "io.k8s.api.autoscaling.v2"


def read(text: str | None, kind: str) -> list[Object] | None:
    """Read a list of a type's objects; None for what is none."""
    if text is None:
        return None
    try:
        found = {"items": orjson.loads(text)}
        prune_and_check(found, {"type": "object", "properties": {"items": {"type": "array", "items": _schemas()[kind]}}})
    except (orjson.JSONDecodeError, TypeMismatch):
        return None
    items: list[Object] = found.get("items") or []
    return items


def read_behavior(text: str | None) -> Object | None:
    """Read a behaviour, whose fields are written with capitals; None for what is none."""
    if text is None:
        return None
    try:
        found = _lowered(orjson.loads(text))
        if not isinstance(found, dict):
            return None
        prune_and_check(found, whole(f"{V2}.HorizontalPodAutoscalerBehavior"))
    except (orjson.JSONDecodeError, TypeMismatch):
        return None
    return found


def _lowered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _lowered(item) for key, item in value.items()}
    return [_lowered(item) for item in value] if isinstance(value, list) else value


@cache
def _schemas() -> dict[str, Object]:
    """Return the schemas of v1's types that no document has."""
    quantity = whole("io.k8s.apimachinery.pkg.api.resource.Quantity")
    selector = whole("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector")
    reference = {**whole("io.k8s.api.autoscaling.v1.CrossVersionObjectReference"), "x-go-zero": {}}
    text, always = {"type": "string", "x-go-zero": ""}, {**quantity, "x-go-zero": "0"}
    percent = {"type": "integer", "format": "int32"}

    def struct(**fields: Object) -> Object:
        return {"type": "object", "properties": fields}

    spec_of_resource = {"name": text, "targetAverageUtilization": percent, "targetAverageValue": quantity}
    status_of_resource = {"name": text, "currentAverageUtilization": percent, "currentAverageValue": always}
    return {
        "MetricSpec": struct(
            type=text,
            object=struct(target=reference, metricName=text, targetValue=always, selector=selector, averageValue=quantity),
            pods=struct(metricName=text, targetAverageValue=always, selector=selector),
            resource=struct(**spec_of_resource),
            containerResource=struct(**spec_of_resource, container=text),
            external=struct(metricName=text, metricSelector=selector, targetValue=quantity, targetAverageValue=quantity),
        ),
        "MetricStatus": struct(
            type=text,
            object=struct(target=reference, metricName=text, currentValue=always, selector=selector, averageValue=quantity),
            pods=struct(metricName=text, currentAverageValue=always, selector=selector),
            resource=struct(**status_of_resource),
            containerResource=struct(**status_of_resource, container=text),
            external=struct(metricName=text, metricSelector=selector, currentValue=always, currentAverageValue=quantity),
        ),
        "Condition": whole(f"{V2}.HorizontalPodAutoscalerCondition"),
    }

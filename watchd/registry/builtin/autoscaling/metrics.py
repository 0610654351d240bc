"""The metrics of a HorizontalPodAutoscaler: their rules, and how a Table shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from conversion.gvk import GroupVersion
from watchd.names import path_segment
from watchd.registry.builtin.common.fields import forbidden, invalid, not_supported, required
from watchd.registry.builtin.common.quantities import ZERO, amount
from watchd.registry.builtin.common.values import label
from watchd.registry.builtin.core.resources import for_container
from watchd.status import FieldError

Object = dict[str, Any]

FIELDS = {"Object": "object", "Pods": "pods", "Resource": "resource", "External": "external", "ContainerResource": "containerResource"}
"""By type of a metric: the field that describes it."""

TYPES = sorted(FIELDS)
TARGETS = ("Utilization", "Value", "AverageValue")

SHOWN = 2
"""Metrics that a Table shows; of more it tells the number."""

UNKNOWN = "<unknown>"


def reference_problems(reference: Object, path: str, *, core: bool, any_version: bool = False) -> list[FieldError]:
    """Check a CrossVersionObjectReference. `core` tells that it may be to the core group, `any_version` that its version is not asked."""
    out: list[FieldError] = []
    for field in ("kind", "name"):
        value = reference.get(field, "")
        where = f"{path}.{field}"
        out += [invalid(where, value, text) for text in path_segment(value)] if value else [required(where)]
    version = reference.get("apiVersion", "")
    why = "" if any_version else _version_problem(version, core=core)
    return [*out, invalid(f"{path}.apiVersion", version, why)] if why else out


def _version_problem(version: str, *, core: bool) -> str:
    try:
        group = GroupVersion.parse(version).group if version else ""
    except ValueError:
        return f"unexpected GroupVersion string: {version}"
    return "" if group or core else "apiVersion must specify API group"


def metrics_problems(metrics: Sequence[Object], path: str, least: int | None, *, any_version: bool = False) -> list[FieldError]:
    """Return what is wrong with metrics. `least` is the number of replicas that stay; `any_version` as in `reference_problems`."""
    out: list[FieldError] = []
    for index, metric in enumerate(metrics):
        out += _metric(metric, f"{path}[{index}]", any_version=any_version)
    if least == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        out.append(forbidden(path, "must specify at least one Object or External metric to support scaling to zero replicas"))
    return out


def _metric(metric: Object, path: str, *, any_version: bool) -> list[FieldError]:
    kind = metric.get("type", "")
    out = [] if kind else [required(f"{path}.type", "must specify a metric source type")]
    out += [] if kind in FIELDS else [not_supported(f"{path}.type", kind, TYPES)]
    present = [name for name in _CHECKS if name in metric]
    if present:
        name = present[0]
        out += _CHECKS[name](metric[name], f"{path}.{name}", any_version)
    field = FIELDS.get(kind, "")
    if field and field not in metric:
        out.append(required(f"{path}.{field}", "must populate information for the given metric source"))
    if len(present) != 1:
        out += [forbidden(f"{path}.{name}", "must populate the given metric source only") for name in present if name != field]
    return out


def _object(source: Object, path: str, any_version: bool) -> list[FieldError]:  # noqa: FBT001 - one of _CHECKS
    target = source.get("target", {})
    out = reference_problems(source.get("describedObject", {}), f"{path}.describedObject", core=True, any_version=any_version)
    out += _identifier(source.get("metric", {}), f"{path}.metric") + _target(target, f"{path}.target")
    if "value" not in target and "averageValue" not in target:
        out.append(required(f"{path}.target.averageValue", "must set either a target value or averageValue"))
    return out


def _external(source: Object, path: str, _: bool) -> list[FieldError]:  # noqa: FBT001 - one of _CHECKS
    target = source.get("target", {})
    out = _identifier(source.get("metric", {}), f"{path}.metric") + _target(target, f"{path}.target")
    if "value" not in target and "averageValue" not in target:
        out.append(required(f"{path}.target.averageValue", "must set either a target value for metric or a per-pod target"))
    if "value" in target and "averageValue" in target:
        out.append(forbidden(f"{path}.target.value", "may not set both a target value for metric and a per-pod target"))
    return out


def _pods(source: Object, path: str, _: bool) -> list[FieldError]:  # noqa: FBT001 - one of _CHECKS
    target = source.get("target", {})
    out = _identifier(source.get("metric", {}), f"{path}.metric") + _target(target, f"{path}.target")
    if "averageValue" not in target:
        out.append(required(f"{path}.target.averageValue", "must specify a positive target averageValue"))
    return out


def _resource(source: Object, path: str, _: bool) -> list[FieldError]:  # noqa: FBT001 - one of _CHECKS
    out = [] if source.get("name") else [required(f"{path}.name", "must specify a resource name")]
    return out + _usage(source.get("target", {}), f"{path}.target")


def _container(source: Object, path: str, _: bool) -> list[FieldError]:  # noqa: FBT001 - one of _CHECKS
    name, container = source.get("name", ""), source.get("container", "")
    out = for_container(name, f"{path}.name") if name else [required(f"{path}.name", "must specify a resource name")]
    out += label(container, f"{path}.container") if container else [required(f"{path}.container", "must specify a container")]
    return out + _usage(source.get("target", {}), f"{path}.target")


def _usage(target: Object, path: str) -> list[FieldError]:
    out = _target(target, path)
    given = [name for name in ("averageUtilization", "averageValue") if name in target]
    if not given:
        out.append(required(f"{path}.averageUtilization", "must set either a target raw value or a target utilization"))
    elif len(given) > 1:
        out.append(forbidden(f"{path}.averageValue", "may not set both a target raw value and a target utilization"))
    return out


def _target(target: Object, path: str) -> list[FieldError]:
    kind = target.get("type", "")
    out = [] if kind else [required(f"{path}.type", "must specify a metric target type")]
    if kind not in TARGETS:
        out.append(invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue"))
    amounts = [name for name in ("value", "averageValue") if name in target]
    out += [invalid(f"{path}.{name}", target[name], "must be positive") for name in amounts if not amount(target[name]) > ZERO]
    percent = target.get("averageUtilization")
    if percent is not None and percent < 1:
        out.append(invalid(f"{path}.averageUtilization", percent, "must be greater than 0"))
    return out


def _identifier(metric: Object, path: str) -> list[FieldError]:
    name = metric.get("name", "")
    if not name:
        return [required(f"{path}.name", "must specify a metric name")]
    return [invalid(f"{path}.name", name, text) for text in path_segment(name)]


_CHECKS: dict[str, Callable[[Object, str, bool], list[FieldError]]] = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container,
}
"""By field of a metric, in the order in which the reference looks: only the first one that is there is checked."""


def text(metrics: Sequence[Object], measured: Sequence[Object]) -> str:
    """Write targets and what was measured as a Table shows them."""
    if not metrics:
        return "<none>"
    parts = [_text(metric, measured[index] if index < len(measured) else {}) for index, metric in enumerate(metrics)]
    rest = len(parts) - SHOWN
    return ", ".join(parts) if rest <= 0 else f"{', '.join(parts[:SHOWN])} + {rest} more..."


def _text(metric: Object, measured: Object) -> str:
    field = FIELDS.get(metric.get("type", ""))
    if field is None:
        return "<unknown type>"
    source, current = metric.get(field, {}), measured.get(field, {}).get("current")
    target = source.get("target", {})
    average = target.get("averageValue")
    if field == "pods":
        return f"{_value(current, 'averageValue')}/{average or 0}"
    if field in ("object", "external"):
        if average is not None:
            return f"{_value(current, 'averageValue', UNKNOWN)}/{average} (avg)"
        return f"{_value(current, 'value')}/{target.get('value')}"
    if average is not None:
        return f"{source.get('name')}: {_value(current, 'averageValue')}/{average}"
    wanted = _percent(target, "<auto>")
    return f"{source.get('name')}: {_percent(current or {}, UNKNOWN)}/{wanted}"


def _value(current: Object | None, name: str, absent: str = "<nil>") -> str:
    return UNKNOWN if current is None else str(current.get(name, absent))


def _percent(values: Object, absent: str) -> str:
    found = values.get("averageUtilization")
    return absent if found is None else f"{found}%"

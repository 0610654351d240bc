"""What a pod as a whole asks for: its quality of service, and the amounts of its own beside those of its containers (KEP-2837)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from watchd.registry.builtin.common.fields import forbidden, invalid
from watchd.registry.builtin.common.quantities import ZERO, amount
from watchd.registry.builtin.core.resources import (
    CPU,
    FOR_PODS,
    MEMORY,
    for_pod,
    is_huge_pages,
    may_overcommit,
    requirements_problems,
)
from watchd.schema.quantity import Quantity
from watchd.status import FieldError

Object = dict[str, Any]
Amounts = dict[str, Quantity]

BEST_EFFORT, BURSTABLE, GUARANTEED = "BestEffort", "Burstable", "Guaranteed"


def quality_of_service(spec: Object) -> str:
    """Return the QoS class of a pod with such a spec."""
    whole = spec.get("resources") or {}
    if whole.get("requests") or whole.get("limits"):
        return _quality(whole)
    found = {_quality(container.get("resources") or {}) for container in _counted(spec)}
    return found.pop() if len(found) == 1 else BURSTABLE if found else BEST_EFFORT


def _quality(resources: Object) -> str:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    if not requests and not limits:
        return BEST_EFFORT
    found = set()
    for name in (CPU, MEMORY):
        asked, allowed = amount(requests.get(name)), amount(limits.get(name))
        found.add(BURSTABLE if asked != allowed else GUARANTEED if asked != ZERO else BEST_EFFORT)
    return found.pop() if len(found) == 1 else BURSTABLE


def _counted(spec: Object) -> Iterable[Object]:
    """Return the containers that count: ephemeral ones ask for nothing."""
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def aggregated(spec: Object, field: str) -> Amounts:
    """Return what all containers together ask for (`requests`) or may have (`limits`), those of the beginning one by one (KEP-753)."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, _amounts(container, field))
    staying: Amounts = {}
    first: Amounts = {}
    for container in spec.get("initContainers") or ():
        amounts = _amounts(container, field)
        if container.get("restartPolicy") == "Always":
            _add(total, amounts)
            _add(staying, amounts)
            amounts = staying
        else:
            _add(amounts, staying)
        _raise(first, amounts)
    _raise(total, first)
    return total


def _amounts(container: Object, field: str) -> Amounts:
    return {name: amount(value) for name, value in ((container.get("resources") or {}).get(field) or {}).items()}


def _add(total: Amounts, amounts: Mapping[str, Quantity]) -> None:
    for name, value in amounts.items():
        total[name] = total[name].add(value) if name in total else value


def _raise(total: Amounts, amounts: Mapping[str, Quantity]) -> None:
    for name, value in amounts.items():
        if name not in total or value > total[name]:
            total[name] = value


def _limited_by_all(spec: Object, name: str) -> bool:
    return all(name in ((container.get("resources") or {}).get("limits") or {}) for container in _counted(spec))


def default_pod_resources(spec: Object) -> None:
    """Fill in what a pod's own amounts leave out, in place, from those of its containers."""
    whole = spec.get("resources") or {}
    if not whole.get("requests") and not whole.get("limits"):
        return
    limits, requests = dict(whole.get("limits") or {}), dict(whole.get("requests") or {})
    together = aggregated(spec, "limits")
    for name in filter(is_huge_pages, together.keys() - requests.keys()):
        limits.setdefault(name, str(together[name]))
    asked = {name: str(value) for name, value in aggregated(spec, "requests").items() if may_overcommit(name)}
    for name, value in [*asked.items(), *limits.items()]:
        if name in FOR_PODS or is_huge_pages(name):
            requests.setdefault(name, value)
    for name in requests.keys() & together.keys() - limits.keys():
        if (name in FOR_PODS or is_huge_pages(name)) and _limited_by_all(spec, name):
            limits[name] = str(max(together[name], amount(requests[name])))
    for field, amounts in (("limits", limits), ("requests", requests)):
        if amounts:
            whole[field] = amounts


def pod_resource_problems(spec: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a pod's own amounts; `path` is that of the spec."""
    whole, at = spec.get("resources"), f"{path}.resources"
    if whole is None:
        return []
    if (spec.get("os") or {}).get("name") == "windows":
        return [forbidden(at, "may not be set for a windows pod")]
    out = [forbidden(f"{at}.claims", "claims may not be set for Resources at pod-level")] if whole.get("claims") is not None else []
    names = [claim.get("name", "") for claim in spec.get("resourceClaims") or ()]
    out += requirements_problems(whole, at, names, rule=for_pod)
    limits, requests = whole.get("limits") or {}, whole.get("requests") or {}
    for name, total in sorted(aggregated(spec, "requests").items()):
        if name in requests and total > amount(requests[name]):
            why = f"must be greater than or equal to aggregate container requests of {total}"
            out.append(invalid(f"{at}.requests[{name}]", requests[name], why))
    for name, total in sorted(aggregated(spec, "limits").items()):
        if is_huge_pages(name) and name in limits and total > amount(limits[name]):
            why = f"must be greater than or equal to aggregate container limits of {total}"
            out.append(invalid(f"{at}.limits[{name}]", limits[name], why))
    for index, container in enumerate(spec.get("containers") or ()):
        for name, value in ((container.get("resources") or {}).get("limits") or {}).items():
            if name in limits and amount(value) > amount(limits[name]):
                why = f"must be less than or equal to pod limits of {limits[name]}"
                out.append(invalid(f"{at}.containers[{index}][{name}].limits", value, why))
    return out

"""LimitRange: what a container, a pod or a claim of a namespace may ask for at least and at most, and gets where it asks for nothing."""

from __future__ import annotations

from collections.abc import Mapping

from watchd.names import qualified_name
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import forbidden, invalid, required
from watchd.registry.builtin.common.quantities import amount, round_up_all
from watchd.registry.builtin.core.resources import for_container, may_overcommit, resource_name
from watchd.registry.strategy import Object, Strategy
from watchd.schema.quantity import Quantity
from watchd.status import FieldError

POD, CONTAINER, CLAIM = "Pod", "Container", "PersistentVolumeClaim"

AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")

MILLI_MAX = ((1 << 63) - 1) // 1000
"""The largest number of whole units that the reference counts in thousandths."""


class LimitRangeStrategy(Strategy):
    """The rules of LimitRange."""

    def default(self, obj: Object) -> None:
        """Fill in what a container gets, from the bounds; round amounts up to thousandths."""
        for limit in (obj.get("spec") or {}).get("limits") or ():
            if limit.get("type") == CONTAINER:
                given = {**limit.get("max", {}), **limit.get("default", {})}
                asked = {**limit.get("min", {}), **given, **limit.get("defaultRequest", {})}
                limit.update({name: value for name, value in (("default", given), ("defaultRequest", asked)) if value})
            for name in AMOUNTS:
                round_up_all(limit.get(name))

    def validate(self, obj: Object) -> list[FieldError]:
        """Check each limit; there is one for each type."""
        out: list[FieldError] = []
        seen: set[str] = set()
        for index, limit in enumerate((obj.get("spec") or {}).get("limits") or ()):
            path, kind = f"spec.limits[{index}]", limit.get("type", "")
            out += _type(kind, f"{path}.type")
            if kind in seen:
                out.append(duplicate(f"{path}.type", kind))
            seen.add(kind)
            out += _limit(limit, kind, path)
        return out


def _type(kind: str, path: str) -> list[FieldError]:
    out = [invalid(path, kind, text) for text in qualified_name(kind)]
    if not out and "/" not in kind and kind not in (POD, CONTAINER, CLAIM):
        out.append(invalid(path, kind, "must be a standard limit type or fully qualified"))
    return out


def _limit(limit: Object, kind: str, path: str) -> list[FieldError]:
    rule = for_container if kind in (POD, CONTAINER) else resource_name
    out: list[FieldError] = []
    resources: dict[str, None] = {}
    for name in AMOUNTS:
        if kind == POD and name in ("default", "defaultRequest"):
            if limit.get(name):
                out.append(forbidden(f"{path}.{name}", "may not be specified when `type` is 'Pod'"))
            continue
        if name == "maxLimitRequestRatio" and kind == CLAIM and "storage" not in {**limit.get("min", {}), **limit.get("max", {})}:
            why = "either minimum or maximum storage value is required, but neither was provided"
            out.append(required(f"{path}.limits", why))
        for resource in limit.get(name, {}):
            out += rule(resource, f"{path}.{name}[{resource}]")
            resources[resource] = None
    shown = {name: {} if kind == POD and name.startswith("default") else limit.get(name, {}) for name in AMOUNTS}
    return out + [error for resource in resources for error in _bounds(shown, resource, path)]


def _bounds(limit: Mapping[str, Mapping[str, str]], resource: str, path: str) -> list[FieldError]:
    """Hold the amounts of one resource against each other."""
    most, least, given, asked, ratio = (limit[name].get(resource) for name in AMOUNTS)
    at, out = f"[{resource}]", []

    def more(one: str | None, other: str | None) -> bool:
        return one is not None and other is not None and amount(other) < amount(one)

    if more(least, most):
        out.append(invalid(f"{path}.min{at}", least, f"min value {least} is greater than max value {most}"))
    request = f"{path}.defaultRequest{at}"
    if more(least, asked):
        out.append(invalid(request, asked, f"min value {least} is greater than default request value {asked}"))
    if more(asked, most):
        out.append(invalid(request, asked, f"default request value {asked} is greater than max value {most}"))
    if more(asked, given):
        out.append(invalid(request, asked, f"default request value {asked} is greater than default limit value {given}"))
    if more(least, given):
        out.append(invalid(f"{path}.default{at}", least, f"min value {least} is greater than default value {given}"))
    if more(given, most):
        out.append(invalid(f"{path}.default{at}", most, f"default value {given} is greater than max value {most}"))
    if ratio is not None:
        out += _ratio(ratio, least, most, f"{path}.maxLimitRequestRatio{at}")
    if not may_overcommit(resource) and given is not None and asked is not None and amount(given) != amount(asked):
        why = f"default value {given} must equal to defaultRequest value {asked} in {resource}"
        out.append(invalid(request, asked, why))
    return out


def _ratio(ratio: str, least: str | None, most: str | None, path: str) -> list[FieldError]:
    out = [invalid(path, ratio, f"ratio {ratio} is less than 1")] if amount(ratio) < Quantity(1) else []
    if least is None or most is None:
        return out
    numbers = [amount(each) for each in (ratio, least, most)]
    fine = all(number.value() < MILLI_MAX for number in numbers)
    found, low, high = (number.milli_value() if fine else number.value() for number in numbers)
    bound = high / low if low else float("inf")
    if (found / 1000 if fine else found) > bound:
        out.append(invalid(path, ratio, f"ratio {ratio} is greater than max/min = {bound:f}"))
    return out


STRATEGY = LimitRangeStrategy()

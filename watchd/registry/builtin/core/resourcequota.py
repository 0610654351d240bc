"""ResourceQuota: how much of what the objects of a namespace may take together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from watchd.registry.builtin.common.fields import invalid, required
from watchd.registry.builtin.common.internal import internal
from watchd.registry.builtin.common.quantities import round_up_all
from watchd.registry.builtin.core.resources import REQUESTS, STANDARD, is_huge_pages, quantity_problems, resource_name
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError

NOT_COUNTED = "storage"
"""The one standard resource that no quota is for."""

PODS = frozenset({"pods"})
COMPUTE = frozenset({"cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"})
CLAIMS = frozenset({"persistentvolumeclaims", "requests.storage"})

TERMINATING, NOT_TERMINATING = "Terminating", "NotTerminating"
BEST_EFFORT, NOT_BEST_EFFORT = "BestEffort", "NotBestEffort"
AFFINITY = "CrossNamespacePodAffinity"

SCOPES: dict[str, frozenset[str]] = {
    TERMINATING: PODS | COMPUTE,
    NOT_TERMINATING: PODS | COMPUTE,
    BEST_EFFORT: PODS,
    NOT_BEST_EFFORT: PODS | COMPUTE,
    "PriorityClass": PODS | COMPUTE,
    AFFINITY: PODS | COMPUTE,
    "VolumeAttributesClass": CLAIMS,
}
"""Which objects a quota is for, and which standard resources it may have then."""

WITHOUT_VALUES = (TERMINATING, NOT_TERMINATING, BEST_EFFORT, NOT_BEST_EFFORT, AFFINITY)
"""Scopes that can only be asked for."""

APART = ((BEST_EFFORT, NOT_BEST_EFFORT), (TERMINATING, NOT_TERMINATING))
"""Scopes that leave nothing together."""

ONLY_EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


class ResourceQuotaStrategy(Strategy):
    """The rules of ResourceQuota."""

    def default(self, obj: Object) -> None:
        """Round amounts up to thousandths."""
        status = obj.get("status") or {}
        for amounts in ((obj.get("spec") or {}).get("hard"), status.get("hard"), status.get("used")):
            round_up_all(amounts)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check what is limited, and for which objects."""
        spec = obj.get("spec") or {}
        hard: Object = spec.get("hard") or {}
        out = _amounts(hard, "spec.hard") + _scopes(spec.get("scopes") or (), hard)
        selector = spec.get("scopeSelector")
        return out if selector is None else out + _selector(selector, spec)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the whole, whose scopes stand still; or the status alone."""
        if subresource == "status":
            status = obj.get("status") or {}
            return _amounts(status.get("hard") or {}, "status.hard") + _amounts(status.get("used") or {}, "status.used")
        out = self.validate(obj)
        scopes, before = ((each.get("spec") or {}).get("scopes") for each in (obj, old))
        return out if set(scopes or ()) == set(before or ()) else [*out, invalid("spec.scopes", scopes, IMMUTABLE)]


def _amounts(amounts: Mapping[str, str], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for name, value in amounts.items():
        where = f"{path}[{name}]"
        out += resource_name(name, where)
        if "/" not in name and not _counted(name):
            out.append(invalid(where, name, "must be a standard resource for quota"))
        out += quantity_problems(name, value, where)
    return out


def _counted(name: str) -> bool:
    return (name in STANDARD and name != NOT_COUNTED) or is_huge_pages(name.removeprefix(REQUESTS))


def _misfits(scope: str, hard: Mapping[str, str]) -> int:
    """Count the standard resources of a quota that a scope says nothing of."""
    return sum(name not in SCOPES[scope] for name in hard if _counted(name)) if scope in SCOPES else 0


def _scopes(scopes: Sequence[str], hard: Mapping[str, str]) -> list[FieldError]:
    shown = list(scopes)
    out: list[FieldError] = []
    for scope in scopes:
        if scope not in SCOPES:
            out.append(invalid("spec.scopes", shown, "unsupported scope"))
        out += [invalid("spec.scopes", shown, "unsupported scope applied to resource")] * _misfits(scope, hard)
    return out + [invalid("spec.scopes", shown, "conflicting scopes") for pair in APART if set(pair) <= set(scopes)]


def _selector(selector: Object, spec: Object) -> list[FieldError]:
    path = "spec.scopeSelector.matchExpressions"
    hard, requirements = spec.get("hard") or {}, selector.get("matchExpressions") or ()
    out: list[FieldError] = []
    for requirement in requirements:
        scope = requirement.get("scopeName", "")
        if scope not in SCOPES:
            out.append(invalid(f"{path}.scopeName", scope, "unsupported scope"))
        shown = internal(selector, "io.k8s.api.core.v1.ScopeSelector")
        out += [invalid(path, shown, "unsupported scope applied to resource")] * _misfits(scope, hard)
        out += _requirement(requirement, path)
    scopes = {requirement.get("scopeName", "") for requirement in requirements}
    return out + [invalid(path, spec.get("scopes"), "conflicting scopes") for pair in APART if set(pair) <= scopes]


def _requirement(requirement: Object, path: str) -> list[FieldError]:
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    out: list[FieldError] = []
    if requirement.get("scopeName") in WITHOUT_VALUES and operator != "Exists":
        out.append(invalid(f"{path}.operator", operator, ONLY_EXISTS))
    if operator in ("In", "NotIn"):
        if not values:
            out.append(required(f"{path}.values", "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            out.append(invalid(f"{path}.values", values, why))
    else:
        out.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    return out


STRATEGY = ResourceQuotaStrategy()


def _used(obj: Object, *, limits: bool) -> str:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    return ", ".join(f"{name}: {used.get(name, 0)}/{hard[name]}" for name in sorted(hard) if name.startswith("limits.") is limits)


COLUMNS = (
    NAME,
    Column(
        "Request",
        lambda obj, _: _used(obj, limits=False),
        description="Request represents a minimum amount of cpu/memory that a container may consume.",
    ),
    Column(
        "Limit",
        lambda obj, _: _used(obj, limits=True),
        description=(
            "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node."
        ),
    ),
    AGE,
)

"""What containers and pods ask for (ResourceRequirements): which resources there are, and how much of them makes sense."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from watchd.names import qualified_name
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import NEGATIVE, forbidden, invalid, not_supported, required
from watchd.registry.builtin.common.quantities import ZERO, amount
from watchd.registry.builtin.common.values import label, not_found
from watchd.schema.quantity import Quantity
from watchd.status import FieldError

Object = dict[str, Any]

CPU, MEMORY, STORAGE = "cpu", "memory", "ephemeral-storage"

HUGE_PAGES = "hugepages-"
"""How resources begin that are pages of the size that follows."""

NATIVE = "kubernetes.io/"
"""In the names of resources that are Kubernetes' own."""

REQUESTS = "requests."
"""How a quota writes what is asked for of a resource."""

FOR_CONTAINERS = frozenset({CPU, MEMORY, STORAGE})

FOR_PODS = frozenset({CPU, MEMORY})
"""What a pod as a whole may ask for, beside huge pages (KEP-2837)."""

WHOLE = frozenset(
    {
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
"""Resources that are counted."""

STANDARD = FOR_CONTAINERS | WHOLE | {
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "storage",
}
"""Resources of quotas and objects that need no domain."""

Rule = Callable[[str, str], list[FieldError]]
"""(name of a resource, path) -> what is wrong with the name."""


def is_huge_pages(name: str) -> bool:
    """Tell whether a resource is pages of a size."""
    return name.startswith(HUGE_PAGES)


def is_native(name: str) -> bool:
    """Tell whether a resource is Kubernetes' own."""
    return "/" not in name or NATIVE in name


def is_extended(name: str) -> bool:
    """Tell whether a resource is one that somebody else counts on nodes."""
    return not is_native(name) and not name.startswith(REQUESTS) and not qualified_name(REQUESTS + name)


def may_overcommit(name: str) -> bool:
    """Tell whether more of a resource may be allowed than is asked for."""
    return is_native(name) and not is_huge_pages(name)


def resource_name(name: str, path: str) -> list[FieldError]:
    """Check the name of a resource wherever one stands."""
    out = [invalid(path, name, text) for text in qualified_name(name)]
    if not out and "/" not in name and name not in STANDARD and not is_huge_pages(name.removeprefix(REQUESTS)):
        out.append(invalid(path, name, "must be a standard resource type or fully qualified"))
    return out


def for_container(name: str, path: str) -> list[FieldError]:
    """Check the name of a resource of a container."""
    out = resource_name(name, path)
    if "/" not in name:
        if name not in FOR_CONTAINERS and not is_huge_pages(name):
            out.append(invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        out.append(invalid(path, name, "doesn't follow extended resource name standard"))
    return out


def for_pod(name: str, path: str) -> list[FieldError]:
    """Check the name of a resource of a pod as a whole."""
    out = resource_name(name, path)
    if not out and name not in FOR_PODS and not is_huge_pages(name):
        out.append(not_supported(path, name, sorted({*FOR_PODS, HUGE_PAGES})))
    return out


def quantity_problems(name: str, value: Any, path: str) -> list[FieldError]:
    """Check how much there is of a resource: nothing less than nothing, and whole numbers of what is counted."""
    found = amount(value)
    out = [invalid(path, value, NEGATIVE)] if found < ZERO else []
    if (name in WHOLE or is_extended(name)) and not found.is_integer():
        out.append(invalid(path, value, "must be an integer"))
    return out


def _huge_page_problems(name: str, value: Any, path: str) -> list[FieldError]:
    size = amount(name.removeprefix(HUGE_PAGES))
    if size > ZERO and size.is_integer() and not amount(value).value() % size.value():
        return []
    return [invalid(path, value, f"{value} is not positive integer multiple of {name}")]


def requirements_problems(
    requirements: Object, path: str, claims: Collection[str] = (), *, rule: Rule = for_container
) -> list[FieldError]:
    """Return what is wrong with ResourceRequirements. `claims` are the names of the pod's resourceClaims."""
    limits, requests = requirements.get("limits") or {}, requirements.get("requests") or {}
    out: list[FieldError] = []
    for name, value in sorted(limits.items()):
        out += _amount_problems(name, value, f"{path}.limits[{name}]", rule)
        if is_huge_pages(name):
            out += _huge_page_problems(name, value, f"{path}.limits[{name}]")
    for name, value in sorted(requests.items()):
        out += _amount_problems(name, value, f"{path}.requests[{name}]", rule)
        out += _against_limit(name, value, limits.get(name), path)
        if is_huge_pages(name):
            out += _huge_page_problems(name, value, f"{path}.requests[{name}]")
    named = limits.keys() | requests.keys()
    if not named & {CPU, MEMORY} and any(map(is_huge_pages, named)):
        out.append(forbidden(path, "HugePages require cpu or memory"))
    return out + _claim_problems(requirements.get("claims") or (), claims, f"{path}.claims")


def _amount_problems(name: str, value: Any, path: str, rule: Rule) -> list[FieldError]:
    return rule(name, path) + quantity_problems(name, value, path)


def _against_limit(name: str, value: Any, limit: Any, path: str) -> list[FieldError]:
    if limit is None:
        return [] if may_overcommit(name) else [required(f"{path}.limits", "Limit must be set for non overcommitable resources")]
    asked, allowed = amount(value), amount(limit)
    if asked != allowed and not may_overcommit(name):
        return [invalid(f"{path}.requests", value, f"must be equal to {name} limit of {limit}")]
    if asked > allowed:
        return [invalid(f"{path}.requests", value, f"must be less than or equal to {name} limit of {limit}")]
    return []


def _claim_problems(claims: Iterable[Object], known: Collection[str], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at, name, request = f"{path}[{index}]", claim.get("name", ""), claim.get("request", "")
        if not name:
            out.append(required(at))
            continue
        if name in seen:
            out.append(duplicate(at, name))
        else:
            key = f"{name}/{request}" if request else name
            out += label(request, f"{at}.request") if request else []
            if key in seen:
                out.append(duplicate(at, key))
            elif not request:
                out += [duplicate(at, name) for other in seen if other.partition("/")[0] == name]
            seen.add(key)
        if name not in known:
            listed = f": {', '.join(sorted(known))}" if known else " which is empty"
            out.append(not_found(at, name, f"must be one of the names in pod.spec.resourceClaims{listed}"))
    return out


def total(amounts: Iterable[Any]) -> Quantity:
    """Return the sum of quantities."""
    out = ZERO
    for value in amounts:
        out = out.add(amount(value))
    return out

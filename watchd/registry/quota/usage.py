"""Usage: what one object counts for in the terms of ResourceQuotas (the quota evaluators of Kubernetes 1.37).

Pods, Services and PersistentVolumeClaims have rules of their own; of every other kind the objects are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from watchd.registry.builtin.common.quantities import ZERO, amount
from watchd.registry.builtin.common.selectors import matches
from watchd.registry.builtin.core.podresources import BEST_EFFORT, aggregated, quality_of_service
from watchd.schema.quantity import Quantity

Object = dict[str, Any]
Amounts = dict[str, Quantity]

ONE = Quantity(1)

TERMINAL = frozenset({"Failed", "Succeeded"})
"""Phases of pods that have come to their end."""

ALIASES = {name: name for name in ("configmaps", "resourcequotas", "replicationcontrollers", "secrets")}
"""Core kinds that are counted under their plural too, as of old."""

COMPUTE = ("cpu", "memory", "ephemeral-storage")
REQUESTS, LIMITS = "requests.", "limits."
HUGE_PAGES = "hugepages-"

REQUIRED = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
"""Amounts that each container has to name where a quota limits them."""

BY_CLASS = ".storageclass.storage.k8s.io/"
"""Between a StorageClass and what is limited of its claims."""

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
POD_LEVEL = ("cpu", "memory")
"""Amounts that a pod may name as a whole, in place of its containers."""

Scope = Mapping[str, Any]
"""A v1.ScopedResourceSelectorRequirement."""


def count_name(group: str, plural: str) -> str:
    """Return the name under which objects of a kind are counted."""
    return f"count/{plural}.{group}".rstrip(".")


def scopes_of(quota: Object) -> list[Scope]:
    """Return what a quota asks of the objects that it counts."""
    spec = quota["spec"]
    plain: list[Scope] = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    return plain + list((spec.get("scopeSelector") or {}).get("matchExpressions") or ())


class Counted:
    """A kind of which the objects are counted, and that is all."""

    on_update = False
    """Whether an update can ask for more."""

    def __init__(self, group: str, plural: str) -> None:
        self.group = group
        self.plural = plural
        self.count = count_name(group, plural)
        alias = ALIASES.get(plural) if not group else None
        self.names = {self.count, alias} if alias else {self.count}

    def matching(self, names: Iterable[str]) -> list[str]:
        """Return those of the names that have to do with the kind, in order."""
        return sorted(name for name in names if self.covers(name))

    def covers(self, name: str) -> bool:
        """Tell whether a name has to do with the kind."""
        return name in self.names

    def in_scope(self, scope: Scope, obj: Object) -> bool:
        """Tell whether an object is one of those that a scope means."""
        del scope, obj
        return False

    def missing(self, names: Iterable[str], obj: Object) -> str:
        """Return what an object has to name beside what it names, in the reference's words, or nothing."""
        del names, obj
        return ""

    def usage(self, obj: Object, now_ms: int) -> Amounts:
        """Return what an object counts for."""
        del obj, now_ms
        return dict.fromkeys(self.names, ONE)

    def counts(self, obj: Object, scopes: Iterable[Scope]) -> bool:
        """Tell whether an object is in all scopes."""
        return all(self.in_scope(scope, obj) for scope in scopes)


class Services(Counted):
    """Services, their node ports and load balancers."""

    on_update = True

    def __init__(self) -> None:
        super().__init__("", "services")
        self.names = {self.count, "services", "services.nodeports", "services.loadbalancers"}

    def usage(self, obj: Object, now_ms: int) -> Amounts:
        """Return what a Service counts for. Node ports are counted by intent: they are handed out later."""
        del now_ms
        spec = obj["spec"]
        ports = spec.get("ports") or ()
        balanced = spec.get("type") == "LoadBalancer"
        if balanced and spec.get("allocateLoadBalancerNodePorts") is False:
            node_ports = sum(1 for port in ports if port.get("nodePort"))
        else:
            node_ports = len(ports) if balanced or spec.get("type") == "NodePort" else 0
        return {
            self.count: ONE,
            "services": ONE,
            "services.loadbalancers": ONE if balanced else ZERO,
            "services.nodeports": Quantity(node_ports),
        }


class Claims(Counted):
    """PersistentVolumeClaims and the storage they ask for, also by StorageClass."""

    on_update = True

    def __init__(self) -> None:
        super().__init__("", "persistentvolumeclaims")
        self.names = {self.count, self.plural, "requests.storage"}

    def covers(self, name: str) -> bool:
        """Tell whether a name has to do with claims: `gold.storageclass.storage.k8s.io/requests.storage` has."""
        return name in self.names or name.endswith((f"{BY_CLASS}{self.plural}", f"{BY_CLASS}requests.storage"))

    def in_scope(self, scope: Scope, obj: Object) -> bool:
        """Tell whether a claim is one of those that a scope means: by its VolumeAttributesClasses."""
        if scope["scopeName"] != "VolumeAttributesClass":
            return False
        status = obj.get("status") or {}
        named = (
            obj["spec"].get("volumeAttributesClassName"),
            status.get("currentVolumeAttributesClassName"),
            (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
        )
        return _any_matches(scope, [name for name in named if name])

    def usage(self, obj: Object, now_ms: int) -> Amounts:
        """Return what a claim counts for."""
        del now_ms
        out = {self.plural: ONE, self.count: ONE}
        meta, spec = obj["metadata"], obj["spec"]
        name = (meta.get("annotations") or {}).get(CLASS_ANNOTATION, spec.get("storageClassName")) or ""
        if name:
            out[f"{name}{BY_CLASS}{self.plural}"] = ONE
        asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        if asked is not None:
            given = amount(((obj.get("status") or {}).get("allocatedResources") or {}).get("storage"))
            storage = max(_whole(amount(asked)), _whole(given))
            out["requests.storage"] = storage
            if name:
                out[f"{name}{BY_CLASS}requests.storage"] = storage
        return out


class Pods(Counted):
    """Pods and what their containers ask for, as long as they have not come to their end."""

    on_update = True

    def __init__(self) -> None:
        super().__init__("", "pods")
        self.names = {self.count, "pods", *COMPUTE}
        self.names |= {prefix + name for prefix in (REQUESTS, LIMITS) for name in COMPUTE}

    def covers(self, name: str) -> bool:
        """Tell whether a name has to do with pods: huge pages and what extends nodes have."""
        if name in self.names or name.startswith((HUGE_PAGES, REQUESTS + HUGE_PAGES)):
            return True
        return name.startswith(REQUESTS) and is_extended(name)

    def in_scope(self, scope: Scope, obj: Object) -> bool:
        """Tell whether a pod is one of those that a scope means."""
        spec = obj["spec"]
        priority = spec.get("priorityClassName")
        holds: dict[str, Callable[[], bool]] = {
            "Terminating": lambda: has_deadline(obj),
            "NotTerminating": lambda: not has_deadline(obj),
            "BestEffort": lambda: quality_of_service(spec) == BEST_EFFORT,
            "NotBestEffort": lambda: quality_of_service(spec) != BEST_EFFORT,
            "PriorityClass": lambda: _any_matches(scope, [priority] if priority else []),
            "CrossNamespacePodAffinity": lambda: _looks_elsewhere(spec),
        }
        held = holds.get(scope["scopeName"])
        return held is not None and held()

    def missing(self, names: Iterable[str], obj: Object) -> str:
        """Return which containers do not say how much they need or may have of what is limited."""
        spec = obj["spec"]
        whole = spec.get("resources") or {}
        if any(name in POD_LEVEL or name.startswith(HUGE_PAGES) for field in whole.values() if isinstance(field, dict) for name in field):
            return ""
        needed = REQUIRED.intersection(names)
        found: dict[str, set[str]] = {}
        for container in (*spec.get("containers", ()), *(spec.get("initContainers") or ())):
            resources = container.get("resources") or {}
            named = _names(resources.get("requests") or {}, resources.get("limits") or {})
            for name in needed - named.keys():
                found.setdefault(name, set()).add(container["name"])
        if not found:
            return ""
        return "must specify " + "; ".join(f"{name} for: {','.join(sorted(found[name]))}" for name in sorted(found))

    def usage(self, obj: Object, now_ms: int) -> Amounts:
        """Return what a pod counts for; a pod at its end is one more object and nothing else."""
        out = {self.count: ONE}
        if at_end(obj, now_ms):
            return out
        requests, limits = needs(obj["spec"], "requests"), needs(obj["spec"], "limits")
        out["pods"] = ONE
        out.update(_names(requests, limits))
        return out


def at_end(pod: Object, now_ms: int) -> bool:
    """Tell whether a pod uses nothing any more: it has ended, or its time after the deletion is over."""
    if (pod.get("status") or {}).get("phase") in TERMINAL:
        return True
    meta = pod["metadata"]
    if "deletionTimestamp" not in meta or "deletionGracePeriodSeconds" not in meta:
        return False
    grace: int = meta["deletionGracePeriodSeconds"]
    return now_ms > (datetime.fromisoformat(meta["deletionTimestamp"]).timestamp() + grace) * 1000


def has_deadline(pod: Object) -> bool:
    """Tell whether a pod is one that ends by itself (spec.activeDeadlineSeconds)."""
    seconds = pod["spec"].get("activeDeadlineSeconds")
    return seconds is not None and seconds >= 0


def needs(spec: Object, field: str) -> Amounts:
    """Return what a pod as a whole asks for (`requests`) or may have (`limits`): its own word, its containers', its overhead."""
    total = aggregated(spec, field)
    for name, value in ((spec.get("resources") or {}).get(field) or {}).items():
        if name in POD_LEVEL or name.startswith(HUGE_PAGES):
            total[name] = amount(value)
    for name, value in (spec.get("overhead") or {}).items():
        if field == "requests" or name in total:
            total[name] = total.get(name, ZERO).add(amount(value))
    return total


def _names(requests: Mapping[str, Any], limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return amounts under all names that quotas have for them."""
    out: dict[str, Any] = {}
    for name in COMPUTE:
        if name in requests:
            out[name] = out[REQUESTS + name] = requests[name]
        if name in limits:
            out[LIMITS + name] = limits[name]
    for name, value in requests.items():
        if name.startswith(HUGE_PAGES):
            out[name] = out[REQUESTS + name] = value
        elif is_extended(name):
            out[REQUESTS + name] = value
    return out


def is_extended(name: str) -> bool:
    """Tell whether a resource is none of Kubernetes' own."""
    return "/" in name and "kubernetes.io/" not in name


def _whole(value: Quantity) -> Quantity:
    return value if value.is_integer() else Quantity(value.value(), 0, value.format)


def _any_matches(scope: Scope, names: list[str]) -> bool:
    if scope["operator"] == "Exists":
        return bool(names)
    key = scope["scopeName"]
    selector = {"matchExpressions": [{"key": key, "operator": scope["operator"], "values": scope.get("values") or []}]}
    return any(matches(selector, {key: name}) for name in names) if names else matches(selector, {})


def _looks_elsewhere(spec: Object) -> bool:
    """Tell whether a pod's affinity looks at other namespaces."""
    affinity = spec.get("affinity") or {}
    for field in ("podAffinity", "podAntiAffinity"):
        found = affinity.get(field) or {}
        terms = [
            *(found.get("requiredDuringSchedulingIgnoredDuringExecution") or ()),
            *(weighted["podAffinityTerm"] for weighted in found.get("preferredDuringSchedulingIgnoredDuringExecution") or ()),
        ]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


OWN_RULES: Mapping[str, Counted] = {"pods": Pods(), "services": Services(), "persistentvolumeclaims": Claims()}
"""By plural, in the core group."""


def counted(group: str, plural: str) -> Counted:
    """Return how objects of a kind are counted."""
    own = OWN_RULES.get(plural) if not group else None
    return own or Counted(group, plural)

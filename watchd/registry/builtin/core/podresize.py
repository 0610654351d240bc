"""Giving the containers of a pod more or less while they run (KEP-1287): the rules of the subresource `resize`."""

from __future__ import annotations

import copy
from typing import Any

from watchd.registry.builtin.common.fields import forbidden, invalid
from watchd.registry.builtin.core.podannotations import MIRROR
from watchd.registry.builtin.core.podresources import quality_of_service
from watchd.registry.builtin.core.podupdate import CONTAINERS, put
from watchd.registry.value import equal
from watchd.status import FieldError

Object = dict[str, Any]

RESIZED = ("cpu", "memory")
"""Resources that a container can be given more or less of while it runs."""

ONLY_RESIZED = "only cpu and memory resources are mutable"


def keep_but_resources(spec: Object, old: Object) -> None:
    """Take back, in place, all that a resize does not change. Left as it is where containers are not those that there are."""
    names = [[container.get("name") for container in it.get(field) or ()] for it in (spec, old) for field in CONTAINERS]
    if names[:2] != names[2:]:
        return
    kept = copy.deepcopy(old)
    for field in CONTAINERS:
        for container, now in zip(kept.get(field) or (), spec.get(field) or (), strict=True):
            put(container, "resources", now)
            put(container, "resizePolicy", now)
    put(kept, "resources", spec if spec.get("resources") is not None else old)
    spec.clear()
    spec.update(kept)


def resize_problems(pod: Object, old: Object) -> list[FieldError]:
    """Return what is wrong with a resize beside what would be wrong with a new pod."""
    spec, before = pod["spec"], old["spec"]
    if MIRROR in (old["metadata"].get("annotations") or {}):
        return [forbidden("", "static pods cannot be resized")]
    if (before.get("os") or {}).get("name") == "windows":
        return [forbidden("", "windows pods cannot be resized")]
    out = _quality_and_node(pod, old.get("status") or {}, before)
    out += _pod_level(spec.get("resources") or {}, before.get("resources") or {})
    moved = _order(spec, before)
    if moved:
        return out + moved
    for field in ("initContainers", "containers"):
        for index, (container, was) in enumerate(zip(spec.get(field) or (), before.get(field) or (), strict=True)):
            out += _removed(container.get("resources") or {}, was.get("resources") or {}, f"spec.{field}[{index}].resources", "resource")
    for field in CONTAINERS:
        for index, (container, was) in enumerate(zip(spec.get(field) or (), before.get(field) or (), strict=True)):
            if not equal(_without_resized(container), _without_resized(was)):
                at, why = f"spec.initContainers[{index}]", "only cpu and memory resources for init or sidecar containers are mutable"
                out.append(forbidden("spec", ONLY_RESIZED) if field == "containers" else forbidden(at, why))
    return out


def _quality_and_node(pod: Object, status: Object, old: Object) -> list[FieldError]:
    out: list[FieldError] = []
    if quality_of_service(pod["spec"]) != (status.get("qosClass") or quality_of_service(old)):
        told = (pod.get("status") or {}).get("qosClass", "")
        out.append(invalid("spec", told, "Pod QOS Class may not change as a result of resizing"))
    running = next((one for one in status.get("containerStatuses") or () if (one.get("state") or {}).get("running") is not None), None)
    if running is not None and running.get("resources") is None:
        out.append(forbidden("spec", "Pod running on node without support for resize"))
    return out


def _without_resized(container: Object) -> Object:
    out = copy.deepcopy(container)
    resources = out.get("resources") or {}
    for part in ("requests", "limits"):
        amounts = {name: value for name, value in (resources.get(part) or {}).items() if name not in RESIZED}
        resources[part] = amounts
    out["resources"] = resources
    return out


def _removed(now: Object, old: Object, path: str, what: str) -> list[FieldError]:
    return [
        forbidden(f"{path}.{part}", f"{what} {part} cannot be removed")
        for part in ("requests", "limits")
        if (old.get(part) or {}).keys() - (now.get(part) or {}).keys()
    ]


def _pod_level(now: Object, old: Object) -> list[FieldError]:
    if not any(side.get(part) for side in (now, old) for part in ("requests", "limits")):
        return []
    out = _removed(now, old, "spec.resources", "pod-level resource")
    if not equal(_without_resized({"resources": dict(now)}), _without_resized({"resources": dict(old)})):
        out.append(forbidden("spec", "only cpu and memory resources are mutable at pod-level"))
    return out


def _order(spec: Object, old: Object) -> list[FieldError]:
    out: list[FieldError] = []
    for field in CONTAINERS:
        now, before = spec.get(field) or (), old.get(field) or ()
        if len(now) != len(before):
            out.append(forbidden(f"spec.{field}", f"{field} may not be added or removed on resize"))
            continue
        out += [
            forbidden(f"spec.{field}[{index}].name", f"{field} may not be renamed or reordered on resize")
            for index, (container, was) in enumerate(zip(now, before, strict=True))
            if container.get("name") != was.get("name")
        ]
    return out

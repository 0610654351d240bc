"""What the items of a LimitRange ask of pods and claims, in the reference's words (plugin/pkg/admission/limitranger)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from watchd.registry.attributes import Attributes
from watchd.registry.builtin.common.quantities import ZERO, amount
from watchd.registry.builtin.core.podresources import aggregated
from watchd.schema.quantity import Quantity
from watchd.status import forbidden

Object = dict[str, Any]
Amounts = Mapping[str, Any]

ANNOTATION = "kubernetes.io/limit-ranger"
"""Tells what was filled in."""

MILLI_MAX = ((1 << 63) - 1) // 1000
"""Larger amounts are compared by whole numbers."""

CONTAINER, POD, CLAIM = "Container", "Pod", "PersistentVolumeClaim"


def fill_in(pod: Object, limits: list[Object]) -> None:
    """Give containers the amounts that they do not name, in place, and write down in an annotation what was given."""
    requests: dict[str, Any] = {}
    allowed: dict[str, Any] = {}
    for item in limits:
        if item.get("type") == CONTAINER:
            requests.update(item.get("defaultRequest") or {})
            allowed.update(item.get("default") or {})
    said = []
    for what, field in (("container", "containers"), ("init container", "initContainers")):
        for container in pod["spec"].get(field) or ():
            for word, name, given in (("request", "requests", requests), ("limit", "limits", allowed)):
                resources = container.get("resources") or {}
                missing = {key: value for key, value in given.items() if key not in (resources.get(name) or {})}
                if missing:
                    resources[name] = {**(resources.get(name) or {}), **missing}
                    container["resources"] = resources
                    said.append(f"{', '.join(sorted(missing))} {word} for {what} {container.get('name', '')}")
    if said:
        annotations = pod["metadata"].get("annotations") or {}
        pod["metadata"]["annotations"] = {**annotations, ANNOTATION: f"LimitRanger plugin set: {'; '.join(said)}"}


def check(attributes: Attributes, obj: Object, limits: list[Object]) -> None:
    """Raise StatusError 403 for an object outside of the limits of one LimitRange."""
    problems = dict.fromkeys(_of_pod(obj, limits) if attributes.kind.names.plural == "pods" else _of_claim(obj, limits))
    if problems:
        why = ", ".join(problems)
        kind = attributes.kind
        raise forbidden(kind.group, kind.names.plural, attributes.name, why if len(problems) == 1 else f"[{why}]")


def _of_claim(claim: Object, limits: list[Object]) -> Iterator[str]:
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    for item in limits:
        if item.get("type") == CLAIM:
            for name, enforced in _sorted(item, "min"):
                yield from _minimum(CLAIM, name, enforced, requests, {})
            for name, enforced in _sorted(item, "max"):
                if name not in requests:
                    yield f"maximum {name} usage per {CLAIM} is {enforced}.  No request is specified"
                elif _compare(requests[name], enforced) > 0:
                    yield f"maximum {name} usage per {CLAIM} is {enforced}, but request is {requests[name]}"


def _of_pod(pod: Object, limits: list[Object]) -> Iterator[str]:
    spec = pod["spec"]
    for item in limits:
        if item.get("type") == CONTAINER:
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
                resources = container.get("resources") or {}
                yield from _within(CONTAINER, item, resources.get("requests") or {}, resources.get("limits") or {})
        elif item.get("type") == POD:
            yield from _within(POD, item, _whole(spec, "requests"), _whole(spec, "limits"))


def _whole(spec: Object, field: str) -> Amounts:
    """Return what a pod as a whole asks for or may have, by its own word or its containers'."""
    own = {key: amount(value) for key, value in ((spec.get("resources") or {}).get(field) or {}).items() if key in ("cpu", "memory")}
    return {**aggregated(spec, field), **own}


def _within(kind: str, item: Object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, enforced in _sorted(item, "min"):
        yield from _minimum(kind, name, enforced, requests, limits)
    for name, enforced in _sorted(item, "max"):
        yield from _maximum(kind, name, enforced, requests, limits)
    for name, enforced in _sorted(item, "maxLimitRequestRatio"):
        yield from _ratio(kind, name, enforced, requests, limits)


def _sorted(item: Object, field: str) -> list[tuple[str, Any]]:
    """Return amounts by name. The reference takes them as they come, which is at random."""
    return sorted((item.get(field) or {}).items())


def _minimum(kind: str, name: str, enforced: Any, requests: Amounts, limits: Amounts) -> Iterator[str]:
    said = f"minimum {name} usage per {kind} is {enforced}"
    if name not in requests:
        yield f"{said}.  No request is specified"
    elif _compare(requests[name], enforced) < 0:
        yield f"{said}, but request is {requests[name]}"
    elif name in limits and _compare(limits[name], enforced) < 0:
        yield f"{said}, but limit is {limits[name]}"


def _maximum(kind: str, name: str, enforced: Any, requests: Amounts, limits: Amounts) -> Iterator[str]:
    said = f"maximum {name} usage per {kind} is {enforced}"
    if name not in limits:
        yield f"{said}.  No limit is specified"
    elif _compare(limits[name], enforced) > 0:
        yield f"{said}, but limit is {limits[name]}"
    elif name in requests and _compare(requests[name], enforced) > 0:
        yield f"{said}, but request is {requests[name]}"


def _ratio(kind: str, name: str, enforced: Any, requests: Amounts, limits: Amounts) -> Iterator[str]:
    said = f"{name} max limit to request ratio per {kind} is {enforced}"
    request, limit, most = _amount(requests.get(name)), _amount(limits.get(name)), _amount(enforced)
    if request == ZERO:
        yield f"{said}, but no request is specified or request is 0"
    elif limit == ZERO:
        yield f"{said}, but no limit is specified or limit is 0"
    else:
        fine = request.value() <= MILLI_MAX and limit.value() <= MILLI_MAX
        ratio = limit.milli_value() / request.milli_value() if fine else limit.value() / request.value()
        if ratio * 1000 > most.milli_value():
            yield f"{said}, but provided ratio is {ratio:f}"


def _amount(value: Any) -> Quantity:
    return value if isinstance(value, Quantity) else amount(value)


def _compare(one: Any, other: Any) -> int:
    """Compare at thousandths, or at whole numbers where they are too large for that."""
    values = _amount(one), _amount(other)
    if all(value.value() <= MILLI_MAX for value in values):
        pair = [value.milli_value() for value in values]
    else:
        pair = [value.value() for value in values]
    return (pair[0] > pair[1]) - (pair[0] < pair[1])

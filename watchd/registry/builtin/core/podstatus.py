"""What a kubelet and a scheduler may say of a pod: the rules of its status."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from watchd.names import dns1123_subdomain, qualified_name
from watchd.registry.builtin.common.addresses import address_problems, duplicate, family_of, parse
from watchd.registry.builtin.common.fields import forbidden, invalid
from watchd.registry.builtin.common.values import subdomain
from watchd.registry.metadata import IMMUTABLE
from watchd.status import FieldError, FieldProblem, Written, go_json

Object = dict[str, Any]

OWN_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})
"""Conditions whose names need not be checked."""

NOT_AGAIN = "may not be transitioned to non-terminated state"
ONE_PER_FAMILY = "may specify no more than one IP for each IP family"
NEGATIVE_GENERATION = "must be a non-negative integer"

KEPT = ("resourceClaimStatuses", "extendedResourceClaimStatus")
"""What a writer that does not know it must not take away (KEP-3063)."""


def default_addresses(status: Object) -> None:
    """Keep the one address and the list of them alike, in place: the one counts."""
    one, many = status.get("podIP", ""), status.get("podIPs") or []
    if not one and many:
        status["podIP"] = many[0].get("ip", "")
    elif one and (not many or many[0].get("ip") != one):
        status["podIPs"] = [{"ip": one}]


def keep_status(status: Object, old: Object) -> None:
    """Put back what a write of the status left out and must not take away, in place."""
    if not status.get("qosClass") and old.get("qosClass"):
        status["qosClass"] = old["qosClass"]
    for field in KEPT:
        if status.get(field) is None and old.get(field) is not None:
            status[field] = old[field]
    if not status.get("observedGeneration") and old.get("observedGeneration"):
        status["observedGeneration"] = old["observedGeneration"]
    before: dict[str, list[int]] = {}
    for condition in old.get("conditions") or ():
        before.setdefault(condition.get("type", ""), []).append(condition.get("observedGeneration", 0))
    for condition in status.get("conditions") or ():
        generations = before.get(condition.get("type", ""))
        generation = generations.pop(0) if generations else 0
        if not condition.get("observedGeneration") and generation:
            condition["observedGeneration"] = generation


def status_problems(pod: Object, old: Object) -> list[FieldError]:
    """Return what is wrong with a changed status."""
    status, before, spec = pod.get("status") or {}, old.get("status") or {}, old.get("spec") or {}
    out: list[FieldError] = []
    for index, condition in enumerate(status.get("conditions") or ()):
        generation, kind = condition.get("observedGeneration", 0), condition.get("type", "")
        if generation < 0:
            out.append(invalid(f"status.conditions[{index}].observedGeneration", generation, NEGATIVE_GENERATION))
        if kind not in OWN_CONDITIONS:
            out += [invalid(f"status.conditions[{index}].Type", kind, text) for text in qualified_name(kind)]
    out += _nominated(status.get("nominatedNodeName", ""), before.get("nominatedNodeName", ""), spec)
    generation = status.get("observedGeneration", 0)
    if generation < 0:
        out.append(invalid("status.observedGeneration", generation, NEGATIVE_GENERATION))
    if status.get("qosClass", "") != before.get("qosClass", ""):
        out.append(invalid("status.qosClass", status.get("qosClass", ""), IMMUTABLE))
    for field, containers in (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")):
        out += _transitions(status.get(field) or (), before.get(field) or (), spec, containers, f"status.{field}")
    field = "ephemeralContainerStatuses"
    out += _left_end(status.get(field) or (), before.get(field) or (), f"status.{field}")
    out += _claims(status.get("resourceClaimStatuses") or (), spec)
    return out + _pod_addresses(status, before) + _host_addresses(status, before)


def _nominated(name: str, old: str, spec: Object) -> list[FieldError]:
    if not name or name == old:
        return []
    out = [invalid("status.nominatedNodeName", name, text) for text in dns1123_subdomain(name)]
    if spec.get("nodeName"):
        out.append(forbidden("status.nominatedNodeName", "may not be set on pods that are already bound to a node"))
    return out


def _transitions(statuses: Sequence[Object], old: Sequence[Object], spec: Object, field: str, path: str) -> list[FieldError]:
    """Check that containers that have ended stay so, unless they are to be restarted."""
    everything = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    if any(rule.get("action") == "RestartAllContainers" for container in everything for rule in container.get("restartPolicyRules") or ()):
        return []
    containers = {container.get("name"): container for container in spec.get(field) or ()}
    out: list[FieldError] = []
    for index, before in enumerate(old):
        ended = (before.get("state") or {}).get("terminated")
        now = next((status for status in statuses if status.get("name") == before.get("name")), None)
        if ended is None or now is None or (now.get("state") or {}).get("terminated") is not None:
            continue
        container = containers.get(before.get("name"))
        if container is None or not _restarts(container, spec, ended.get("exitCode", 0)):
            out.append(forbidden(f"{path}[{index}].state", NOT_AGAIN))
    return out


def _restarts(container: Object, spec: Object, code: int) -> bool:
    """Tell whether a container is restarted that has ended with a code."""
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        if rule.get("action") == "Restart" and (code in (codes.get("values") or ())) == (codes.get("operator") == "In"):
            return True
    policy = container.get("restartPolicy") or spec.get("restartPolicy")
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _left_end(statuses: Iterable[Object], old: Sequence[Object], path: str) -> list[FieldError]:
    running = {status.get("name") for status in statuses if (status.get("state") or {}).get("terminated") is None}
    return [
        forbidden(f"{path}[{index}].state", NOT_AGAIN)
        for index, before in enumerate(old)
        if (before.get("state") or {}).get("terminated") is not None and before.get("name") in running
    ]


def _claims(statuses: Iterable[Object], spec: Object) -> list[FieldError]:
    """Check which claims the claims of a pod have become (KEP-3063)."""
    known = {claim.get("name") for claim in spec.get("resourceClaims") or ()}
    out: list[FieldError] = []
    seen: set[str] = set()
    for index, status in enumerate(statuses):
        at, name, claim = f"status.resourceClaimStatuses[{index}]", status.get("name", ""), status.get("resourceClaimName")
        if name not in known:
            out.append(invalid(f"{at}.name", name, "must match the name of an entry in `spec.resourceClaims`"))
        if name in seen:
            out.append(duplicate(f"{at}.name", name))
        seen.add(name)
        out += [] if claim is None else subdomain(claim, f"{at}.resourceClaimName")
    return out


def _pod_addresses(status: Object, old: Object) -> list[FieldError]:
    path, one, many = "status.podIPs", status.get("podIP", ""), status.get("podIPs") or []
    out = _each(many, old.get("podIPs") or (), path)
    told = Written(go_json([{"IP": item.get("ip", "")} for item in many] if many else None))
    if bool(one) != bool(many):
        out.append(invalid(path, told, "podIP and podIPs must either both be set or both be unset"))
    elif many and one != many[0].get("ip"):
        out.append(invalid(f"{path}[0].ip", many[0].get("ip", ""), "must be equal to `podIP`"))
    return out


def _host_addresses(status: Object, old: Object) -> list[FieldError]:
    path, many = "status.hostIPs", status.get("hostIPs") or []
    if not many:
        return []
    out: list[FieldError] = []
    if status.get("hostIP", "") != many[0].get("ip"):
        out.append(invalid(f"{path}[0].ip", many[0].get("ip", ""), "must be equal to `hostIP`"))
    return out + _each(many, old.get("hostIPs") or (), path)


def _each(addresses: Sequence[Object], old: Iterable[Object], path: str) -> list[FieldError]:
    known = [item.get("ip", "") for item in old]
    out: list[FieldError] = []
    for index, item in enumerate(addresses):
        out += address_problems(item.get("ip", ""), f"{path}[{index}]", known)
    texts = [item.get("ip", "") for item in addresses]
    if len(texts) < 2:
        return out
    bad = next(((index, text) for index, text in enumerate(texts) if parse(text) is None), None)
    if bad is not None:
        why = f"failed to check for dual stack with error:invalid IP[{bad[0]}]: {bad[1]}"
        out.append(FieldError(FieldProblem.INTERNAL, path, None, why))
    if bad is not None or len(texts) > 2 or family_of(texts[0]) == family_of(texts[1]):
        out.append(invalid(path, Written(go_json([{"IP": text} for text in texts])), ONE_PER_FAMILY))
    return out

"""What may change of a pod that there is: little of its spec, and a little more by way of its subresources."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from watchd.registry.builtin.common.fields import forbidden, invalid, required
from watchd.registry.builtin.common.values import INT32_MAX
from watchd.registry.builtin.core.affinity import REQUIRED, toleration_problems
from watchd.registry.builtin.core.internalspec import told, written
from watchd.registry.builtin.core.podannotations import MIRROR
from watchd.registry.value import equal
from watchd.status import FieldError

Object = dict[str, Any]

MAY_CHANGE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)

CONTAINERS = ("containers", "initContainers")


def spec_changes(spec: Object, old: Object) -> list[FieldError]:
    """Return what is wrong with a changed spec beside what would be wrong with a new one."""
    out: list[FieldError] = []
    for field in CONTAINERS:
        now, before = spec.get(field) or (), old.get(field) or ()
        if len(now) != len(before):
            return [*out, forbidden(f"spec.{field}", "pod updates may not add or remove containers")]
        out += _images(now, f"spec.{field}")
    deadline, before_deadline = spec.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")
    path = "spec.activeDeadlineSeconds"
    if deadline is not None and not 0 <= deadline <= INT32_MAX:
        return [*out, invalid(path, deadline, f"must be between 0 and {INT32_MAX}, inclusive")]
    if deadline is not None and before_deadline is not None and before_deadline < deadline:
        return [*out, invalid(path, deadline, "must be less than or equal to previous value")]
    if deadline is None and before_deadline is not None:
        out.append(invalid(path, None, "must not update from a positive integer to nil value"))
    out += _tolerations(spec.get("tolerations") or [], old.get("tolerations") or [])
    out += _gates(spec.get("schedulingGates") or [], old.get("schedulingGates") or [])
    if equal(spec, old):
        return out
    rest = _without_what_may_change(spec, old)
    if old.get("schedulingGates"):
        out += _where_gated(rest, old)
    if not equal(rest, old):
        why = f"pod updates may not change fields other than {MAY_CHANGE}\n{spec_diff(old, rest)}"
        out.append(forbidden("spec", why))
    return out


def spec_diff(old: Object, new: Object) -> str:
    """Write how two specs differ, as the reference does: a unified diff of its internal types."""
    return _diff(written(old, "PodSpec"), written(new, "PodSpec"))


def _diff(old: str, new: str) -> str:
    before, after = ([f"{line}\n" for line in text.split("\n")] for text in (old, new))
    return "".join(line for line in difflib.unified_diff(before, after) if line not in ("--- \n", "+++ \n"))


def _images(containers: Sequence[Object], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for index, container in enumerate(containers):
        image = container.get("image", "")
        if not image:
            out.append(required(f"{path}[{index}].image"))
        elif image != image.strip():
            out.append(invalid(f"{path}[{index}].image", image, "must not have leading or trailing whitespace"))
    return out


def _tolerations(now: Sequence[Object], old: Sequence[Object]) -> list[FieldError]:
    def lasting(toleration: Object) -> Object:
        return {field: value for field, value in toleration.items() if field != "tolerationSeconds"}

    kept = [lasting(toleration) for toleration in now]
    if any(lasting(toleration) not in kept for toleration in old):
        return [forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")]
    return toleration_problems(now, "spec.tolerations")


def _gates(now: Sequence[Object], old: Sequence[Object]) -> list[FieldError]:
    known = {gate.get("name", "") for gate in old}
    new = {gate.get("name", ""): index for index, gate in enumerate(now) if gate.get("name", "") not in known}
    why = "only deletion is allowed, but found new scheduling gate '{}'"
    return [forbidden(f"spec.schedulingGates[{index}].name", why.format(name)) for name, index in new.items()]


def _without_what_may_change(spec: Object, old: Object) -> Object:
    rest = copy.deepcopy(spec)
    for field in CONTAINERS:
        for container, before in zip(rest.get(field) or (), old.get(field) or (), strict=True):
            put(container, "image", before)
    for field in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        put(rest, field, old)
    if old.get("terminationGracePeriodSeconds", 0) < 0 and rest.get("terminationGracePeriodSeconds") == 1:
        put(rest, "terminationGracePeriodSeconds", old)
    return rest


def put(obj: Object, field: str, source: Mapping[str, Any]) -> None:
    """Make a field what it is in another object."""
    if field in source:
        obj[field] = source[field]
    else:
        obj.pop(field, None)


def _where_gated(rest: Object, old: Object) -> list[FieldError]:
    """Check changes of where a pod wants to run that nobody looks at yet, and take them back (KEP-3521)."""
    out: list[FieldError] = []
    selector, before = rest.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if selector != before:
        lost = any(selector.get(key) != value for key, value in before.items())
        out += [invalid("spec.nodeSelector", selector, "only additions to spec.nodeSelector are allowed (no mutations or deletions)")] if lost else []
        put(rest, "nodeSelector", old)
    nodes, old_nodes = ((spec.get("affinity") or {}).get("nodeAffinity") for spec in (rest, old))
    if nodes != old_nodes:
        out += _node_affinity(nodes or {}, old_nodes or {})
        affinity = {key: value for key, value in (rest.get("affinity") or {}).items() if key != "nodeAffinity"}
        if old_nodes is not None:
            affinity["nodeAffinity"] = old_nodes
        if affinity or old.get("affinity") is not None:
            rest["affinity"] = affinity
        else:
            rest.pop("affinity", None)
    return out


def _node_affinity(nodes: Object, old: Object) -> list[FieldError]:
    before, now = ((side.get(REQUIRED) or {}).get("nodeSelectorTerms") or [] for side in (old, nodes))
    path = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
    if before and len(now) != len(before):
        why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [invalid(path, told(now, "[NodeSelectorTerm"), why)]
    return [
        invalid(f"{path}[{index}]", told(term, "NodeSelectorTerm"), "only additions are allowed (no mutations or deletions)")
        for index, (term, was) in enumerate(zip(now, before, strict=False))
        if not _only_more(term, was)
    ]


def _only_more(term: Object, old: Object) -> bool:
    parts = [(term.get(field) or [], old.get(field) or []) for field in ("matchExpressions", "matchFields")]
    if not any(had for _, had in parts):
        return not any(wanted for wanted, _ in parts)
    return all(wanted[: len(had)] == had for wanted, had in parts)


def ephemeral_changes(spec: Object, old: Object, annotations: Mapping[str, str]) -> list[FieldError]:
    """Return what is wrong with changed ephemeral containers; `annotations` are those of the pod as it was."""
    if MIRROR in annotations:
        return [forbidden("", "static pods do not support ephemeral containers")]
    path = "spec.ephemeralContainers"
    now = {container.get("name", ""): container for container in spec.get("ephemeralContainers") or ()}
    out: list[FieldError] = []
    for container in old.get("ephemeralContainers") or ():
        name = container.get("name", "")
        if name not in now:
            out.append(forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif not equal(container, now[name]):
            diff = _diff(written(container, "EphemeralContainer"), written(now[name], "EphemeralContainer"))
            out.append(forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n{diff}'))
    return out

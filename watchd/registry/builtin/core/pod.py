"""Pod: containers that run together on one node."""

from __future__ import annotations

from typing import Any

from watchd.names import dns1123_label
from watchd.registry.builtin.common.fields import forbidden, nonnegative
from watchd.registry.builtin.common.quantities import round_up_all
from watchd.registry.builtin.core.affinity import add_label_keys, pod_terms
from watchd.registry.builtin.core.containers import image_padding
from watchd.registry.builtin.core.podannotations import agreement_problems, annotation_changes, annotation_problems
from watchd.registry.builtin.core.poddefaults import default_pod_spec, default_resources
from watchd.registry.builtin.core.podgates import drop_disabled, drop_init_annotations
from watchd.registry.builtin.core.podresize import keep_but_resources, resize_problems
from watchd.registry.builtin.core.podresources import default_pod_resources, quality_of_service
from watchd.registry.builtin.core.podstatus import default_addresses, keep_status, status_problems
from watchd.registry.builtin.core.podupdate import ephemeral_changes, spec_changes
from watchd.registry.builtin.core.podvalidation import containers_with_paths, validate_pod_spec
from watchd.registry.builtin.core.podwarnings import pod_warnings
from watchd.registry.strategy import Object, Strategy, Warn
from watchd.registry.value import equal
from watchd.seams import Clock, Entropy, rfc3339
from watchd.status import FieldError

PENDING = "Pending"

ENDED = {"Failed": "The pod failed.", "Succeeded": "The pod has completed successfully."}
"""Phases of pods whose containers have ended for good, and what Tables say of them."""

LEAST_GRACE = 1
"""Seconds that a negative grace period stands for."""

EPHEMERAL = "ephemeralcontainers"
RESIZE = "resize"

STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")

FIELDS: dict[str, Any] = {
    "spec.nodeName": "",
    "spec.restartPolicy": "",
    "spec.schedulerName": "",
    "spec.serviceAccountName": "",
    "spec.hostNetwork": False,
    "status.phase": "",
    "status.nominatedNodeName": "",
}
"""Selectable fields that are read where they stand, with what stands there when they are absent."""


class PodStrategy(Strategy):
    """The rules of Pod."""

    returns_deleted = True
    status_keeps = ("spec", "metadata.deletionTimestamp", "metadata.ownerReferences")
    selectable_fields = (*FIELDS, "status.podIP", "status.podIPs", "spec.host")

    def default(self, obj: Object) -> None:
        """Fill in what pods leave out: more than their templates do."""
        spec = obj.setdefault("spec", {})
        if spec.get("terminationGracePeriodSeconds", 0) < 0:
            spec["terminationGracePeriodSeconds"] = LEAST_GRACE
        for field in ("containers", "initContainers"):
            for container in spec.get(field) or ():
                _request_limits(container.get("resources") or {})
                if spec.get("hostNetwork"):
                    _host_ports(container)
        spec.setdefault("enableServiceLinks", True)
        default_pod_spec(spec)
        _default_status(obj.get("status") or {})

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Begin pending, with a quality of service for good."""
        del entropy
        spec, meta = obj["spec"], obj["metadata"]
        meta["generation"] = 1
        obj["status"] = {"phase": PENDING}
        drop_init_annotations(meta)
        drop_disabled(spec)
        if spec.get("schedulingGates"):
            obj["status"]["conditions"] = [_gated(rfc3339(clock.now_ms()))]
        labels = meta.get("labels") or {}
        for term in (*pod_terms(spec.get("affinity")), *(spec.get("topologySpreadConstraints") or ())):
            add_label_keys(term, labels)
        default_pod_resources(spec)
        obj["status"]["qosClass"] = quality_of_service(spec)

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Take back what each way of changing a pod does not change."""
        if subresource == "status":
            _put_back(obj["metadata"], old["metadata"], "ownerReferences")
            keep_status(obj.setdefault("status", {}), old.get("status") or {})
            return
        _put_back(obj, old, "status")
        if subresource:
            for field in ("labels", "annotations", "ownerReferences", "finalizers"):
                _put_back(obj["metadata"], old["metadata"], field)
        spec, before = obj["spec"], old["spec"]
        if subresource == EPHEMERAL:
            late = spec.get("ephemeralContainers")
            obj["spec"] = spec = {field: value for field, value in before.items() if field != "ephemeralContainers"}
            if late:
                spec["ephemeralContainers"] = late
        elif subresource == RESIZE:
            keep_but_resources(spec, before)
            default_pod_resources(spec)
        elif spec.get("resources") is None and before.get("resources") is not None:
            spec["resources"] = before["resources"]
        drop_init_annotations(obj["metadata"])
        drop_disabled(spec, before)
        if not equal(spec, before):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check a pod, and warn of a new one's name that is no name of a host."""
        if old is not None:
            return self.validate_update(obj, old, subresource)
        name = obj["metadata"].get("name", "")
        if texts := dns1123_label(name):
            why = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
            warn(f"metadata.name: {why}: [{' '.join(texts)}]")
        for text in pod_warnings(obj["metadata"], obj["spec"]):
            warn(text)
        return self.validate(obj)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check a new pod."""
        spec = obj["spec"]
        out = _whole(obj)
        if spec.get("ephemeralContainers"):
            out.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
        if spec.get("nodeName") and spec.get("schedulingGates"):
            out.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
        annotations = obj["metadata"].get("annotations") or {}
        return out + agreement_problems(annotations, spec, containers_with_paths(spec, "spec"), "spec")

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check a changed pod by what may change of it, and how."""
        spec, before = obj["spec"], old["spec"]
        annotations, had = (pod["metadata"].get("annotations") or {} for pod in (obj, old))
        changed = annotation_changes(annotations, had, spec, "metadata.annotations")
        if subresource == "status":
            return changed + status_problems(obj, old)
        if subresource == EPHEMERAL:
            return _whole(obj) + changed + ephemeral_changes(spec, before, had)
        if subresource == RESIZE:
            return _whole(obj) + resize_problems(obj, old)
        return _whole(obj) + changed + spec_changes(spec, before)

    def grace_period(self, obj: Object, asked: int | None) -> int | None:
        """Return how long a kubelet has to end the pod; one that no kubelet runs goes at once."""
        spec = obj.get("spec") or {}
        if not spec.get("nodeName") or (obj.get("status") or {}).get("phase") in ENDED:
            return 0
        period = spec.get("terminationGracePeriodSeconds", 0) if asked is None else asked
        return period if period >= 0 else LEAST_GRACE

    def row_conditions(self, obj: Object) -> list[Object]:
        """Tell that a pod has ended, for tables that set such ones apart."""
        phase = (obj.get("status") or {}).get("phase")
        if phase not in ENDED:
            return []
        return [{"type": "Completed", "status": "True", "reason": phase, "message": ENDED[phase]}]

    def fields(self, obj: Object) -> dict[str, str]:
        """Return what pods are selected by."""
        out: dict[str, str] = {}
        for path, absent in FIELDS.items():
            part, _, field = path.partition(".")
            value = (obj.get(part) or {}).get(field, absent)
            out[path] = ("true" if value else "false") if isinstance(absent, bool) else value
        addresses = (obj.get("status") or {}).get("podIPs") or [{}]
        out["status.podIP"] = addresses[0].get("ip", "")
        # The reference takes selectors by these: the one is an old name, the other selects nothing.
        out["spec.host"] = out["spec.nodeName"]
        out["status.podIPs"] = ""
        return out


def _whole(obj: Object) -> list[FieldError]:
    """Check what is to hold of every pod, new or changed."""
    spec, meta = obj["spec"], obj["metadata"]
    out = annotation_problems(meta.get("annotations") or {}, spec, "metadata.annotations")
    out += validate_pod_spec(spec, "spec", pod=meta)
    if not spec.get("serviceAccountName"):
        why = "must not be specified when serviceAccountName is not set"
        out += [
            forbidden(f"spec.volumes[{index}].projected.sources[{number}].serviceAccountToken", why)
            for index, volume in enumerate(spec.get("volumes") or ())
            for number, source in enumerate((volume.get("projected") or {}).get("sources") or ())
            if source.get("serviceAccountToken") is not None
        ]
    out += nonnegative(spec.get("terminationGracePeriodSeconds"), "spec.terminationGracePeriodSeconds")
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            out += image_padding(container, f"spec.{field}[{index}]")
    return out


def _gated(time: str) -> Object:
    """Return the condition of a pod that nobody is to look at yet (KEP-3521)."""
    return {
        "type": "PodScheduled",
        "status": "False",
        "lastProbeTime": None,
        "lastTransitionTime": time,
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
    }


def _request_limits(resources: Object) -> None:
    """Ask for what a container may have at the most, in place, where it does not say what it asks for."""
    if resources.get("limits") is not None:
        requests = resources.get("requests") or {}
        for name, value in resources["limits"].items():
            requests.setdefault(name, value)
        if requests:
            resources["requests"] = requests


def _host_ports(container: Object) -> None:
    for port in container.get("ports") or ():
        if not port.get("hostPort") and port.get("containerPort"):
            port["hostPort"] = port["containerPort"]


def _default_status(status: Object) -> None:
    default_addresses(status)
    for field in STATUSES:
        for one in status.get(field) or ():
            round_up_all(one.get("allocatedResources"))
            default_resources(one.get("resources"))
    round_up_all(status.get("allocatedResources"))
    default_resources(status.get("resources"))


def _put_back(obj: Object, old: Object, field: str) -> None:
    if field in old:
        obj[field] = old[field]
    else:
        obj.pop(field, None)


STRATEGY = PodStrategy()

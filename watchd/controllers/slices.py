"""Slices: how the pods behind a Service are told by EndpointSlices - which endpoint says what, and which slice has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import orjson

from watchd.controllers.service_pods import Pod, families_of, is_headless

Object = dict[str, Any]

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"

RESERVED = (MANAGED_BY, SERVICE_NAME, HEADLESS_LABEL)
"""Labels of slices that are not the Service's."""

ENDPOINTS_MAX = 100
"""Endpoints of one slice: the reference's default."""


@attrs.define(eq=False)
class Slice:
    """A slice that is there, or is to be made."""

    family: str
    ports: list[Object]
    endpoints: list[Object]
    object: Object = attrs.field(factory=dict)
    """As it is stored; empty for a new one."""

    @classmethod
    def of(cls, obj: Object) -> Slice:
        """Read a stored slice."""
        return cls(obj["addressType"], obj.get("ports") or [], obj.get("endpoints") or [], obj)

    def rendered(self, service: Object, current: Object | None = None) -> Object:
        """Return the object, made of `current` or what is stored, with these endpoints. Shares their parts."""
        out = dict(current or self.object or _new(service, self.family))
        labels = {key: value for key, value in (service["metadata"].get("labels") or {}).items() if key not in RESERVED}
        if is_headless(service):
            labels[HEADLESS_LABEL] = ""
        labels.update({SERVICE_NAME: service["metadata"]["name"], MANAGED_BY: MANAGER})
        out["metadata"] = {**out["metadata"], "labels": labels}
        if self.endpoints != (out.get("endpoints") or []):
            out["endpoints"] = self.endpoints
        if self.ports != (out.get("ports") or []):
            out["ports"] = self.ports
        return out


@attrs.frozen
class Plan:
    """What the slices of a Service are to be."""

    slices: list[Slice]
    """To be stored, if they say something new."""
    surplus: list[Slice]
    """To be deleted."""


def _new(service: Object, family: str) -> Object:
    meta = service["metadata"]
    owner = {
        "apiVersion": "v1", "kind": "Service", "name": meta["name"], "uid": meta["uid"], "controller": True, "blockOwnerDeletion": True
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"generateName": f"{meta['name']}-", "namespace": meta["namespace"], "ownerReferences": [owner]},
        "addressType": family,
        "endpoints": [],
        "ports": [],
    }


def plan(service: Object, pods: Sequence[Pod], zones: Mapping[str, str], present: Sequence[Slice]) -> Plan:
    """Decide which slice tells of which pod. What is told already stays where it is told."""
    families = families_of(service)
    uid = service["metadata"]["uid"]
    mine = [slice_ for slice_ in present if slice_.family in families and _owned(slice_.object, uid)]
    surplus = [slice_ for slice_ in present if slice_ not in mine]
    out: list[Slice] = []
    for family in families:
        wanted: dict[bytes, tuple[list[Object], dict[str, Object]]] = {}
        for pod in pods:
            if pod.addresses(family):
                ports = ports_of(service, pod)
                wanted.setdefault(_image(ports), (ports, {}))[1][pod.uid] = endpoint_of(service, pod, family, zones)
        left = [slice_ for slice_ in mine if slice_.family == family]
        for image, (ports, endpoints) in wanted.items():
            same = [slice_ for slice_ in left if _image(slice_.ports) == image]
            left = [slice_ for slice_ in left if slice_ not in same]
            packed, emptied = _pack(family, ports, endpoints, same)
            out += packed
            left += emptied
        if not any(slice_.family == family for slice_ in out):
            # Clients tell a Service without endpoints from one that nobody has looked at.
            out.append(Slice(family, [], []))
        for slice_ in out:
            # One that goes becomes one that comes: one write in place of two.
            if slice_.family == family and not slice_.object and left:
                slice_.object = left.pop(0).object
        surplus += left
    return Plan(out, surplus)


def _pack(
    family: str, ports: list[Object], endpoints: dict[str, Object], slices: Sequence[Slice]
) -> tuple[list[Slice], list[Slice]]:
    """Put endpoints where they are already, then where there is room, then into new slices. Returns slices, and those left empty."""
    rest = dict(endpoints)
    changed: list[Slice] = []
    for slice_ in slices:
        uids = [(endpoint.get("targetRef") or {}).get("uid", "") for endpoint in slice_.endpoints]
        kept = [rest.pop(uid) for uid in uids if uid in rest]
        if kept != slice_.endpoints:
            changed.append(slice_)
        slice_.endpoints = kept
    # Those that are written anyway are filled first: each write of a slice goes to every node.
    waiting = list(rest.values())
    for slice_ in changed:
        room = ENDPOINTS_MAX - len(slice_.endpoints)
        slice_.endpoints, waiting = slice_.endpoints + waiting[:room], waiting[room:]
    made = [Slice(family, ports, waiting[start : start + ENDPOINTS_MAX]) for start in range(0, len(waiting), ENDPOINTS_MAX)]
    if made:
        # What fills no slice goes where it leaves the least room.
        last = made[-1].endpoints
        fitting = [slice_ for slice_ in slices if slice_ not in changed and len(slice_.endpoints) + len(last) <= ENDPOINTS_MAX]
        if fitting:
            fullest = max(fitting, key=lambda slice_: len(slice_.endpoints))
            fullest.endpoints = fullest.endpoints + last
            made.pop()
    full = [slice_ for slice_ in slices if slice_.endpoints]
    return [*full, *made], [slice_ for slice_ in slices if not slice_.endpoints]


def _owned(obj: Object, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in obj["metadata"].get("ownerReferences") or ())


def _image(ports: list[Object]) -> bytes:
    """Return what is equal for ports that say the same."""
    texts = [orjson.dumps({**port, "name": port.get("name", "")}, option=orjson.OPT_SORT_KEYS) for port in ports]
    return b",".join(sorted(texts))


def ports_of(service: Object, pod: Pod) -> list[Object]:
    """Return a Service's ports as they are on a pod; those that the pod does not have are left out."""
    out = []
    for port in service["spec"].get("ports") or ():
        number = pod.port(port)
        if number is None:
            continue
        found = {"name": port.get("name", ""), "protocol": port.get("protocol", "TCP"), "port": number}
        if port.get("appProtocol") is not None:
            found["appProtocol"] = port["appProtocol"]
        out.append(found)
    return out


def endpoint_of(service: Object, pod: Pod, family: str, zones: Mapping[str, str]) -> Object:
    """Return what a slice says of a pod."""
    always = bool(service["spec"].get("publishNotReadyAddresses"))
    namespace = service["metadata"]["namespace"]
    out: Object = {
        "addresses": pod.addresses(family),
        "conditions": {
            "ready": always or (pod.ready and not pod.terminating),
            "serving": pod.ready,
            "terminating": pod.terminating,
        },
        "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod.name, "uid": pod.uid},
    }
    if pod.hostname and pod.subdomain == service["metadata"]["name"]:
        out["hostname"] = pod.hostname
    if pod.node:
        out["nodeName"] = pod.node
    if zones.get(pod.node):
        out["zone"] = zones[pod.node]
    return out

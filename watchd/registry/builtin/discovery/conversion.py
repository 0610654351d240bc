"""EndpointSlices at discovery.k8s.io/v1beta1: a map of topology labels tells where an endpoint is.

At v1 zone and node have fields of their own, and the other labels stand in `deprecatedTopology`, which only writers of v1beta1 can
change. (Facts: kube-apiserver's `pkg/apis/discovery/v1beta1`.)
"""

from __future__ import annotations

from typing import Any

from watchd.registry.builtin.spokes import Shape

Object = dict[str, Any]

ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"
TOPOLOGY = "deprecatedTopology"


def slice_to_v1(obj: Object) -> Object:
    """Convert an EndpointSlice to v1."""
    endpoints = obj.get("endpoints")
    return obj if endpoints is None else {**obj, "endpoints": [_endpoint_to_v1(endpoint) for endpoint in endpoints]}


def slice_from_v1(obj: Object) -> Object:
    """Convert an EndpointSlice of v1."""
    endpoints = obj.get("endpoints")
    return obj if endpoints is None else {**obj, "endpoints": [_endpoint_from_v1(endpoint) for endpoint in endpoints]}


def _endpoint_to_v1(endpoint: Object) -> Object:
    out = {name: value for name, value in endpoint.items() if name != "topology"}
    topology = dict(endpoint.get("topology") or {})
    if ZONE in topology:
        out["zone"] = topology.pop(ZONE)
    if HOSTNAME in topology and topology[HOSTNAME] == endpoint.get("nodeName"):
        # Only where the two differ the label says something that nodeName does not.
        del topology[HOSTNAME]
    if topology:
        out[TOPOLOGY] = topology
    return out


def _endpoint_from_v1(endpoint: Object) -> Object:
    out = {name: value for name, value in endpoint.items() if name not in (TOPOLOGY, "zone")}
    topology = dict(endpoint.get(TOPOLOGY) or {})
    if endpoint.get("zone") is not None:
        topology[ZONE] = endpoint["zone"]
    if endpoint.get("nodeName") is not None and not topology.get(HOSTNAME):
        topology[HOSTNAME] = endpoint["nodeName"]
    if topology:
        out["topology"] = topology
    return out


def _restore(prepared: Object, asked: Object) -> None:
    """Give endpoints back, in place, the topology that is taken from writers of v1."""
    for endpoint, wanted in zip(prepared.get("endpoints") or (), asked.get("endpoints") or (), strict=True):
        if TOPOLOGY in wanted:
            endpoint[TOPOLOGY] = wanted[TOPOLOGY]


SLICE = Shape(slice_to_v1, slice_from_v1, restore=_restore)

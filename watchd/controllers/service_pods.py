"""Service pods: which pods stand behind which Services, kept as little as EndpointSlices need."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import attrs

from watchd.registry.quota.usage import TERMINAL

Object = dict[str, Any]

HEADLESS = "None"
"""The clusterIP of a Service that has none."""

EXTERNAL_NAME = "ExternalName"

FAMILIES = {4: "IPv4", 6: "IPv6"}


@attrs.frozen
class Pod:
    """What endpoints say of a pod."""

    name: str
    uid: str
    labels: dict[str, str]
    ips: tuple[str, ...]
    node: str
    hostname: str
    subdomain: str
    ready: bool
    terminating: bool
    ended: bool
    ports: tuple[tuple[str, str, int], ...]
    """Named ports of the containers that go on: name, protocol, number."""

    @classmethod
    def of(cls, obj: Object) -> Pod:
        """Read a pod."""
        meta, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
        conditions = status.get("conditions") or ()
        return cls(
            name=meta["name"],
            uid=meta["uid"],
            labels=meta.get("labels") or {},
            ips=tuple(entry["ip"] for entry in status.get("podIPs") or ()) or tuple(filter(None, [status.get("podIP")])),
            node=spec.get("nodeName") or "",
            hostname=spec.get("hostname") or "",
            subdomain=spec.get("subdomain") or "",
            ready=any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions),
            terminating="deletionTimestamp" in meta,
            ended=status.get("phase") in TERMINAL,
            ports=tuple(_named_ports(spec)),
        )

    def addresses(self, family: str) -> list[str]:
        """Return the addresses of a family (`IPv4`, `IPv6`)."""
        return [str(address) for address in map(ipaddress.ip_address, self.ips) if FAMILIES[address.version] == family]

    def port(self, port: Object) -> int | None:
        """Return what a port of a Service is on this pod, or None where the pod has no such port."""
        target: str | int | None = port.get("targetPort")
        if not isinstance(target, str):
            return target or int(port["port"])
        protocol = port.get("protocol", "TCP")
        return next((number for name, its, number in self.ports if name == target and its == protocol), None)


def _named_ports(spec: Object) -> Iterator[tuple[str, str, int]]:
    staying = [container for container in spec.get("initContainers") or () if container.get("restartPolicy") == "Always"]
    for container in (*(spec.get("containers") or ()), *staying):
        for port in container.get("ports") or ():
            if port.get("name"):
                yield port["name"], port.get("protocol", "TCP"), port["containerPort"]


def selector_of(service: Object) -> dict[str, str] | None:
    """Return which pods stand behind a Service, or None where others say so."""
    spec = service["spec"]
    selector: dict[str, str] | None = spec.get("selector")
    return selector if selector and spec.get("type") != EXTERNAL_NAME else None


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Tell whether a pod with these labels stands behind a Service."""
    return all(labels.get(key) == value for key, value in selector.items())


def families_of(service: Object) -> list[str]:
    """Return the families of the addresses that a Service has."""
    spec = service["spec"]
    if spec.get("ipFamilies"):
        return list(spec["ipFamilies"])
    address = spec.get("clusterIP") or HEADLESS
    return ["IPv4", "IPv6"] if address == HEADLESS else [FAMILIES[ipaddress.ip_address(address).version]]


def is_headless(service: Object) -> bool:
    """Tell whether a Service has no address of its own."""
    return (service["spec"].get("clusterIP") or HEADLESS) == HEADLESS

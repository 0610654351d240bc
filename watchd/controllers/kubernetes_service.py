"""The `kubernetes` Service in the default namespace: how pods find the API server, with the server's address behind it.

Beside it stands the ServiceCIDR of that name, which tells the ranges that Services get their addresses from.
"""

from __future__ import annotations

import copy
import ipaddress
import logging
from collections.abc import Sequence
from typing import Any

import trio

from storage.bus import WatchBus
from storage.errors import StorageError
from storage.types import Op, Record, Stored
from watchd.controllers.following import follow
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.view import load
from watchd.seams import rfc3339
from watchd.status import Reason, StatusError
from watchd.values import Network

Object = dict[str, Any]

NAMESPACE, NAME = "default", "kubernetes"

PORT = 443
"""The port that pods know; HTTPS."""

READY = {"type": "Ready", "status": "True", "reason": "", "message": "Kubernetes default Service CIDR is ready"}

logger = logging.getLogger(__name__)


class KubernetesService:
    """Makes the Service at the start, and again where it was deleted; its ports are those of this process."""

    def __init__(self, store: Store, bus: WatchBus, *, ranges: Sequence[Network], port: int, address: str | None) -> None:
        """Describe the server.

        Args:
            store: where the objects go.
            bus: tells of deletions.
            ranges: what Services get their addresses from. The first address of the first one is this Service's.
            port: where the server listens with TLS.
            address: an address that others can reach the server at. Where there is none, as for a server on loopback, the
                Service has no endpoints: they may not be on loopback.

        """
        self._store = store
        self._bus = bus
        self._services = store.registry.hub("", "services")
        self._ranges = store.registry.hub("networking.k8s.io", "servicecidrs")
        self._range = _range([str(network) for network in ranges])
        self._wanted = [(self._services, _service(str(ranges[0].network_address + 1), port))]
        if address is not None:
            self._wanted.append((store.registry.hub("", "endpoints"), _endpoints(address, port)))
            self._wanted.append((store.registry.hub("discovery.k8s.io", "endpointslices"), _slice(address, port)))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make the objects and follow the Service, until cancelled or the log closes."""
        async with trio.open_nursery() as nursery:
            # First, so that no deletion goes unseen.
            await nursery.start(follow, self._store.log, self._bus, self._services.scope(NAMESPACE, NAME), self._on_service)
            await self._make()
            task_status.started()

    async def _on_service(self, seen: Stored | Record) -> None:
        if isinstance(seen, Record) and seen.op is Op.DELETE:
            await self._make()

    async def _make(self) -> None:
        """Make what is missing and bring the rest up to date; what fails is told, for the next start to mend."""
        for endpoint, obj in self._wanted:
            try:
                await self._ensure(endpoint, obj)
            except (StatusError, StorageError) as error:
                logger.warning("%s %s/%s: %s", endpoint.kind.names.kind, NAMESPACE, NAME, error)

        try:
            await self._ensure_range()
        except (StatusError, StorageError) as error:
            logger.warning("ServiceCIDR %s: %s", NAME, error)

    async def _ensure_range(self) -> None:
        """Make the ServiceCIDR where it is missing; its ranges stay, as in the reference."""
        if await self._store.log.get(self._ranges.key("", NAME)) is not None:
            return
        await self._store.create(self._ranges, "", copy.deepcopy(self._range))

        async def ready(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            moment = rfc3339(self._store.clock.now_ms())
            return {**current, "status": {"conditions": [{**READY, "lastTransitionTime": moment}]}}

        await self._store.update(self._ranges, "", NAME, ready, subresource="status")

    async def _ensure(self, endpoint: Endpoint, wanted: Object) -> None:
        async def create() -> Object:
            await trio.lowlevel.checkpoint()
            return copy.deepcopy(wanted)

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            new = {**current, **{name: part for name, part in copy.deepcopy(wanted).items() if name not in ("metadata", "spec")}}
            if "spec" in wanted:
                # Its address and the rest stay as they are.
                new["spec"] = {**current["spec"], "ports": copy.deepcopy(wanted)["spec"]["ports"]}
            return new

        stored = await self._store.log.get(endpoint.key(NAMESPACE, NAME))
        if stored is not None:
            current = load(endpoint.kind, endpoint.version.name, stored)
            if await change(current) == current:
                return
        try:
            await self._store.update(endpoint, NAMESPACE, NAME, change, create=create)
        except StatusError as error:
            # The default namespace is made at each start, and may be going again.
            if error.reason is not Reason.FORBIDDEN:
                raise


def _range(ranges: list[str]) -> Object:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": NAME}, "spec": {"cidrs": ranges}}


def _port(port: int) -> Object:
    return {"name": "https", "protocol": "TCP", "port": port}


def _service(cluster_ip: str, port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": cluster_ip,
            "clusterIPs": [cluster_ip],
            "ipFamilies": [f"IPv{ipaddress.ip_address(cluster_ip).version}"],
            "ports": [{**_port(PORT), "targetPort": port}],
            "sessionAffinity": "None",
        },
    }


def _endpoints(address: str, port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": NAME, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": address}], "ports": [_port(port)]}],
    }


def _slice(address: str, port: int) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": NAME, "labels": {"kubernetes.io/service-name": NAME}},
        "addressType": f"IPv{ipaddress.ip_address(address).version}",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [_port(port)],
    }

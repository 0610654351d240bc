"""The `kubernetes` Service in the default namespace: how pods find the API server, with the server's address behind it."""

from __future__ import annotations

import copy
import ipaddress
import logging
from typing import Any

import trio

from storage.bus import WatchBus
from storage.errors import StorageError
from storage.types import Op, Record, Stored
from watchd.controllers.following import follow
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.status import Reason, StatusError

Object = dict[str, Any]

NAMESPACE, NAME = "default", "kubernetes"

PORT = 443
"""The port that pods know; HTTPS."""

logger = logging.getLogger(__name__)


class KubernetesService:
    """Makes the Service at the start, and again where it was deleted; its ports are those of this process."""

    def __init__(self, store: Store, bus: WatchBus, *, cluster_ip: str, port: int, address: str | None) -> None:
        """Describe the server.

        Args:
            store: where the objects go.
            bus: tells of deletions.
            cluster_ip: the Service's address, the first one of the range.
            port: where the server listens with TLS.
            address: an address that others can reach the server at. Where there is none, as for a server on loopback, the
                Service has no endpoints: they may not be on loopback.

        """
        self._store = store
        self._bus = bus
        self._services = store.registry.hub("", "services")
        self._wanted = [(self._services, _service(cluster_ip, port))]
        if address is not None:
            self._wanted.append((store.registry.hub("", "endpoints"), _endpoints(address, port)))
            self._wanted.append((store.registry.hub("discovery.k8s.io", "endpointslices"), _slice(address, port)))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make the objects, then follow the Service until cancelled or the log closes."""
        await self._make()
        scope = self._services.scope(NAMESPACE, NAME)
        await follow(self._store.log, self._bus, scope, self._on_service, task_status=task_status)

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

        try:
            await self._store.update(endpoint, NAMESPACE, NAME, change, create=create)
        except StatusError as error:
            # The default namespace is made at each start, and may be going again.
            if error.reason is not Reason.FORBIDDEN:
                raise


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

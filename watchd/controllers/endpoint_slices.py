"""The EndpointSlice controller: what stands behind Services with a selector (KEP-752). Mirroring of Endpoints is not done."""

from __future__ import annotations

from typing import Any

import trio

from storage.bus import WatchBus
from storage.types import Key, Op, Record, Stored, path_of
from watchd.controllers.following import follow
from watchd.controllers.service_pods import Pod, selector_of, selects
from watchd.controllers.slices import MANAGED_BY, MANAGER, SERVICE_NAME, Slice, plan
from watchd.controllers.worklist import Worklist
from watchd.registry.store import Store
from watchd.registry.value import header_of
from watchd.registry.view import load_hub
from watchd.registry.writes import Deletion
from watchd.status import Reason, StatusError

Object = dict[str, Any]
Name = tuple[str, str]
"""Namespace and name of a Service."""

GATHER_SECONDS = 0.05
"""How long changes of pods are gathered: each of them would write a slice of up to a hundred endpoints."""

ZONE = "topology.kubernetes.io/zone"


class EndpointSlices:
    """Keeps the slices of each Service as its pods are."""

    def __init__(self, store: Store, bus: WatchBus) -> None:
        self._store = store
        self._bus = bus
        registry = store.registry
        self._services = registry.hub("", "services")
        self._pods_endpoint = registry.hub("", "pods")
        self._nodes_endpoint = registry.hub("", "nodes")
        self._slices_endpoint = registry.hub("discovery.k8s.io", "endpointslices")
        self._selectors: dict[str, dict[str, dict[str, str]]] = {}
        """Namespace -> Service -> selector."""
        self._pods: dict[str, dict[str, Pod]] = {}
        """Namespace -> name -> pod."""
        self._zones: dict[str, str] = {}
        """Zones of the nodes that are there; empty where a node names none."""
        self._slices: dict[Name, set[Key]] = {}
        self._mine: dict[Key, int] = {}
        """Revisions that were written here, and need no look."""
        self._skipped: dict[str, set[Name]] = {}
        """Nodes that are not there, and the Services of the pods that name them."""
        self._work: Worklist[Name] = Worklist("endpoint-slices", self._look_at, gather_seconds=GATHER_SECONDS)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        log, bus = self._store.log, self._bus
        async with trio.open_nursery() as nursery:
            slices = self._slices_endpoint.scope(tag=(f"label:{MANAGED_BY}", MANAGER))
            await nursery.start(follow, log, bus, self._nodes_endpoint.scope(), self._on_node)
            await nursery.start(follow, log, bus, self._pods_endpoint.scope(), self._on_pod)
            await nursery.start(follow, log, bus, slices, self._on_slice)
            await nursery.start(follow, log, bus, self._services.scope(), self._on_service)
            # Nothing is written before all is known.
            nursery.start_soon(self._work.run)
            task_status.started()

    # What is there

    async def _on_service(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        namespace, _, name = path_of(seen.key).partition("/")
        gone = isinstance(seen, Record) and seen.op is Op.DELETE
        selector = None if gone else selector_of(load_hub(self._services.kind, seen))
        known = self._selectors.setdefault(namespace, {})
        if selector is None:
            known.pop(name, None)
            if not known:
                del self._selectors[namespace]
        else:
            known[name] = selector
            self._work.add((namespace, name))

    async def _on_pod(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        namespace, _, name = path_of(seen.key).partition("/")
        pods = self._pods.setdefault(namespace, {})
        old = pods.pop(name, None)
        new = None if isinstance(seen, Record) and seen.op is Op.DELETE else Pod.of(load_hub(self._pods_endpoint.kind, seen))
        if new is not None:
            pods[name] = new
        elif not pods:
            del self._pods[namespace]
        if new != old:
            for service, selector in self._selectors.get(namespace, {}).items():
                if any(pod is not None and selects(selector, pod.labels) for pod in (old, new)):
                    self._work.add((namespace, service))

    async def _on_node(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        name = path_of(seen.key)
        if isinstance(seen, Record) and seen.op is Op.DELETE:
            self._zones.pop(name, None)
            return
        self._zones[name] = header_of(seen.header).labels.get(ZONE, "")
        for service in self._skipped.pop(name, ()):
            self._work.add(service)

    async def _on_slice(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        labels = header_of(seen.header).labels
        if labels.get(MANAGED_BY) != MANAGER:
            return
        service = (path_of(seen.key).partition("/")[0], labels.get(SERVICE_NAME, ""))
        if isinstance(seen, Record) and seen.op is Op.DELETE:
            self._forget(service, seen.key)
        else:
            self._slices.setdefault(service, set()).add(seen.key)
        if isinstance(seen, Record) and seen.revision != self._mine.pop(seen.key, 0):
            self._work.add(service)

    def _forget(self, service: Name, key: Key) -> None:
        keys = self._slices.get(service, set())
        keys.discard(key)
        if not keys:
            self._slices.pop(service, None)

    # What is to be there

    async def _look_at(self, name: Name) -> None:
        """Bring the slices of a Service to what its pods are. Those of one that is gone go as its dependents."""
        stored = await self._store.log.get(self._services.key(*name))
        if stored is None or header_of(stored.header).deleting:
            return
        service = load_hub(self._services.kind, stored)
        selector = selector_of(service)
        if selector is None:
            return
        present = await self._present(name)
        wanted = plan(service, self._behind(name, service, selector), self._zones, present)
        for slice_ in wanted.slices:
            await self._write(name, service, slice_)
        for slice_ in wanted.surplus:
            await self._delete(slice_.object)

    async def _present(self, name: Name) -> list[Slice]:
        """Return the slices that a Service has."""
        found = []
        for key in sorted(self._slices.get(name, ())):
            stored = await self._store.log.get(key)
            if stored is not None and not header_of(stored.header).deleting:
                found.append(Slice.of(load_hub(self._slices_endpoint.kind, stored)))
        return found

    def _behind(self, name: Name, service: Object, selector: dict[str, str]) -> list[Pod]:
        """Return the pods that are to be in the slices: with an address, not at their end, on a node that is there."""
        found = []
        for _, pod in sorted(self._pods.get(name[0], {}).items()):
            if pod.ended or not pod.ips or not selects(selector, pod.labels):
                continue
            if pod.node not in self._zones and not service["spec"].get("publishNotReadyAddresses"):
                self._skipped.setdefault(pod.node, set()).add(name)
                continue
            found.append(pod)
        return found

    async def _write(self, name: Name, service: Object, slice_: Slice) -> None:
        wanted = slice_.rendered(service)
        if slice_.object == wanted:
            return
        if not slice_.object:
            written = await self._store.create(self._slices_endpoint, name[0], wanted)
        else:
            meta = slice_.object["metadata"]

            async def change(current: Object) -> Object:
                await trio.lowlevel.checkpoint()
                return {**slice_.rendered(service, current)}

            try:
                written = await self._store.update(self._slices_endpoint, name[0], meta["name"], change, uid=meta["uid"])
            except StatusError as error:
                if error.reason not in {Reason.CONFLICT, Reason.NOT_FOUND}:
                    raise
                self._work.add(name)
                return
        if written.stored is not None:
            self._slices.setdefault(name, set()).add(written.stored.key)
            self._mine[written.stored.key] = written.stored.revision

    async def _delete(self, obj: Object) -> None:
        meta = obj["metadata"]
        try:
            await self._store.delete(self._slices_endpoint, meta["namespace"], meta["name"], Deletion(uid=meta["uid"]))
        except StatusError as error:
            if error.reason not in {Reason.CONFLICT, Reason.NOT_FOUND}:
                raise

"""The Endpoints controller: what EndpointSlices tell, in the older form that some clients still read.

It is made of the slices, not of the pods anew: one address family, the first one of the Service.
"""

from __future__ import annotations

from typing import Any

import orjson
import trio

from storage.bus import WatchBus
from storage.types import Op, Record, Stored, path_of
from watchd.controllers.endpoint_slices import GATHER_SECONDS
from watchd.controllers.following import follow
from watchd.controllers.service_pods import families_of, is_headless, selector_of
from watchd.controllers.slices import HEADLESS_LABEL, MANAGED_BY, MANAGER, SERVICE_NAME
from watchd.controllers.worklist import Worklist
from watchd.registry.store import Store
from watchd.registry.value import header_of
from watchd.registry.view import load_hub
from watchd.registry.writes import Deletion

Object = dict[str, Any]
Name = tuple[str, str]

ENDPOINTS_MANAGED_BY = "endpoints.kubernetes.io/managed-by"
ENDPOINTS_MANAGER = "endpoint-controller"

ADDRESSES_MAX = 1000
"""Addresses of one object: the reference's. What is beyond is left out, and an annotation says so."""

CAPACITY = "endpoints.kubernetes.io/over-capacity"


class Endpoints:
    """Keeps the Endpoints of Services with a selector as their slices are."""

    def __init__(self, store: Store, bus: WatchBus) -> None:
        self._store = store
        self._bus = bus
        self._services = store.registry.hub("", "services")
        self._endpoints = store.registry.hub("", "endpoints")
        self._slices = store.registry.hub("discovery.k8s.io", "endpointslices")
        self._work: Worklist[Name] = Worklist("endpoints", self._look_at, gather_seconds=GATHER_SECONDS)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        log, bus = self._store.log, self._bus
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work.run)
            slices = self._slices.scope(tag=(f"label:{MANAGED_BY}", MANAGER))
            await nursery.start(follow, log, bus, self._services.scope(), self._on_service)
            await nursery.start(follow, log, bus, slices, self._on_slice)
            mine = self._endpoints.scope(tag=(f"label:{ENDPOINTS_MANAGED_BY}", ENDPOINTS_MANAGER))
            await nursery.start(follow, log, bus, mine, self._on_endpoints)
            task_status.started()

    async def _on_service(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        namespace, _, name = path_of(seen.key).partition("/")
        self._work.add((namespace, name))

    async def _on_slice(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        labels = header_of(seen.header).labels
        if labels.get(MANAGED_BY) == MANAGER:
            self._work.add((path_of(seen.key).partition("/")[0], labels.get(SERVICE_NAME, "")))

    async def _on_endpoints(self, seen: Stored | Record) -> None:
        """See what others delete; and what is left of Services that went while nobody looked."""
        await trio.lowlevel.checkpoint()
        gone = isinstance(seen, Record) and seen.op is Op.DELETE
        if (gone or isinstance(seen, Stored)) and header_of(seen.header).labels.get(ENDPOINTS_MANAGED_BY) == ENDPOINTS_MANAGER:
            namespace, _, name = path_of(seen.key).partition("/")
            self._work.add((namespace, name))

    async def _look_at(self, name: Name) -> None:
        stored = await self._store.log.get(self._services.key(*name))
        present = await self._store.log.get(self._endpoints.key(*name))
        if stored is None or header_of(stored.header).deleting:
            if present is not None and header_of(present.header).labels.get(ENDPOINTS_MANAGED_BY) == ENDPOINTS_MANAGER:
                await self._store.delete(self._endpoints, *name, Deletion(uid=header_of(present.header).uid))
            return
        service = load_hub(self._services.kind, stored)
        if selector_of(service) is None:
            return
        wanted = await self._wanted(name, service)
        if present is None:
            await self._store.create(self._endpoints, name[0], wanted)
            return

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            annotations = {k: v for k, v in (current["metadata"].get("annotations") or {}).items() if k != CAPACITY}
            annotations.update(wanted["metadata"].get("annotations") or {})
            meta = {**current["metadata"], "labels": wanted["metadata"]["labels"], "annotations": annotations}
            if not annotations:
                del meta["annotations"]
            changed = {**current, "metadata": meta, "subsets": wanted["subsets"]}
            if not changed["subsets"] and not current.get("subsets"):
                changed.pop("subsets")
            return changed

        await self._store.update(self._endpoints, *name, change)

    async def _wanted(self, name: Name, service: Object) -> Object:
        """Return the object as it is to be."""
        family = families_of(service)[0]
        subsets: dict[bytes, Object] = {}
        left = ADDRESSES_MAX
        for stored in await self._store.walk(self._slices, name[0]):
            labels = header_of(stored.header).labels
            if labels.get(SERVICE_NAME) != name[1] or labels.get(MANAGED_BY) != MANAGER:
                continue
            slice_ = load_hub(self._slices.kind, stored)
            if slice_["addressType"] != family:
                continue
            ports = [{key: value for key, value in port.items() if value != ""} for port in slice_.get("ports") or ()]
            image = orjson.dumps(sorted(orjson.dumps(port, option=orjson.OPT_SORT_KEYS).decode() for port in ports))
            for endpoint in slice_.get("endpoints") or ():
                field = _field(endpoint["conditions"])
                if field and left > 0:
                    left -= 1
                    subset = subsets.setdefault(image, {**({"ports": ports} if ports else {})})
                    subset.setdefault(field, []).append(_address(endpoint))
                elif field:
                    left = -1
        for subset in subsets.values():
            for field in ("addresses", "notReadyAddresses"):
                if field in subset:
                    subset[field].sort(key=lambda address: (address["ip"], address["targetRef"]["uid"]))
        return _object(name, service, [subset for _, subset in sorted(subsets.items())], over=left < 0)


def _object(name: Name, service: Object, subsets: list[Object], *, over: bool) -> Object:
    labels = {key: value for key, value in (service["metadata"].get("labels") or {}).items() if key != HEADLESS_LABEL}
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    labels[ENDPOINTS_MANAGED_BY] = ENDPOINTS_MANAGER
    meta: Object = {"name": name[1], "namespace": name[0], "labels": labels}
    if over:
        meta["annotations"] = {CAPACITY: "truncated"}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": subsets}


def _field(conditions: Object) -> str:
    """Return where an endpoint stands; nowhere while its pod is on its way out."""
    if conditions.get("ready"):
        return "addresses"
    return "" if conditions.get("terminating") else "notReadyAddresses"


def _address(endpoint: Object) -> Object:
    out: Object = {"ip": endpoint["addresses"][0]}
    for field in ("hostname", "nodeName", "targetRef"):
        if field in endpoint:
            out[field] = endpoint[field]
    return out

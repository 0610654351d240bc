"""Protection: claims, volumes and classes whose deletion waits go once nobody uses them (the PVC, PV and VAC protection controllers).

The finalizers are put on at creation, by admission.
"""

from __future__ import annotations

from typing import Any

import trio

from storage.bus import WatchBus
from storage.types import Op, Record, Stored, path_of
from watchd.controllers.following import follow
from watchd.controllers.worklist import Worklist
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.value import header_of
from watchd.registry.view import load_hub

Object = dict[str, Any]

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
CLASS_FINALIZER = "kubernetes.io/vac-protection"


class ClaimProtection:
    """Lets go of PersistentVolumeClaims that no scheduled pod uses."""

    def __init__(self, store: Store, bus: WatchBus) -> None:
        self._store = store
        self._bus = bus
        self._claims = store.registry.hub("", "persistentvolumeclaims")
        self._pods = store.registry.hub("", "pods")
        self._waiting: set[tuple[str, str]] = set()
        """Claims, by namespace and name, whose deletion waits."""
        self._work: Worklist[tuple[str, str]] = Worklist("claim-protection", self._look_at)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        log, bus = self._store.log, self._bus
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work.run)
            await nursery.start(follow, log, bus, self._claims.scope(), self._on_claim)
            await nursery.start(follow, log, bus, self._pods.scope(), self._on_pod)
            task_status.started()

    async def _on_claim(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        namespace, _, name = path_of(seen.key).partition("/")
        gone = isinstance(seen, Record) and seen.op is Op.DELETE
        if not gone and header_of(seen.header).deleting:
            self._waiting.add((namespace, name))
            self._work.add((namespace, name))
        else:
            self._waiting.discard((namespace, name))

    async def _on_pod(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        if self._waiting and isinstance(seen, Record):
            namespace = path_of(seen.key).partition("/")[0]
            for claim in self._waiting:
                if claim[0] == namespace:
                    self._work.add(claim)

    async def _look_at(self, claim: tuple[str, str]) -> None:
        namespace, name = claim
        stored = await self._store.log.get(self._claims.key(namespace, name))
        if stored is None or not header_of(stored.header).deleting:
            return
        obj = load_hub(self._claims.kind, stored)
        if CLAIM_FINALIZER not in obj["metadata"].get("finalizers", ()):
            return
        for pod in await self._store.walk(self._pods, namespace):
            if uses(load_hub(self._pods.kind, pod), obj):
                return
        await drop_finalizer(self._store, self._claims, obj, CLAIM_FINALIZER)


def uses(pod: Object, claim: Object) -> bool:
    """Tell whether a pod needs a claim. One that no node has been chosen for is not started with a claim that goes."""
    spec, name = pod["spec"], claim["metadata"]["name"]
    if not spec.get("nodeName"):
        return False
    for volume in spec.get("volumes") or ():
        if (volume.get("persistentVolumeClaim") or {}).get("claimName") == name:
            return True
        owners = claim["metadata"].get("ownerReferences") or ()
        if (
            volume.get("ephemeral") is not None
            and f"{pod['metadata']['name']}-{volume['name']}" == name
            and any(owner.get("controller") and owner["uid"] == pod["metadata"]["uid"] for owner in owners)
            and not _shut_down(pod)
        ):
            return True
    return False


def _shut_down(pod: Object) -> bool:
    """Tell whether a pod is only waiting to be removed: it goes, its time is over and nothing of it runs."""
    meta = pod["metadata"]
    return "deletionTimestamp" in meta and meta.get("deletionGracePeriodSeconds") == 0


class VolumeProtection:
    """Lets go of PersistentVolumes that are bound to no claim."""

    def __init__(self, store: Store, bus: WatchBus) -> None:
        self._store = store
        self._bus = bus
        self._volumes = store.registry.hub("", "persistentvolumes")
        self._work: Worklist[str] = Worklist("volume-protection", self._look_at)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work.run)
            await follow(self._store.log, self._bus, self._volumes.scope(), self._on_volume, task_status=task_status)
            nursery.cancel_scope.cancel()

    async def _on_volume(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        gone = isinstance(seen, Record) and seen.op is Op.DELETE
        if not gone and header_of(seen.header).deleting:
            self._work.add(path_of(seen.key))

    async def _look_at(self, name: str) -> None:
        stored = await self._store.log.get(self._volumes.key("", name))
        if stored is None:
            return
        obj = load_hub(self._volumes.kind, stored)
        protected = "deletionTimestamp" in obj["metadata"] and VOLUME_FINALIZER in obj["metadata"].get("finalizers", ())
        if protected and (obj.get("status") or {}).get("phase") != "Bound":
            await drop_finalizer(self._store, self._volumes, obj, VOLUME_FINALIZER)


class ClassProtection:
    """Lets go of VolumeAttributesClasses that no claim and no volume names."""

    def __init__(self, store: Store, bus: WatchBus) -> None:
        self._store = store
        self._bus = bus
        self._classes = store.registry.hub("storage.k8s.io", "volumeattributesclasses")
        self._users = [store.registry.hub("", plural) for plural in ("persistentvolumeclaims", "persistentvolumes")]
        self._waiting: set[str] = set()
        """Names of classes whose deletion waits."""
        self._work: Worklist[str] = Worklist("class-protection", self._look_at)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        log, bus = self._store.log, self._bus
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work.run)
            await nursery.start(follow, log, bus, self._classes.scope(), self._on_class)
            for endpoint in self._users:
                await nursery.start(follow, log, bus, endpoint.scope(), self._on_user)
            task_status.started()

    async def _on_class(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        name = path_of(seen.key)
        gone = isinstance(seen, Record) and seen.op is Op.DELETE
        if not gone and header_of(seen.header).deleting:
            self._waiting.add(name)
            self._work.add(name)
        else:
            self._waiting.discard(name)

    async def _on_user(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(seen, Record):
            for name in self._waiting:
                self._work.add(name)

    async def _look_at(self, name: str) -> None:
        stored = await self._store.log.get(self._classes.key("", name))
        if stored is None or not header_of(stored.header).deleting:
            return
        obj = load_hub(self._classes.kind, stored)
        if CLASS_FINALIZER not in obj["metadata"].get("finalizers", ()):
            return
        for endpoint in self._users:
            for user in await self._store.walk(endpoint):
                if _names_class(load_hub(endpoint.kind, user), name):
                    return
        await drop_finalizer(self._store, self._classes, obj, CLASS_FINALIZER)


def _names_class(obj: Object, name: str) -> bool:
    """Tell whether a claim or a volume has a class, or is on its way to it."""
    status = obj.get("status") or {}
    named = (
        obj["spec"].get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    )
    return name in named


async def drop_finalizer(store: Store, endpoint: Endpoint, obj: Object, finalizer: str) -> None:
    """Take a finalizer away from an object. Raises StatusError 404 where it is gone, 409 where another one has its name."""
    meta = obj["metadata"]

    async def change(current: Object) -> Object:
        await trio.lowlevel.checkpoint()
        kept = [name for name in current["metadata"].get("finalizers", ()) if name != finalizer]
        current["metadata"]["finalizers"] = kept
        if not kept:
            del current["metadata"]["finalizers"]
        return current

    await store.update(endpoint, meta.get("namespace", ""), meta["name"], change, uid=meta["uid"], validate=False)

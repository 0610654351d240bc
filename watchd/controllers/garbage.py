"""Garbage collection by ownerReferences: background, foreground and orphan (FEATURES rows 26, 27).

An object goes when none of its owners is there any more. Follows every change of every kind by the stored headers, which name
owners' uids; bodies are decoded only where something has to be decided.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import trio

from conversion.gvk import GroupVersion
from storage.bus import WatchBus
from storage.types import EVERYTHING, Key, Op, Record, Stored, path_of
from watchd.controllers.following import follow
from watchd.controllers.worklist import Worklist
from watchd.registry import metadata
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.value import header_of
from watchd.registry.view import load
from watchd.registry.writes import Deletion
from watchd.status import Reason, StatusError

Object = dict[str, Any]

REST = 4.0
"""Seconds left to others for each that reading the present state takes: it takes six for a million objects, and is in no haste."""

GATHER = 0.02
"""Seconds for which changes are let come together: it follows every object, and to be woken by each change would cost a
writer's each write a tenth of its CPU, for nothing that anybody waits for."""

RETRY_SECONDS = 1.0
"""Before an object whose handling failed is looked at again."""


class Garbage:
    """The collector. Keeps the uids of owners and the keys of what they own, nothing of other objects."""

    def __init__(self, store: Store, bus: WatchBus) -> None:
        self._store = store
        self._bus = bus
        self._owned: dict[str, set[Key]] = {}
        """Owner's uid -> the keys it owns."""
        self._owners: dict[Key, tuple[str, ...]] = {}
        """Key -> the uids of its owners, of those keys that have any."""
        self._keys: dict[str, Key] = {}
        """uid -> key, of owners whose deletion waits for what they own."""
        self._gone: set[str] = set()
        """uids of owners that were seen to go while they owned something: their kind may be gone before all of that is."""
        self._work: Worklist[Key] = Worklist("garbage", self._look_at, retry_seconds=(RETRY_SECONDS,))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            # Nothing is decided before the present state has been read: what owns what is not known whole until then.
            log, bus = self._store.log, self._bus
            await nursery.start(partial(follow, log, bus, EVERYTHING, self._on_change, again=self._again, rest=REST, gather=GATHER))
            await self._work.run()

    def _again(self) -> None:
        """Forget everything: what went unseen is then found missing when each dependent is looked at anew."""
        self._owned.clear()
        self._owners.clear()
        self._keys.clear()
        self._gone.clear()

    async def _on_change(self, seen: Stored | Record) -> None:
        header = header_of(seen.header)
        key = seen.key
        before = self._owners.get(key, ())
        for owner in dict.fromkeys((*before, *header.owners)):
            # It may have let go of an owner that waits for it.
            waiting = self._keys.get(owner)
            if waiting is not None:
                self._work.add(waiting)
        if isinstance(seen, Record) and seen.op is Op.DELETE:
            self._on_delete(key, header.uid)
            return
        if header.owners != before:
            self._forget(key)
            if header.owners:
                self._owners[key] = header.owners
                for owner in header.owners:
                    self._owned.setdefault(owner, set()).add(key)
                self._work.add(key)
        if header.deleting and header.finalizers and _waits(seen.body):
            self._keys[header.uid] = key
            self._work.add(key)

    def _on_delete(self, key: Key, uid: str) -> None:
        self._forget(key)
        self._keys.pop(uid, None)
        if uid in self._owned:
            self._gone.add(uid)
            for dependent in self._owned[uid]:
                self._work.add(dependent)

    def _forget(self, key: Key) -> None:
        # References to one owner may differ in all else, and each names it.
        for owner in dict.fromkeys(self._owners.pop(key, ())):
            owned = self._owned[owner]
            owned.discard(key)
            if not owned:
                del self._owned[owner]
                self._gone.discard(owner)

    async def _look_at(self, key: Key) -> None:
        endpoint = self._store.registry.by_key(key)
        stored = await self._store.log.get(key)
        if endpoint is None or stored is None:
            return
        obj = load(endpoint.kind, endpoint.version.name, stored)
        meta = obj["metadata"]
        finalizers = meta.get("finalizers", ()) if "deletionTimestamp" in meta else ()
        if metadata.ORPHAN in finalizers:
            await self._orphan(endpoint, obj)
        elif metadata.FOREGROUND in finalizers:
            await self._delete_dependents(endpoint, obj)
        elif "deletionTimestamp" not in meta and meta.get("ownerReferences"):
            await self._check_owners(endpoint, key, obj)

    # An owner whose deletion waits

    async def _orphan(self, endpoint: Endpoint, owner: Object) -> None:
        """Let go of everything it owns, then let it go."""
        uid = owner["metadata"]["uid"]
        for key in list(self._owned.get(uid, ())):
            dependent = self._store.registry.by_key(key)
            if dependent is not None:
                await self._disown(dependent, key, {uid})
        await self._drop_finalizer(endpoint, owner, metadata.ORPHAN)

    async def _delete_dependents(self, endpoint: Endpoint, owner: Object) -> None:
        """Delete what it owns; let it go once nothing blocks it any more."""
        uid = owner["metadata"]["uid"]
        blocked = False
        for key in list(self._owned.get(uid, ())):
            stored = await self._store.log.get(key)
            dependent = self._store.registry.by_key(key)
            if stored is None or dependent is None:
                continue
            references = load(dependent.kind, dependent.version.name, stored)["metadata"].get("ownerReferences", ())
            blocked |= any(r.get("uid") == uid and r.get("blockOwnerDeletion") for r in references)
            self._work.add(key)
        if not blocked:
            await self._drop_finalizer(endpoint, owner, metadata.FOREGROUND)

    async def _drop_finalizer(self, endpoint: Endpoint, obj: Object, finalizer: str) -> None:
        meta = obj["metadata"]

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            kept = [f for f in current["metadata"].get("finalizers", []) if f != finalizer]
            current["metadata"]["finalizers"] = kept
            if not kept:
                del current["metadata"]["finalizers"]
            return current

        namespace = meta.get("namespace", "")
        await self._store.update(endpoint, namespace, meta["name"], change, uid=meta["uid"], validate=False)

    # Something that is owned

    async def _check_owners(self, endpoint: Endpoint, key: Key, obj: Object) -> None:
        """Delete an object that none of its owners keeps; else take away the references to those that are gone."""
        meta = obj["metadata"]
        gone: set[str] = set()
        waiting: set[str] = set()
        kept = False
        for reference in meta["ownerReferences"]:
            state = await self._owner_state(reference, meta.get("namespace", ""))
            if state == "gone":
                gone.add(reference["uid"])
            elif state == "waiting":
                waiting.add(reference["uid"])
            else:
                kept = True
        if kept:
            if gone or waiting:
                await self._disown(endpoint, key, gone | waiting)
            return
        # What owns something itself goes the way its owner goes.
        policy = "Foreground" if waiting and self._owned.get(meta["uid"]) else "Background"
        deletion = Deletion(uid=meta["uid"], resource_version=meta["resourceVersion"], propagation=policy)
        try:
            await self._store.delete(endpoint, meta.get("namespace", ""), meta["name"], deletion)
        except StatusError as error:
            if error.reason is not Reason.CONFLICT:
                raise
            self._work.add(key)

    async def _owner_state(self, reference: Object, namespace: str) -> str:
        """Tell whether an owner is `there`, `gone`, or `waiting` for what it owns to go."""
        if reference["uid"] in self._gone:
            return "gone"
        group = GroupVersion.parse(reference["apiVersion"]).group
        endpoint = self._store.registry.by_kind(group, reference["kind"])
        if endpoint is None or (endpoint.kind.namespaced and not namespace):
            # Nothing can be said of an owner of a kind that is not served: the object stays.
            return "there"
        stored = await self._store.log.get(endpoint.key(namespace, reference["name"]))
        if stored is None:
            return "gone"
        header = header_of(stored.header)
        if header.uid != reference["uid"]:
            return "gone"
        if header.deleting and header.finalizers and _waits(stored.body):
            finalizers = load(endpoint.kind, endpoint.version.name, stored)["metadata"].get("finalizers", ())
            return "waiting" if metadata.FOREGROUND in finalizers else "there"
        return "there"

    async def _disown(self, endpoint: Endpoint, key: Key, uids: set[str]) -> None:
        """Take away the references to some owners."""
        namespace, _, name = path_of(key).rpartition("/")

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            references = current["metadata"].get("ownerReferences", [])
            kept = [reference for reference in references if reference["uid"] not in uids]
            current["metadata"]["ownerReferences"] = kept
            if not kept:
                del current["metadata"]["ownerReferences"]
            return current

        try:
            await self._store.update(endpoint, namespace, name, change, validate=False)
        except StatusError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise


def _waits(body: bytes) -> bool:
    """Tell whether a body may name one of the two finalizers; decoding tells for sure."""
    return f'"{metadata.FOREGROUND}"'.encode() in body or f'"{metadata.ORPHAN}"'.encode() in body

"""The namespace controller: makes the first namespaces, and empties those that are deleted (FEATURES rows 21, 28)."""

from __future__ import annotations

import logging
from typing import Any

import trio

from storage.bus import WatchBus
from storage.errors import StorageError
from storage.types import Op, Record, Stored, path_of
from watchd.controllers.following import follow
from watchd.registry.builtin.core.namespace import FINALIZER, INITIAL
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.value import header_of
from watchd.seams import rfc3339
from watchd.status import Reason, StatusError, not_found

Object = dict[str, Any]

RETRY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Between two looks at a namespace whose objects wait for their finalizers: soon at first, then rarely."""

logger = logging.getLogger(__name__)


class Namespaces:
    """Follows namespaces and empties those that are Terminating, each in a task of its own."""

    def __init__(self, store: Store, bus: WatchBus) -> None:
        self._store = store
        self._bus = bus
        self._endpoint = store.registry.hub("", "namespaces")
        self._emptying: set[str] = set()
        """uids: a namespace that is made again under the same name is another one."""

    async def create_initial(self) -> None:
        """Make the namespaces that are there from the first start."""
        for name in INITIAL:
            if await self._store.log.get(self._endpoint.key("", name)) is None:
                obj: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                await self._store.create(self._endpoint, "", obj)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        async with trio.open_nursery() as nursery:

            async def on_namespace(seen: Stored | Record) -> None:
                await trio.lowlevel.checkpoint()
                name = path_of(seen.key)
                header = header_of(seen.header)
                gone = isinstance(seen, Record) and seen.op is Op.DELETE
                if not gone and header.deleting and header.uid not in self._emptying:
                    self._emptying.add(header.uid)
                    nursery.start_soon(self._empty, name, header.uid)

            nursery.start_soon(follow, self._store.log, self._bus, self._endpoint.scope(), on_namespace)
            task_status.started()

    async def _empty(self, name: str, uid: str) -> None:
        """Delete everything in a namespace, then give up the finalizer that holds it."""
        attempt = 0
        try:
            while not await self._try_to_empty(name, uid, report=attempt == 0):
                await trio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
        finally:
            self._emptying.discard(uid)

    async def _try_to_empty(self, name: str, uid: str, *, report: bool) -> bool:
        """Delete what can be deleted now; tell whether that was the end of the namespace."""
        try:
            remaining = await self._delete_contents(name, uid)
            if not remaining:
                await self._finalize(name, uid)
                return True
            if report:
                await self._report(name, uid, remaining)
        except (StatusError, StorageError) as error:
            if isinstance(error, StatusError) and error.reason is Reason.NOT_FOUND:
                return True
            logger.warning("namespace %s cannot be emptied yet: %s", name, error)
        return False

    async def _delete_contents(self, name: str, uid: str) -> dict[str, int]:
        """Delete what is in a namespace; return how many objects are left, by resource. Raises StatusError 404 once it is gone."""
        remaining: dict[str, int] = {}
        done: set[str] = set()
        for endpoint in self._store.registry.hubs:
            kind = endpoint.kind
            if not kind.namespaced or kind.storage_name in done:
                continue
            done.add(kind.storage_name)
            left = await self._delete_all(endpoint, name, uid)
            if left:
                remaining[kind.storage_name] = left
        return remaining

    async def _delete_all(self, endpoint: Endpoint, namespace: str, uid: str) -> int:
        found = await self._store.walk(endpoint, namespace)
        # Looked at after the objects: what was found is this namespace's, and none of one that was made again meanwhile.
        await self._check_going(namespace, uid)
        return await self._store.delete_each(endpoint, found)

    async def _check_going(self, name: str, uid: str) -> None:
        """Raise StatusError 404 unless this very namespace is there, and Terminating."""
        stored = await self._store.log.get(self._endpoint.key("", name))
        if stored is None or header_of(stored.header).uid != uid or not header_of(stored.header).deleting:
            raise not_found("", "namespaces", name)

    async def _report(self, name: str, uid: str, remaining: dict[str, int]) -> None:
        """Say in the namespace's status what it waits for, as the reference's controller does."""
        listed = ", ".join(f"{resource} has {count} resource instances" for resource, count in sorted(remaining.items()))
        condition = {
            "type": "NamespaceContentRemaining",
            "status": "True",
            "lastTransitionTime": rfc3339(self._store.clock.now_ms()),
            "reason": "SomeResourcesRemain",
            "message": f"Some resources are remaining: {listed}",
        }

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            status = current.setdefault("status", {})
            others = [c for c in status.get("conditions", []) if c["type"] != condition["type"]]
            status["conditions"] = [*others, condition]
            return current

        await self._store.update(self._endpoint, "", name, change, subresource="status", uid=uid)

    async def _finalize(self, name: str, uid: str) -> None:
        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            finalizers = [f for f in current["spec"].get("finalizers", []) if f != FINALIZER]
            current["spec"] = {**current["spec"], "finalizers": finalizers} if finalizers else {}
            return current

        await self._store.update(self._endpoint, "", name, change, subresource="finalize", uid=uid, validate=False)

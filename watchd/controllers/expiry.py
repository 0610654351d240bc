"""Expiry: objects of one resource that go when a time of day has come which they themselves tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from storage.bus import WatchBus
from storage.types import Key, Op, Record, Stored, path_of
from watchd.controllers.deadlines import Deadlines
from watchd.controllers.following import follow
from watchd.controllers.worklist import Worklist
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.view import load_hub
from watchd.registry.writes import Deletion
from watchd.status import Reason, StatusError

Object = dict[str, Any]


class Expiry:
    """Deletes the objects of a resource whose time is over."""

    def __init__(
        self,
        store: Store,
        bus: WatchBus,
        endpoint: Endpoint,
        expiry_ms: Callable[[Object], int | None],
        *,
        name: str,
        propagation: str = "",
    ) -> None:
        """Look after a resource.

        Args:
            store: deletes them.
            bus: tells of their changes.
            endpoint: the resource's hub.
            expiry_ms: when an object's time is over, in milliseconds since the epoch; None for one that may stay or goes already.
            name: for the log.
            propagation: what becomes of their dependents; empty for the kind's default.

        """
        self._store = store
        self._bus = bus
        self._endpoint = endpoint
        self._expiry_ms = expiry_ms
        self._propagation = propagation
        self._work: Worklist[Key] = Worklist(name, self._remove)
        self._deadlines = Deadlines(store.clock, self._due)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work.run)
            nursery.start_soon(self._deadlines.run)
            await follow(self._store.log, self._bus, self._endpoint.scope(), self._on_object, task_status=task_status)
            nursery.cancel_scope.cancel()

    async def _on_object(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        gone = isinstance(seen, Record) and seen.op is Op.DELETE
        self._deadlines.set(seen.key, None if gone else self._expiry_ms(load_hub(self._endpoint.kind, seen)))

    async def _due(self, key: Key) -> None:
        await trio.lowlevel.checkpoint()
        self._work.add(key)

    async def _remove(self, key: Key) -> None:
        """Delete an object if its time is over still."""
        stored = await self._store.log.get(key)
        if stored is None:
            return
        found = load_hub(self._endpoint.kind, stored)
        at_ms = self._expiry_ms(found)
        if at_ms is None or at_ms > self._store.clock.now_ms():
            self._deadlines.set(key, at_ms)
            return
        meta = found["metadata"]
        namespace, _, name = path_of(key).rpartition("/")
        deletion = Deletion(uid=meta["uid"], resource_version=meta["resourceVersion"], propagation=self._propagation)
        try:
            await self._store.delete(self._endpoint, namespace, name, deletion)
        except StatusError as error:
            # It was changed meanwhile: what it says now is told to `_on_object`.
            if error.reason is not Reason.CONFLICT:
                raise

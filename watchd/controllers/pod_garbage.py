"""Pod garbage: pods under deletion that no kubelet is there to end (the part of the pod garbage collector that deletions wait for).

A pod that was never scheduled goes at once, one whose Node is not there when its time is over. Pods that are not deleted stay, also
where their Node is gone: that is for those who run the nodes.
"""

from __future__ import annotations

from datetime import datetime

import trio

from storage.bus import WatchBus
from storage.types import Key, Op, Record, Stored, path_of
from watchd.controllers.deadlines import Deadlines
from watchd.controllers.following import follow
from watchd.controllers.worklist import Worklist
from watchd.registry.store import Store
from watchd.registry.value import header_of
from watchd.registry.view import load_hub
from watchd.registry.writes import Deletion
from watchd.status import Reason, StatusError


class PodGarbage:
    """Removes them."""

    def __init__(self, store: Store, bus: WatchBus) -> None:
        self._store = store
        self._bus = bus
        self._pods = store.registry.hub("", "pods")
        self._nodes = store.registry.hub("", "nodes")
        self._going: dict[str, set[Key]] = {}
        """Pods under deletion by their nodes that are there."""
        self._work: Worklist[Key] = Worklist("pod-garbage", self._look_at)
        self._deadlines = Deadlines(store.clock, self._due)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        log, bus = self._store.log, self._bus
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work.run)
            nursery.start_soon(self._deadlines.run)
            await nursery.start(follow, log, bus, self._nodes.scope(), self._on_node)
            await nursery.start(follow, log, bus, self._pods.scope(), self._on_pod)
            task_status.started()

    async def _on_node(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(seen, Record) and seen.op is Op.DELETE:
            for key in self._going.pop(path_of(seen.key), ()):
                self._work.add(key)

    async def _on_pod(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(seen, Record) and seen.op is Op.DELETE:
            self._deadlines.set(seen.key, None)
            if header_of(seen.header).deleting:
                self._forget(seen.key)
        elif header_of(seen.header).deleting:
            self._work.add(seen.key)

    def _forget(self, key: Key) -> None:
        for node in [node for node, keys in self._going.items() if key in keys]:
            self._going[node].discard(key)
            if not self._going[node]:
                del self._going[node]

    async def _due(self, key: Key) -> None:
        await trio.lowlevel.checkpoint()
        self._work.add(key)

    async def _look_at(self, key: Key) -> None:
        stored = await self._store.log.get(key)
        if stored is None or not header_of(stored.header).deleting:
            return
        pod = load_hub(self._pods.kind, stored)
        meta, node = pod["metadata"], pod["spec"].get("nodeName")
        if not meta.get("deletionGracePeriodSeconds"):
            # Only finalizers hold it.
            return
        if node and await self._store.log.get(self._nodes.key("", node)) is not None:
            self._going.setdefault(node, set()).add(key)
            return
        end_ms = int(datetime.fromisoformat(meta["deletionTimestamp"]).timestamp() * 1000)
        if node and end_ms > self._store.clock.now_ms():
            self._deadlines.set(key, end_ms)
            return
        namespace, _, name = path_of(key).partition("/")
        try:
            await self._store.delete(self._pods, namespace, name, Deletion(uid=meta["uid"], grace=0))
        except StatusError as error:
            if error.reason is not Reason.CONFLICT:
                raise

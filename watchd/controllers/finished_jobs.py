"""Finished Jobs: they go, with their pods, when spec.ttlSecondsAfterFinished is over (the TTL-after-finished controller)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import trio

from storage.bus import WatchBus
from storage.types import Key, Op, Record, Stored, path_of
from watchd.controllers.deadlines import Deadlines
from watchd.controllers.following import follow
from watchd.controllers.worklist import Worklist
from watchd.registry.store import Store
from watchd.registry.view import load_hub
from watchd.registry.writes import Deletion
from watchd.status import Reason, StatusError

Object = dict[str, Any]


class FinishedJobs:
    """Removes Jobs whose time is over."""

    def __init__(self, store: Store, bus: WatchBus) -> None:
        self._store = store
        self._bus = bus
        self._jobs = store.registry.hub("batch", "jobs")
        self._work: Worklist[Key] = Worklist("finished-jobs", self._remove)
        self._deadlines = Deadlines(store.clock, self._due)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work.run)
            nursery.start_soon(self._deadlines.run)
            await follow(self._store.log, self._bus, self._jobs.scope(), self._on_job, task_status=task_status)
            nursery.cancel_scope.cancel()

    async def _on_job(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        gone = isinstance(seen, Record) and seen.op is Op.DELETE
        self._deadlines.set(seen.key, None if gone else expiry_ms(load_hub(self._jobs.kind, seen)))

    async def _due(self, key: Key) -> None:
        await trio.lowlevel.checkpoint()
        self._work.add(key)

    async def _remove(self, key: Key) -> None:
        """Delete a Job if its time is over still."""
        stored = await self._store.log.get(key)
        if stored is None:
            return
        job = load_hub(self._jobs.kind, stored)
        at_ms = expiry_ms(job)
        if at_ms is None or at_ms > self._store.clock.now_ms():
            self._deadlines.set(key, at_ms)
            return
        namespace, _, name = path_of(key).rpartition("/")
        deletion = Deletion(uid=job["metadata"]["uid"], resource_version=job["metadata"]["resourceVersion"], propagation="Foreground")
        try:
            await self._store.delete(self._jobs, namespace, name, deletion)
        except StatusError as error:
            # It was changed meanwhile: what it says now is told to `_on_job`.
            if error.reason is not Reason.CONFLICT:
                raise


def expiry_ms(job: Object) -> int | None:
    """Return when a Job's time is over, in milliseconds since the epoch; None while it runs, goes already or may stay."""
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    if seconds is None or "deletionTimestamp" in job["metadata"]:
        return None
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in {"Complete", "Failed"} and condition["status"] == "True":
            time = condition.get("lastTransitionTime")
            return int((datetime.fromisoformat(time).timestamp() + seconds) * 1000) if time else None
    return None

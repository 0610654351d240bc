"""StorageVersionMigrations: rewrite what is stored at another version than the hub's, or under an earlier schema (KEP-4192).

A value that is as it would be written now is left alone; each other one is written again with a new revision, as by an update that
changes nothing. Several are worked off one after the other, in the order of their creation.
"""

from __future__ import annotations

import logging
from typing import Any

import trio

from conversion.errors import ConversionError
from storage.bus import WatchBus
from storage.errors import Conflict, StorageError
from storage.types import Key, Op, Record, Stored, path_of
from watchd.controllers.following import follow
from watchd.registry.columns import SECOND_MS, parse_time
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.view import load
from watchd.seams import rfc3339
from watchd.status import Reason, StatusError

Object = dict[str, Any]

GROUP = "storagemigration.k8s.io"
PLURAL = "storageversionmigrations"

RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"

PAGE_KEYS = 200
"""Values looked at between two looks at the rest of the loop."""

PROGRESS_SECONDS = 1.0
"""Between two writes of the progress."""

UNKNOWN_SECONDS = 60
"""How long a resource may take to appear after the migration that names it, as in the reference."""

AGAIN_SECONDS = 2.0
"""Before a migration that could not go on is looked at again."""

logger = logging.getLogger(__name__)


class StorageMigrations:
    """Works migrations off."""

    def __init__(self, store: Store, bus: WatchBus) -> None:
        self._store = store
        self._bus = bus
        self._endpoint = store.registry.hub(GROUP, PLURAL)
        self._waiting: dict[str, None] = {}
        """Names of migrations to look at, in order."""
        self._added = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        async with trio.open_nursery() as nursery:
            await nursery.start(follow, self._store.log, self._bus, self._endpoint.scope(), self._on_migration)
            task_status.started()
            while True:
                if not self._waiting:
                    self._added = trio.Event()
                    await self._added.wait()
                name = next(iter(self._waiting))
                del self._waiting[name]
                if not await self._migrate(name):
                    nursery.start_soon(self._later, name)

    async def _on_migration(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        name = path_of(seen.key)
        if isinstance(seen, Record) and seen.op is Op.DELETE:
            self._waiting.pop(name, None)
        elif not _ended(load(self._endpoint.kind, self._endpoint.version.name, seen)):
            self._ask(name)

    def _ask(self, name: str) -> None:
        self._waiting[name] = None
        self._added.set()

    async def _later(self, name: str) -> None:
        await trio.sleep(AGAIN_SECONDS)
        self._ask(name)

    async def _migrate(self, name: str) -> bool:
        """Work one migration off; return whether there is nothing left to do for it."""
        try:
            found = await self._store.find(GROUP, PLURAL, "", name)
            if _ended(found):
                return True
            wanted = found["spec"].get("resource", {})
            endpoint = self._target(wanted.get("group", ""), wanted.get("resource", ""))
            if endpoint is None:
                if not self._overdue(found):
                    return False
                await self._tell(name, FAILED, "StorageVersionMigrationFailed", "unable to obtain GVR from discovery")
                return True
            await self._tell(name, RUNNING, "MigrationRunning", "The migration is running")
            await self._rewrite(name, endpoint)
        except (StatusError, StorageError, ConversionError) as error:
            if isinstance(error, StatusError) and error.reason is Reason.NOT_FOUND:
                return True
            logger.warning("migration %s cannot go on: %s", name, error)
            return False
        return True

    def _target(self, group: str, resource: str) -> Endpoint | None:
        kind = self._store.registry.kind(group, resource)
        return None if kind is None or kind.virtual else self._store.registry.hub(group, resource)

    def _overdue(self, migration: Object) -> bool:
        created = parse_time(migration["metadata"].get("creationTimestamp")) or 0
        return self._store.clock.now_ms() // SECOND_MS - created > UNKNOWN_SECONDS

    async def _rewrite(self, name: str, endpoint: Endpoint) -> None:
        """Look at every value of a kind. Raises StatusError, StorageError, ConversionError: nothing is lost then, and it can begin again."""
        total = 0
        start: Key | None = None
        while True:
            counted = await self._store.log.count(endpoint.prefix(), start=start, limit=PAGE_KEYS)
            total, start = total + counted.keys, counted.next
            if start is None:
                break
            await trio.lowlevel.checkpoint()
        looked, told = 0, trio.current_time()
        while True:
            page = await self._store.log.scan(endpoint.prefix(), start=start, limit=PAGE_KEYS)
            for stored in page.items:
                try:
                    await self._store.rewrite(endpoint, stored)
                except Conflict:
                    # Written meanwhile, and so as it is to be.
                    continue
            looked, start = looked + len(page.items), page.next
            if start is None:
                break
            if trio.current_time() - told >= PROGRESS_SECONDS:
                told = trio.current_time()
                left = max(total - looked, 0)
                await self._tell(name, RUNNING, "MigrationRunning", f"The migration is running, {left}/{total} objects not yet migrated")
            await trio.lowlevel.checkpoint()
        await self._tell(name, RUNNING, "MigrationRunning", f"The migration is running, {looked} objects verified migrated")
        await self._tell(name, SUCCEEDED, "StorageVersionMigrationSucceeded", "Migration completed")

    async def _tell(self, name: str, kind: str, reason: str, message: str) -> None:
        """Write a condition. An end ends the running too."""
        now = rfc3339(self._store.clock.now_ms())

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            status = current.setdefault("status", {})
            status.setdefault("resourceVersion", str(self._store.log.head))
            _set(status, kind, "True", reason, message, now)
            running = _condition(current, RUNNING)
            if kind != RUNNING and running is not None:
                _set(status, RUNNING, "False", running["reason"], running["message"], now)
            return current

        await self._store.update(self._endpoint, "", name, change, subresource="status")


def _condition(migration: Object, kind: str) -> Object | None:
    for condition in migration.get("status", {}).get("conditions") or ():
        if condition.get("type") == kind:
            found: Object = condition
            return found
    return None


def _ended(migration: Object) -> bool:
    ends = (_condition(migration, kind) for kind in (SUCCEEDED, FAILED))
    return any(end is not None and end.get("status") == "True" for end in ends)


def _set(status: Object, kind: str, value: str, reason: str, message: str, now: str) -> None:
    """Write a condition, in place; its time moves only where its status does."""
    conditions = status.setdefault("conditions", [])
    found = next((condition for condition in conditions if condition.get("type") == kind), None)
    if found is None:
        found = {"type": kind}
        conditions.append(found)
    if found.get("status") != value:
        found["lastTransitionTime"] = now
    found.update(status=value, reason=reason, message=message)

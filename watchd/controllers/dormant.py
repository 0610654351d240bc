"""Dormant: a controller that costs nothing before there is something for it to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from storage.bus import WatchBus
from storage.errors import Compacted, LogClosed
from storage.log import Log
from storage.types import NOTHING, Key, Op, Record, Revision, Scope, Stored, path_of
from watchd.controllers.following import BATCH_BYTES, BATCH_RECORDS, PAGE_KEYS
from watchd.controllers.supervision import Controller
from watchd.registry.value import tag_of


class Dormant:
    """Sleeps until an object of some scopes is there, then makes the controller and becomes it."""

    def __init__(
        self,
        log: Log,
        bus: WatchBus,
        scopes: Sequence[Scope],
        make: Callable[[], Controller],
        *,
        ignored: frozenset[str] = frozenset(),
    ) -> None:
        """Describe the controller.

        Args:
            log: where its objects are.
            bus: tells of new ones.
            scopes: of its objects; a tag tells which of a scope's objects count.
            make: imports what the controller needs and makes it.
            ignored: paths of objects that are always there and wake nobody.

        """
        self._ignored = ignored
        self._log = log
        self._bus = bus
        self._scopes = scopes
        self._make = make

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        # Where it has to look through thousands of objects, a start does not wait for it.
        task_status.started()
        seen: dict[Scope, Revision] = {}
        for scope in self._scopes:
            revision = await self._look(scope)
            if revision is None:
                break
            seen[scope] = revision
        else:
            if not await self._sleep(seen):
                return
        await self._make().run(task_status=trio.TASK_STATUS_IGNORED)

    async def _look(self, scope: Scope) -> Revision | None:
        """Return the revision at which a scope had no object, or None where it has one."""
        revision, start = NOTHING, None
        while True:
            at: Key | None = start
            page = await self._log.scan(scope.prefix, start=at, limit=PAGE_KEYS if scope.tag else 1 + len(self._ignored))
            # What changes while the pages are read is later than the first one, and so seen by the cursor.
            revision = revision or page.revision
            if any(self._counts(scope, stored) for stored in page.items):
                return None
            if page.next is None:
                return revision
            start = page.next

    async def _sleep(self, seen: dict[Scope, Revision]) -> bool:
        """Wait for an object; tell whether there is one, or the log has closed."""
        woken: list[bool] = []

        async def wait(scope: Scope, after: Revision) -> None:
            woken.append(await self._wait(scope, after))
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for scope, after in seen.items():
                nursery.start_soon(wait, scope, after)
        return woken[0]

    async def _wait(self, scope: Scope, after: Revision) -> bool:
        try:
            with self._bus.cursor(scope, after) as cursor:
                while True:
                    batch = await cursor.next(limit=BATCH_RECORDS, max_bytes=BATCH_BYTES)
                    if any(record.op is Op.PUT and self._counts(scope, record) for record in batch.records):
                        return True
        except Compacted:
            return True
        except LogClosed:
            return False

    def _counts(self, scope: Scope, seen: Stored | Record) -> bool:
        if self._ignored and path_of(seen.key) in self._ignored:
            return False
        return scope.tag is None or tag_of(seen.header, scope.tag[0]) == scope.tag[1]

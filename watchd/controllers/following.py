"""Following: what every controller does - see the present state of some keys, then each change, in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from storage.bus import WatchBus
from storage.errors import Compacted, LogClosed
from storage.log import Log
from storage.types import Record, Revision, Scope, Stored

PAGE_KEYS = 500
"""Keys read in one turn of the initial state: about a millisecond of the loop."""

BATCH_RECORDS = 500
"""Records handled between two looks at the log."""

BATCH_BYTES = 1 << 20
"""Bytes of bodies held while a batch is handled."""

Handle = Callable[[Stored | Record], Awaitable[None]]
"""Called with each object of the present state (Stored), then with each change (Record)."""


async def follow(
    log: Log,
    bus: WatchBus,
    scope: Scope,
    handle: Handle,
    *,
    again: Callable[[], None] = lambda: None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Hand the state and then every change of a scope to `handle`. Started once the state has been handed over.

    Where compaction overtakes it, it begins again with the state: `handle` has to bear seeing an object twice, and never hears
    of deletions in between; `again` is called first. Returns when the log closes.
    """
    started = False
    while True:
        try:
            after = await _state(log, scope, handle)
            if not started:
                task_status.started()
                started = True
            with bus.cursor(scope, after) as cursor:
                while True:
                    batch = await cursor.next(limit=BATCH_RECORDS, max_bytes=BATCH_BYTES)
                    for record in batch.records:
                        await handle(record)
        except Compacted:
            again()
        except LogClosed:
            if not started:
                task_status.started()
            return


async def _state(log: Log, scope: Scope, handle: Handle) -> Revision:
    page = await log.scan(scope.prefix, limit=PAGE_KEYS)
    revision = page.revision
    with log.hold(revision):
        while True:
            for stored in page.items:
                await handle(stored)
            if page.next is None:
                return revision
            await trio.lowlevel.checkpoint()
            page = await log.scan(scope.prefix, start=page.next, limit=PAGE_KEYS, at=revision)

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
    whole: Callable[[Revision], None] = lambda _: None,
    present: bool = True,
    rest: float = 0.0,
    gather: float = 0.0,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Hand the state and then every change of a scope to `handle`. Started once the state has been handed over.

    Where compaction overtakes it, it begins again with the state: `handle` has to bear seeing an object twice, and never hears
    of deletions in between; `again` is called first. Returns when the log closes.

    Args:
        log: where the state is.
        bus: tells of changes.
        scope: of the objects.
        handle: what is done with each.
        again: forgets what was seen.
        whole: told when all of the state has been handed over, and of which revision it was.
        present: whether the state is handed over, and not the changes alone.
        rest: for each second that the state takes, how many are left to others in between.
        gather: seconds for which changes are let come together behind each batch of them.
        task_status: started with the first change that can come.

    """
    started = False
    while True:
        try:
            if present:
                after = await _state(log, scope, handle, rest)
                whole(after)
            else:
                after = log.head
            if not started:
                task_status.started()
                started = True
            with bus.cursor(scope, after) as cursor:
                while True:
                    batch = await cursor.next(limit=BATCH_RECORDS, max_bytes=BATCH_BYTES)
                    for record in batch.records:
                        await handle(record)
                    if gather:
                        await trio.sleep(gather)
        except Compacted:
            again()
        except LogClosed:
            if not started:
                task_status.started()
            return


async def _state(log: Log, scope: Scope, handle: Handle, rest: float) -> Revision:
    began = trio.current_time()
    page = await log.scan(scope.prefix, limit=PAGE_KEYS)
    revision = page.revision
    with log.hold(revision):
        while True:
            for stored in page.items:
                await handle(stored)
            if page.next is None:
                return revision
            await trio.sleep(rest * (trio.current_time() - began))
            began = trio.current_time()
            page = await log.scan(scope.prefix, start=page.next, limit=PAGE_KEYS, at=revision)

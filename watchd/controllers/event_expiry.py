"""Event expiry: Events go an hour after they were written last (FEATURES row 32)."""

from __future__ import annotations

import heapq

import trio

from storage.bus import WatchBus
from storage.errors import Conflict, StorageError
from storage.types import Key, Op, Record, Revision, Stored, Write
from watchd.controllers.following import follow
from watchd.registry.store import Store
from watchd.registry.value import header_of

EVENT_TTL_SECONDS = 3600.0
"""How long an Event lives, as with the reference's --event-ttl."""

FULL_DISK_WAIT_SECONDS = 5.0
"""Before a removal that the log refused is tried again."""

CLOCK_LOOK_SECONDS = 60.0
"""The longest sleep between two looks at the time of day."""


class EventExpiry:
    """Removes Events when their time has come. Keeps one small entry for each Event that lives."""

    def __init__(self, store: Store, bus: WatchBus, *, ttl_seconds: float = EVENT_TTL_SECONDS) -> None:
        self._store = store
        self._bus = bus
        self._ttl_ms = int(ttl_seconds * 1000)
        self._endpoint = store.registry.hub("", "events")
        self._due: list[tuple[int, Key, Revision]] = []
        """A heap of (time of expiry in ms, key, revision)."""
        self._added = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, self._store.log, self._bus, self._endpoint.scope(), self._on_event)
            task_status.started()
            while True:
                await self._expire()

    async def _on_event(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(seen, Record) and seen.op is Op.DELETE:
            return
        heapq.heappush(self._due, (header_of(seen.header).time_ms + self._ttl_ms, seen.key, seen.revision))
        self._added.set()

    async def _expire(self) -> None:
        """Remove the next Event when it is due, unless it was written again meanwhile."""
        if not self._due:
            self._added = trio.Event()
            await self._added.wait()
            return
        due, key, revision = self._due[0]
        wait_ms = due - self._store.clock.now_ms()
        if wait_ms > 0:
            # The time of day may be set back or forth while this sleeps: look again at least each minute.
            await trio.sleep(min(wait_ms / 1000, CLOCK_LOOK_SECONDS))
            return
        # Taken off first: by the time the append is done another one may stand in front.
        heapq.heappop(self._due)
        try:
            await self._store.log.append(Write(key, Op.DELETE, expect=revision))
        except Conflict:
            return
        except StorageError:
            heapq.heappush(self._due, (due, key, revision))
            await trio.sleep(FULL_DISK_WAIT_SECONDS)

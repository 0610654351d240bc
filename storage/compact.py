"""Retention: how much of the past is kept, by age and by size."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import trio

from storage.errors import Corrupt, LogClosed, LogFull, OutcomeUnknown
from storage.log import Log
from storage.types import Clock, Revision

MAX_AGE_SECONDS = 3600.0
"""How long superseded revisions stay readable by default: a client that was away for less resumes its watch."""

MAX_BYTES = 1 << 30
"""Bytes of superseded records that are kept by default (1 GiB)."""

MIN_AGE_SECONDS = 150.0
"""History that is kept whatever its size: twice the 75 s that kube-apiserver's watch cache aims at, so that a client
between a list and its watch, or between two bookmarks, never loses its place."""

INTERVAL_SECONDS = 10.0
"""Time between two looks: short against MIN_AGE_SECONDS, and a look costs a few reads."""

SIZE_ROUNDS = 32
"""Steps towards the size limit in one look. Each assumes that the bytes to free lie evenly; a few are enough."""


class Retention(msgspec.Struct, frozen=True):
    """What is kept. The size wins over the age, but never below the least age."""

    max_age: float = MAX_AGE_SECONDS
    """Seconds."""
    max_bytes: int = MAX_BYTES
    """Bytes of superseded records."""
    min_age: float = MIN_AGE_SECONDS
    """Seconds."""


async def run(
    log: Log,
    retention: Retention,
    clock: Clock,
    *,
    interval: float = INTERVAL_SECONDS,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Compact every `interval` seconds of trio's clock. Returns when cancelled.

    Raises LogClosed when the log is closed, its writes have stopped, or what is stored contradicts itself.
    """
    task_status.started()
    while True:
        # Where not even the reserve is left, appends say so; the disk may have room, or work again, at the next look.
        try:
            with suppress(LogFull, OutcomeUnknown):
                await compact_once(log, retention, clock)
        except Corrupt as error:
            raise LogClosed(f"compaction has stopped, the log is corrupt: {error}") from error
        await trio.sleep(interval)


async def compact_once(log: Log, retention: Retention, clock: Clock) -> Revision:
    """Compact as far as the retention says now, and return the floor. Raises LogFull, LogClosed."""
    now_ms = clock.now_ms()
    limit = await log.revision_at(now_ms - round(retention.min_age * 1000))
    by_age = await log.revision_at(now_ms - round(retention.max_age * 1000))
    floor = await log.compact(min(by_age, limit))
    for _ in range(SIZE_ROUNDS):
        superseded = await log.superseded_bytes()
        excess = superseded - retention.max_bytes
        if excess <= 0 or floor >= limit:
            break
        share = -(-(log.head - floor) * excess // superseded)
        reached = await log.compact(min(limit, Revision(floor + max(1, share))))
        if reached == floor:
            # A list holds it.
            break
        floor = reached
    return floor

"""Streams: run the plans of lists and watches into a sink (DESIGN section 5).

A watcher is a position, not a queue: what it has not read yet is in the log. One send a wake-up carries everything up to
a bound of bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import attrs
import trio

from storage.bus import Cursor
from storage.errors import Compacted, LogClosed
from storage.types import Key, Record, Revision, Stored
from watchd.api.message import Sink
from watchd.api.plans import ListPlan, WatchPlan
from watchd.registry.frames import bookmark_frame, error_frame, initial_frame
from watchd.registry.translated import wanted
from watchd.registry.view import View
from watchd.status import StatusError, expired, too_large_resource_version

BOOKMARK_SECONDS = 60.0
"""Between two bookmarks, about, as the reference sends them."""

BOOKMARK_SPREAD = 0.25
"""Part of BOOKMARK_SECONDS by which watches differ, so that those that began together do not wake together."""

FUTURE_WAIT_SECONDS = 3.0
"""How long a read waits for a revision that has not come yet (PROTOCOL section 1)."""

BATCH_RECORDS = 1000
"""Records in one send at the most."""

SEND_BYTES = 256 << 10
"""Bytes of bodies in one send, about: enough to make the cost of a send vanish, small beside a socket's buffer."""

REST_SECONDS = 1.0
"""How long a watch whose kind is retired looks for changes from before: the reference ends it about then."""

PAGE_KEYS = 500
"""Keys read in one turn of a list or of a watch's initial state: about a millisecond of the loop."""


@attrs.frozen
class WatchStream:
    """A watch as the body of an answer."""

    plan: WatchPlan

    async def run(self, sink: Sink) -> None:
        """Send its events (see `run_watch`)."""
        with self.plan.running():
            await run_watch(self.plan, sink)


@attrs.frozen
class ListStream:
    """A long list as the body of an answer."""

    plan: ListPlan

    async def run(self, sink: Sink) -> None:
        """Send its parts (see `run_list`)."""
        await run_list(self.plan, sink)


class Streams:
    """Makes plans into bodies (watchd.api.plans.Streams)."""

    def watch(self, plan: WatchPlan) -> WatchStream:
        """Return the body of a watch."""
        return WatchStream(plan)

    def list(self, plan: ListPlan) -> ListStream:
        """Return the body of a long list."""
        return ListStream(plan)


async def run_watch(plan: WatchPlan, sink: Sink) -> None:
    """Send a watch's events until its timeout, the server's shutdown, the kind's end or a revision that is gone.

    Raises SinkClosed when the client leaves.
    """
    core, view = plan.core, plan.watched.view
    deadline = trio.current_time() + plan.timeout_seconds
    sender = _Sender(plan, sink)
    try:
        after = plan.after
        if after is None:
            if plan.minimum > core.bus.head and not await core.bus.wait_for(plan.minimum, FUTURE_WAIT_SECONDS):
                status = too_large_resource_version(plan.minimum, core.bus.head)
                await sink.send_all(error_frame(view, status.to_object()))
                return
            after = await _send_state(plan, sender)
        await _send_events(plan, after, deadline, sender)
    except Compacted as error:
        status = expired(f"too old resource version: {error.revision} ({error.floor})")
        await sink.send_all(error_frame(view, status.to_object()))
    except StatusError as error:
        # An object cannot be shown at this version.
        await sink.send_all(error_frame(view, error.to_object()))
    except LogClosed:
        # The server goes while the state was being sent: the client has no position yet to be told.
        return


class _Sender:
    """Frames what one watch is told, the first event in the plan's opening view, and sends it."""

    def __init__(self, plan: WatchPlan, sink: Sink) -> None:
        self._plan = plan
        self._sink = sink
        self._opening = plan.opening

    def _next_view(self) -> View:
        """Return the view of the next event."""
        opening, self._opening = self._opening, None
        return self._plan.watched.view if opening is None else opening

    async def state(self, items: Sequence[Stored]) -> None:
        """Send objects of the present state."""
        if items:
            frames = [initial_frame(self._next_view(), stored) for stored in items]
            await self._send(b"".join(frames), len(frames))

    async def changes(self, records: Sequence[Record]) -> None:
        """Send what the view shows of some changes, in one piece."""
        frames = self._plan.core.frames
        first, events = b"", 0
        while self._opening is not None and records:
            first = await frames.make(self._opening, records[0])
            records = records[1:]
            if first:
                self._opening = None
                events = 1
        joined = await frames.join(self._plan.watched, records)
        if events or joined.events:
            await self._send(first + joined.data, events + joined.events)

    async def bookmark(self, revision: Revision, *, initial_events_end: bool = False) -> None:
        """Tell how far the stream came."""
        await self._sink.send_all(bookmark_frame(self._next_view(), revision, initial_events_end=initial_events_end))

    async def _send(self, data: bytes, events: int) -> None:
        await self._sink.send_all(data)
        self._plan.events.sent(events, len(data))


async def _send_state(plan: WatchPlan, sender: _Sender) -> Revision:
    """Send the present state as ADDED events, of one snapshot, and return its revision."""
    log, view, scope = plan.core.log, plan.watched.view, plan.scope
    page = await log.scan(scope.prefix, limit=PAGE_KEYS)
    revision = page.revision
    with log.hold(revision):
        while True:
            await sender.state(await wanted(view, [item for item in page.items if scope.covers(item.key)]))
            if page.next is None:
                break
            await trio.lowlevel.checkpoint()
            page = await log.scan(scope.prefix, start=page.next, limit=PAGE_KEYS, at=revision)
    if plan.bookmarks:
        await sender.bookmark(revision, initial_events_end=True)
    return revision


async def _send_events(plan: WatchPlan, after: Revision, deadline: float, sender: _Sender) -> None:
    core = plan.core
    interval = BOOKMARK_SECONDS * (1 + BOOKMARK_SPREAD * (2 * plan.jitter - 1))
    told = after
    try:
        cursor = core.bus.cursor(plan.scope, after)
    except LogClosed:
        if plan.bookmarks:
            await sender.bookmark(after)
        return
    with cursor:
        next_bookmark = trio.current_time() + interval
        while True:
            batch = None
            closing = False
            # Only the wait is cut short: an event is sent whole or not at all.
            with (
                trio.move_on_at(min(deadline, next_bookmark) if plan.bookmarks else deadline) as wait,
                plan.retirement.calling(wait.cancel),
            ):
                try:
                    batch = await cursor.next(limit=BATCH_RECORDS, max_bytes=SEND_BYTES)
                except LogClosed:
                    closing = True
            if batch is not None:
                await sender.changes(batch.records)
                if trio.current_time() < min(deadline, next_bookmark):
                    continue
            if plan.retirement.done and not closing:
                await _send_rest(cursor, core.bus.head, sender)
                closing = True
            ending = closing or trio.current_time() >= deadline
            if plan.bookmarks and (ending or cursor.position > told):
                told = cursor.position
                await sender.bookmark(told)
            if ending:
                return
            next_bookmark = trio.current_time() + interval


async def _send_rest(cursor: Cursor, upto: Revision, sender: _Sender) -> None:
    """Send what came before the kind was retired: the last word on the objects of a definition that is gone."""
    deadline = trio.current_time() + REST_SECONDS
    while cursor.position < upto:
        batch = None
        with trio.move_on_at(deadline), suppress(LogClosed):
            batch = await cursor.next(limit=BATCH_RECORDS, max_bytes=SEND_BYTES)
        if batch is None:
            return
        await sender.changes(batch.records)


async def run_list(plan: ListPlan, sink: Sink) -> None:
    """Send a list, part by part, all of one snapshot.

    Raises SinkClosed when the client leaves, and Compacted when the snapshot is gone before its end: the answer is then cut
    off without its end, so that the client sees an error and no short list.
    """
    before, between, behind = plan.parts
    view, items = plan.view, plan.items
    start: Key | None = plan.next
    joint = before
    with plan.log.hold(plan.revision):
        while True:
            if items:
                await sink.send_all(joint + between.join(map(view.item, items)))
                joint = between
            if start is None:
                break
            await trio.lowlevel.checkpoint()
            page = await plan.log.scan(plan.prefix, start=start, limit=PAGE_KEYS, at=plan.revision)
            items, start = await wanted(view, page.items), page.next
    await sink.send_all(behind if joint is between else joint + behind)

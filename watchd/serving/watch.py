"""One watch: from its first event to its last bookmark (DESIGN section 5).

A watcher is a position, not a queue: what it has not read yet is in the log. While it has something to read it does so in its
own task, with a cursor of its own. Once it has seen everything it waits: in a group, which serves it in line, where its
client's connection can be written to without waiting, else for its scope's next record.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

import trio

from storage.errors import Compacted, LogClosed
from storage.types import NOTHING, Record, Revision
from watchd.api.message import Sink
from watchd.api.plans import WatchPlan
from watchd.registry.frames import bookmark_frame, error_frame, initial_frame
from watchd.registry.translated import wanted
from watchd.registry.view import View
from watchd.serving.groups import BATCH_RECORDS, Groups, InLine
from watchd.status import StatusError, expired, too_large_resource_version

BOOKMARK_SECONDS = 60.0
"""Between two bookmarks, about, as the reference sends them."""

BOOKMARK_SPREAD = 0.25
"""Part of BOOKMARK_SECONDS by which watches differ, so that those that began together do not wake together."""

FUTURE_WAIT_SECONDS = 3.0
"""How long a read waits for a revision that has not come yet (PROTOCOL section 1)."""

SEND_BYTES = 256 << 10
"""Bytes of bodies read at once by one that has fallen behind, about: enough to make the cost of a read vanish."""

REST_SECONDS = 1.0
"""How long a watch whose kind is retired looks for changes from before: the reference ends it about then."""

PAGE_KEYS = 500
"""Keys read in one turn of a list or of a watch's initial state: about a millisecond of the loop."""


class Watch:
    """What one watch is told: frames it, the first event in the plan's opening view, and sends it."""

    __slots__ = ("_deadline", "_groups", "_line", "_next_bookmark", "_opening", "_plan", "_sink", "_told")

    def __init__(self, plan: WatchPlan, sink: Sink, groups: Groups) -> None:
        """Begin a watch, which ends with its timeout, its kind or the server."""
        self._plan = plan
        self._sink = sink
        self._line = sink if isinstance(sink, InLine) else None
        self._groups = groups
        self._opening = plan.opening
        self._deadline = trio.current_time() + plan.timeout_seconds
        self._next_bookmark = math.inf
        self._told = NOTHING
        """The revision of the last bookmark, or the one that the client began with."""

    async def run(self) -> None:
        """Send events until the timeout, the server's shutdown, the kind's end or a revision that is gone.

        Raises SinkClosed when the client leaves.
        """
        core, view, minimum = self._plan.core, self._plan.watched.view, self._plan.minimum
        try:
            after = self._plan.after
            if after is None:
                if minimum > core.bus.head and not await core.bus.wait_for(minimum, FUTURE_WAIT_SECONDS):
                    status = too_large_resource_version(minimum, core.bus.head)
                    await self._sink.send_all(error_frame(view, status.to_object()))
                    return
                after = await self._send_state()
            await self._send_events(after)
        except Compacted as error:
            status = expired(f"too old resource version: {error.revision} ({error.floor})")
            await self._sink.send_all(error_frame(view, status.to_object()))
        except StatusError as error:
            # An object cannot be shown at this version.
            await self._sink.send_all(error_frame(view, error.to_object()))
        except LogClosed:
            # The server goes while the state was being sent: the client has no position yet to be told.
            return

    # Its phases.

    async def _send_state(self) -> Revision:
        """Send the present state as ADDED events, of one snapshot, and return its revision."""
        log, view, scope = self._plan.core.log, self._plan.watched.view, self._plan.scope
        page = await log.scan(scope.prefix, limit=PAGE_KEYS)
        revision = page.revision
        with log.hold(revision):
            while True:
                items = await wanted(view, [item for item in page.items if scope.covers(item.key)])
                if items:
                    await self._send(b"".join([initial_frame(self._next_view(), item) for item in items]), len(items))
                if page.next is None:
                    break
                await trio.lowlevel.checkpoint()
                page = await log.scan(scope.prefix, start=page.next, limit=PAGE_KEYS, at=revision)
        if self._plan.bookmarks:
            await self._bookmark(revision, initial_events_end=True)
        return revision

    async def _send_events(self, after: Revision) -> None:
        bus, line = self._plan.core.bus, self._line
        self._told = after
        self._set_next_bookmark()
        while True:
            after = await self._catch_up(after)
            if await self._tell(after):
                return
            if after >= bus.head and not bus.closed:
                after = await (self._sleep(after) if line is None else self._join(line, after))

    async def _catch_up(self, after: Revision) -> Revision:
        """Send what there is behind a revision, and return how far that came: to the head, or until there is more to do."""
        bus = self._plan.core.bus
        until = min(self._deadline, self._next_bookmark)
        if self._plan.retirement.done:
            until = min(until, trio.current_time() + REST_SECONDS)
        # What the server's end leaves unsaid the last bookmark does not claim.
        with suppress(LogClosed), bus.cursor(self._plan.scope, after) as cursor:
            if self._line is not None:
                await self._line.flush()
            while cursor.position < bus.head:
                batch = await cursor.read(limit=BATCH_RECORDS, max_bytes=SEND_BYTES)
                await self._changes(batch.records)
                after = cursor.position
                if trio.current_time() >= until:
                    break
                await trio.lowlevel.checkpoint()
            after = cursor.position
        return after

    async def _tell(self, after: Revision) -> bool:
        """Send a bookmark where one is due; tell whether the watch is at its end."""
        now = trio.current_time()
        ending = self._plan.core.bus.closed or self._plan.retirement.done or now >= self._deadline
        if not ending and now < self._next_bookmark:
            return False
        if self._plan.bookmarks and (ending or after > self._told):
            self._told = after
            await self._bookmark(after)
        self._set_next_bookmark()
        return ending

    async def _join(self, line: InLine, after: Revision) -> Revision:
        """Be served by a group until there is something to do; return up to where. Raises SinkClosed."""
        member = self._groups.join(self._plan, line, after, alone=self._opening is not None)
        member.scope.deadline = min(self._deadline, self._next_bookmark)
        try:
            with self._plan.retirement.calling(member.wake), member.scope:
                await line.gone()
        finally:
            after = member.leave()
        if member.error is not None:
            raise member.error
        return after

    async def _sleep(self, after: Revision) -> Revision:
        """Wait until there is something to do; return up to where there was nothing to be seen."""
        due = trio.Event()
        with self._plan.core.bus.cursor(self._plan.scope, after) as cursor:
            with (
                trio.move_on_at(min(self._deadline, self._next_bookmark)) as wait,
                self._plan.retirement.calling(wait.cancel),
            ):
                if cursor.notify(due.set):
                    await due.wait()
            return cursor.position

    def _set_next_bookmark(self) -> None:
        if self._plan.bookmarks:
            interval = BOOKMARK_SECONDS * (1 + BOOKMARK_SPREAD * (2 * self._plan.jitter - 1))
            self._next_bookmark = trio.current_time() + interval

    # What it says.

    def _next_view(self) -> View:
        """Return the view of the next event."""
        opening, self._opening = self._opening, None
        return self._plan.watched.view if opening is None else opening

    async def _changes(self, records: Sequence[Record]) -> None:
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

    async def _bookmark(self, revision: Revision, *, initial_events_end: bool = False) -> None:
        """Tell how far the stream came."""
        await self._sink.send_all(bookmark_frame(self._next_view(), revision, initial_events_end=initial_events_end))

    async def _send(self, data: bytes, events: int) -> None:
        await self._sink.send_all(data)
        self._plan.events.sent(events, len(data))

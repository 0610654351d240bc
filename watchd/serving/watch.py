"""One watch: from its first event to its last bookmark (DESIGN section 5).

A watcher is a position, not a queue: what it has not read yet is in the log. While it has something to read it does so in a
task, with a cursor of its own. Once it has seen everything it waits: in a group, which serves it in line and needs no task of
it, where its client's connection can be written to without waiting, else for its scope's next record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

import trio

from storage.errors import Compacted, LogClosed
from storage.types import Record, Revision, Stored
from watchd.api.message import InlineSink, Sink
from watchd.api.plans import WatchPlan
from watchd.registry.frames import bookmark_frame, error_frame, initial_frame
from watchd.registry.translated import wanted
from watchd.registry.view import View
from watchd.serving.groups import BATCH_RECORDS, Groups, Member
from watchd.status import StatusError, expired, too_large_resource_version

BOOKMARK_SECONDS = 60.0
"""Between two bookmarks, about, as the reference sends them."""

BOOKMARK_SPREAD = 0.25
"""Part of BOOKMARK_SECONDS by which watches differ, so that those that began together do not wake together."""

FUTURE_WAIT_SECONDS = 3.0
"""How long a read waits for a revision that has not come yet (PROTOCOL section 1)."""

SEND_BYTES = 56 << 10
"""Bytes of bodies in one send, about: with what events add to them, one piece of a sink. It is held for as long as its client takes
it, and what waits in the connection is all that is counted (`backlog.py`), so that it is no more than that."""

REST_SECONDS = 1.0
"""How long a watch whose kind is retired looks for changes from before: the reference ends it about then."""

PAGE_KEYS = 500
"""Keys of the present state read in one turn, at the most: about a millisecond of the loop."""

FIRST_KEYS = 50
"""Keys read first, while nobody knows how large the objects are."""

PAGE_BYTES = 256 << 10
"""Bodies of the present state read in one turn, about, in bytes: they are held for as long as a slow client takes, and not counted."""


class Watch:
    """What one watch is told: frames it, the first event in the plan's opening view, and sends it."""

    __slots__ = ("_after", "_deadline", "_next_bookmark", "_opening", "_plan", "_running", "_sink", "_told")

    def __init__(self, plan: WatchPlan, sink: Sink) -> None:
        """Begin a watch, which ends with its timeout, its kind, the server or its client; `close` it then."""
        self._plan = plan
        self._sink = sink
        self._opening = plan.opening
        self._after = plan.after
        self._told: Revision | None = None
        """The last bookmark, or where the events began; None before."""
        self._deadline = trio.current_time() + plan.timeout_seconds
        self._next_bookmark = math.inf
        self._running = plan.running()
        self._running.__enter__()

    @property
    def until(self) -> float:
        """When there is something to do at the latest: a bookmark, or the end."""
        return min(self._deadline, self._next_bookmark)

    async def run(self) -> None:
        """Send events until the timeout, the server's shutdown, the kind's end or a revision that is gone.

        Raises SinkClosed when the client leaves.
        """
        while await self._step():
            await self._sleep()

    def close(self) -> None:
        """Count it no longer."""
        self._running.__exit__(None, None, None)

    # Its phases.

    async def _step(self) -> bool:
        """Send all there is; tell whether the watch goes on, having seen everything up to the head."""
        bus, view = self._plan.core.bus, self._plan.watched.view
        try:
            if self._told is None and not await self._begin():
                return False
            while True:
                await self._catch_up()
                if await self._tell():
                    return False
                if self._position >= bus.head and not bus.closed:
                    return True
        except Compacted as error:
            status = expired(f"too old resource version: {error.revision} ({error.floor})")
            await self._sink.send_all(error_frame(view, status.to_object()))
        except StatusError as error:
            # An object cannot be shown at this version.
            await self._sink.send_all(error_frame(view, error.to_object()))
        except LogClosed:
            # The server goes while the state was being sent: the client has no position yet to be told.
            pass
        return False

    @property
    def _position(self) -> Revision:
        """Everything up to here was handed to the sink."""
        assert self._after is not None  # noqa: S101 - it has begun
        return self._after

    async def _begin(self) -> bool:
        """Send the present state where it comes first; tell whether events follow."""
        bus, minimum = self._plan.core.bus, self._plan.minimum
        if self._after is None:
            if minimum > bus.head and not await bus.wait_for(minimum, FUTURE_WAIT_SECONDS):
                status = too_large_resource_version(minimum, bus.head)
                await self._sink.send_all(error_frame(self._plan.watched.view, status.to_object()))
                return False
            self._after = await self._send_state()
        self._told = self._after
        self._set_next_bookmark()
        return True

    async def _send_state(self) -> Revision:
        """Send the present state as ADDED events, of one snapshot, and return its revision."""
        log, view, scope = self._plan.core.log, self._plan.watched.view, self._plan.scope
        page = await log.scan(scope.prefix, limit=FIRST_KEYS)
        revision = page.revision
        with log.hold(revision):
            while True:
                items = await wanted(view, [item for item in page.items if scope.covers(item.key)])
                for piece, events in _pieces(initial_frame(self._next_view(), item) for item in items):
                    await self._send(piece, events)
                if page.next is None:
                    break
                await trio.lowlevel.checkpoint()
                page = await log.scan(scope.prefix, start=page.next, limit=_keys_of_a_page(page.items), at=revision)
        if self._plan.bookmarks:
            await self._bookmark(revision, initial_events_end=True)
        return revision

    async def _catch_up(self) -> None:
        """Send what there is to the head, or until there is something else to do."""
        bus = self._plan.core.bus
        until = self.until
        if self._plan.retirement.done:
            until = min(until, trio.current_time() + REST_SECONDS)
        # What the server's end leaves unsaid the last bookmark does not claim.
        with suppress(LogClosed), bus.cursor(self._plan.scope, self._position) as cursor:
            await self._flush()
            while cursor.position < bus.head:
                batch = await cursor.read(limit=BATCH_RECORDS, max_bytes=SEND_BYTES)
                await self._changes(batch.records)
                self._after = cursor.position
                if trio.current_time() >= until:
                    return
                await trio.lowlevel.checkpoint()
            self._after = cursor.position

    async def _tell(self) -> bool:
        """Send a bookmark where one is due; tell whether the watch is at its end."""
        now = trio.current_time()
        ending = self._plan.core.bus.closed or self._plan.retirement.done or now >= self._deadline
        if not ending and now < self._next_bookmark:
            return False
        if self._plan.bookmarks and (ending or self._position != self._told):
            self._told = self._position
            await self._bookmark(self._position)
        self._set_next_bookmark()
        return ending

    async def _sleep(self) -> None:
        """Wait until there is something to do."""
        due = trio.Event()
        with (
            suppress(LogClosed),
            self._plan.core.bus.cursor(self._plan.scope, self._position) as cursor,
            trio.move_on_at(self.until) as wait,
            self._plan.retirement.calling(wait.cancel),
        ):
            try:
                if cursor.notify(due.set):
                    await due.wait()
            finally:
                # Also when its time has come: compaction may have passed where it began to wait.
                self._after = cursor.position

    def _set_next_bookmark(self) -> None:
        if self._plan.bookmarks:
            interval = BOOKMARK_SECONDS * (1 + BOOKMARK_SPREAD * (2 * self._plan.jitter - 1))
            self._next_bookmark = trio.current_time() + interval

    async def _flush(self) -> None:
        """Wait for what was handed to the sink and not taken yet, where there can be such bytes."""

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


def _keys_of_a_page(before: Sequence[Stored]) -> int:
    """Return how many objects are about PAGE_BYTES, if they are as large as those before."""
    size = sum(len(item.body) for item in before)
    return max(1, min(PAGE_KEYS, len(before) * PAGE_BYTES // size)) if size else PAGE_KEYS


def _pieces(frames: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Join frames to pieces of SEND_BYTES, about, and tell how many there are in each."""
    parts: list[bytes] = []
    size = 0
    for frame in frames:
        if parts and size + len(frame) > SEND_BYTES:
            yield b"".join(parts), len(parts)
            parts, size = [], 0
        parts.append(frame)
        size += len(frame)
    if parts:
        yield b"".join(parts), len(parts)


class InlineWatch(Watch):
    """A watch on a line, which is served by a group while it has seen everything (watchd.api.message.Watching)."""

    __slots__ = ("_groups", "_line", "_member")

    def __init__(self, plan: WatchPlan, line: InlineSink, groups: Groups) -> None:
        """Begin a watch whose waits are spent in a group."""
        super().__init__(plan, line)
        self._line = line
        self._groups = groups
        self._member: Member | None = None

    async def advance(self, wake: Callable[[], object]) -> bool:
        """Do what there is to do, and be served by a group then; False at the watch's end. Raises SinkClosed."""
        error = self._leave()
        if error is not None:
            raise error
        if not await self._step():
            return False
        alone = self._opening is not None
        self._member = self._groups.join(self._plan, self._line, self._position, wake, alone=alone)
        self._plan.retirement.begin_calling(self._member.wake)
        return True

    def close(self) -> None:
        """Leave the group, and count it no longer."""
        self._leave()
        super().close()

    def _leave(self) -> Exception | None:
        """Leave the group; return why nothing more can be written, if that is so."""
        member, self._member = self._member, None
        if member is None:
            return None
        self._plan.retirement.end_calling(member.wake)
        self._after = member.leave()
        return member.error

    async def _flush(self) -> None:
        await self._line.flush()

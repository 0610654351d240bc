"""Watch positions and wake-ups: a watcher is a cursor over the log, never a queue.

A cursor reads from the ring, else from the log, and sleeps until a record touches its scope. Publishing looks up the
few scopes that a record can touch; it never walks over watchers (DESIGN section 5).

The quiet-scope rule: a cursor that has seen everything of its scope has no position of its own. It follows a `_Quiet`,
the stretch of time since the last record that touched the scope, shared by all cursors of that scope. While the
stretch lasts their position is the head, so compaction cannot pass them; when a record ends it, the position is just
below that record, once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, final

import msgspec
import trio

from storage.errors import Compacted, Corrupt, LogClosed
from storage.log import Log
from storage.ring import Ring, weight
from storage.types import EVERYTHING, KIND_ID_BYTES, Batch, Record, Revision, Scope, TagOf

SLICE_RECORDS: Final = 1024
"""Records looked at between two checkpoints: 0.3 ms from the ring, 1 to 2 ms from LMDB (0.9M rows/s measured)."""

SLICE_GROWTH: Final = 4
"""How much further each empty slice looks: a sparse scope is soon read at full slices, a dense one never over its limit."""

SCAN_OVERHEAD_BYTES: Final = 512
"""What a shared scan weighs beside its records: its key, list and slot."""

FILL_BYTES: Final = 4 << 20
"""Bodies read in one go while the ring is filled: what is held beside the ring at that time."""


class _Quiet:
    """A stretch of time in which no record touches a scope, and who waits for its end."""

    __slots__ = ("calls", "first", "lot")

    def __init__(self) -> None:
        self.first: Revision | None = None
        """The record that ended it."""
        self.lot = trio.lowlevel.ParkingLot()
        self.calls: dict[Cursor, Callable[[], object]] = {}

    def wake(self) -> int:
        """Wake all that wait, and return how many they were."""
        waiting = len(self.lot) + len(self.calls)
        self.lot.unpark_all()
        calls, self.calls = self.calls, {}
        for call in calls.values():
            call()
        return waiting


class _Entry:
    """A scope that somebody watches."""

    __slots__ = ("ahead", "cursors", "quiet", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.cursors = 0
        self.quiet: _Quiet | None = None
        """The current stretch, made when a first cursor follows it."""
        self.ahead: dict[Revision, _Quiet] = {}
        """The stretches of cursors that stand above the head, by where they stand: records up to there do not end them."""

    def quiets(self) -> list[_Quiet]:
        """Return the stretches that are followed."""
        return [*self.ahead.values()] if self.quiet is None else [self.quiet, *self.ahead.values()]


class _Prefix:
    """The watched scopes of one prefix or key."""

    __slots__ = ("plain", "tags")

    def __init__(self) -> None:
        self.plain: _Entry | None = None
        self.tags: dict[str, dict[str, _Entry]] = {}
        """By tag name, then by value."""


class BusStatistics(msgspec.Struct, frozen=True):
    """What a bus is doing."""

    cursors: int
    parked: int
    """Cursors asleep, or woken and not run yet."""
    scopes: int
    """Different scopes watched."""
    wakeups: int
    """Cursors woken so far."""
    ring_bytes: int
    ring_records: int
    ring_oldest: Revision | None
    """None while the ring is empty."""
    ring_reads: int
    """Scans answered by the ring so far."""
    log_reads: int
    """Scans that had to go to the log so far."""
    shared_reads: int
    """Reads that found the scan of another cursor so far."""


@final
class WatchBus:
    """Wakes the cursors of a log and reads for them.

    Making one subscribes it to the log. `tag_of` finds a tag's value in a header; `ring_bytes` bounds the ring.
    """

    def __init__(self, log: Log, *, tag_of: TagOf, ring_bytes: int) -> None:
        self._log = log
        self._tag_of = tag_of
        self._ring_bytes = ring_bytes
        self._head = log.head
        self._ring = Ring(ring_bytes, self._head)
        self._prefixes: dict[bytes, _Prefix] = {}
        self._keys: dict[bytes, _Prefix] = {}
        self._awaited: dict[Revision, trio.lowlevel.ParkingLot] = {}
        self._scans: dict[tuple[_Entry, int, int, int, int], Batch] = {}
        self._scans_bytes = 0
        self._closed = False
        self._open: set[Cursor] = set()
        self._parked = self._scopes = 0
        self._wakeups = self._ring_reads = self._log_reads = self._shared_reads = 0
        log.subscribe(self.publish)

    @property
    def head(self) -> Revision:
        """The last revision published."""
        return self._head

    @property
    def closed(self) -> bool:
        """Whether it was closed: the server is shutting down."""
        return self._closed

    @property
    def floor(self) -> Revision:
        """The log's floor."""
        return self._log.floor

    async def start(self, rest: float = 0.0) -> None:
        """Fill the ring from the log's tail, as far back as it holds, in slices. Cursors work without it, slower.

        For each second that it takes, `rest` are left to others in between.
        """
        more = True
        pause = 0.0
        while more:
            await trio.sleep(pause)
            began = trio.current_time()
            more = await self._fill_slice()
            pause = rest * (trio.current_time() - began)

    def publish(self, records: list[Record]) -> None:
        """Take the records of a commit, oldest first, and wake the scopes they touch. No checkpoint.

        Raises Corrupt where a revision does not rise.
        """
        self._forget_scans()
        for record in records:
            self._ring.append(record)
            self._head = record.revision
            self._touch(record)
        if self._awaited:
            for revision in [revision for revision in self._awaited if revision <= self._head]:
                self._awaited.pop(revision).unpark_all()

    def cursor(self, scope: Scope, after: Revision) -> Cursor:
        """Return a cursor that stands after a revision; one above the head waits until the log comes there.

        Raises Compacted where `after` lies below the floor, LogClosed, ValueError for a prefix that is neither a kind,
        nor a kind and "namespace/", nor empty (all keys).
        """
        self._refuse_if_closed()
        if after < self._log.floor:
            raise Compacted(after, self._log.floor)
        entry = self._enter(scope)
        cursor = Cursor(self, entry, after)
        if after >= self._head:
            # From the start: it may be long until it is read or waits, and compaction must not pass one that misses nothing.
            cursor._follow()  # noqa: SLF001 - a cursor is the bus's other half
        self._open.add(cursor)
        return cursor

    async def wait_for(self, revision: Revision, timeout_seconds: float) -> bool:
        """Wait until the head is at or above a revision; tell whether it came there in time. Raises LogClosed."""
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(timeout_seconds):
            while self._head < revision:
                self._refuse_if_closed()
                lot = self._awaited.setdefault(revision, trio.lowlevel.ParkingLot())
                try:
                    await lot.park()
                finally:
                    if not lot and self._awaited.get(revision) is lot:
                        del self._awaited[revision]
        return self._head >= revision

    def close(self) -> None:
        """Wake everybody for a shutdown: cursors and waits raise LogClosed from now on."""
        self._closed = True
        for node in (*self._prefixes.values(), *self._keys.values()):
            for entry in (node.plain, *(entry for values in node.tags.values() for entry in values.values())):
                for quiet in () if entry is None else entry.quiets():
                    quiet.wake()
        for lot in self._awaited.values():
            lot.unpark_all()

    def lag(self) -> int:
        """Return how many revisions the cursor furthest behind is behind the head. Walks over all cursors.

        What was read counts as outstanding until its reader comes back: it may wait for a client or a webhook meanwhile.
        """
        return max((self._head - settled for cursor in self._open if (settled := cursor.settled) < self._head), default=0)

    def statistics(self) -> BusStatistics:
        """Return what the bus is doing now."""
        return BusStatistics(
            cursors=len(self._open),
            parked=self._parked,
            scopes=self._scopes,
            wakeups=self._wakeups,
            ring_bytes=self._ring.bytes,
            ring_records=len(self._ring),
            ring_oldest=self._ring.oldest,
            ring_reads=self._ring_reads,
            log_reads=self._log_reads,
            shared_reads=self._shared_reads,
        )

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise LogClosed("the log is closing")

    async def _fill_slice(self) -> bool:
        """Put one slice in front of the ring; tell whether there may be more to put."""
        ring, end = self._ring, self._ring.after
        room = self._ring_bytes - ring.bytes
        # Revisions are at least one apart, so that these hold no more records than a slice.
        begin = after = Revision(max(end - SLICE_RECORDS, self._log.floor))
        if room <= 0 or begin >= end:
            return False
        older = Ring(room, begin)
        while after < end:
            try:
                batch = await self._log.read(after, scope=EVERYTHING, limit=end - after, max_bytes=FILL_BYTES)
            except Compacted:
                return False
            for record in batch.records:
                if record.revision <= end:
                    older.append(record)
            after = batch.upto
        if ring.after != end:
            # What was published meanwhile has filled it.
            return False
        ring.fill(older)
        return older.after == begin

    def _touch(self, record: Record) -> None:
        """End the quiet of every scope that a record touches."""
        key = record.key
        node = self._keys.get(key)
        if node is not None:
            self._touch_node(node, record)
        if not self._prefixes:
            return
        slash = key.find(b"/", KIND_ID_BYTES)
        prefixes = (b"", key[:KIND_ID_BYTES]) if slash < 0 else (b"", key[:KIND_ID_BYTES], key[: slash + 1])
        for prefix in prefixes:
            node = self._prefixes.get(prefix)
            if node is not None:
                self._touch_node(node, record)

    def _touch_node(self, node: _Prefix, record: Record) -> None:
        if node.plain is not None:
            self._touch_entry(node.plain, record.revision)
        for name, entries in node.tags.items():
            # A change that leaves a selection concerns its watchers as much as one that enters it.
            value = self._tag_of(record.header, name)
            if value is not None and (entry := entries.get(value)) is not None:
                self._touch_entry(entry, record.revision)
            if not record.previous_header:
                continue
            previous = self._tag_of(record.previous_header, name)
            if previous is not None and previous != value and (entry := entries.get(previous)) is not None:
                self._touch_entry(entry, record.revision)

    def _touch_entry(self, entry: _Entry, revision: Revision) -> None:
        quiet = entry.quiet
        if quiet is not None:
            entry.quiet = None
            self._end_quiet(quiet, revision)
        if entry.ahead:
            for after in [after for after in entry.ahead if after < revision]:
                self._end_quiet(entry.ahead.pop(after), revision)

    def _end_quiet(self, quiet: _Quiet, revision: Revision) -> None:
        quiet.first = revision
        self._wakeups += quiet.wake()

    def _enter(self, scope: Scope) -> _Entry:
        """Find or make the entry of a scope, and count one more cursor on it."""
        nodes = self._nodes_of(scope)
        node = nodes.setdefault(scope.prefix, _Prefix())
        entry = node.plain if scope.tag is None else node.tags.get(scope.tag[0], {}).get(scope.tag[1])
        if entry is None:
            entry = _Entry(scope)
            self._scopes += 1
            if scope.tag is None:
                node.plain = entry
            else:
                node.tags.setdefault(scope.tag[0], {})[scope.tag[1]] = entry
        entry.cursors += 1
        return entry

    def _leave(self, cursor: Cursor, entry: _Entry) -> None:
        """Count one cursor less on an entry, and forget it with the last one."""
        self._open.discard(cursor)
        entry.cursors -= 1
        if entry.cursors:
            return
        self._scopes -= 1
        scope = entry.scope
        nodes = self._nodes_of(scope)
        node = nodes[scope.prefix]
        if scope.tag is None:
            node.plain = None
        else:
            name, value = scope.tag
            del node.tags[name][value]
            if not node.tags[name]:
                del node.tags[name]
        if node.plain is None and not node.tags:
            del nodes[scope.prefix]

    def _nodes_of(self, scope: Scope) -> dict[bytes, _Prefix]:
        if scope.exact:
            return self._keys
        path = scope.prefix[KIND_ID_BYTES:]
        # Any other prefix would never be woken: publish looks up these three only.
        if 0 < len(scope.prefix) < KIND_ID_BYTES or (path and path.find(b"/") != len(path) - 1):
            raise ValueError(f"no kind and no namespace of one: {scope.prefix!r}")
        return self._prefixes

    async def _scan(self, entry: _Entry, after: Revision, limit: int, max_bytes: int, look: int) -> Batch:
        """Read one slice for a cursor: as another cursor just did, else from the ring, else from the log."""
        key = (entry, after, limit, max_bytes, look)
        shared = self._scans.get(key)
        if shared is not None:
            self._shared_reads += 1
            return shared
        batch = self._ring.read(after, entry.scope, limit, max_bytes, look=look)
        if batch is not None:
            self._ring_reads += 1
        else:
            self._log_reads += 1
            batch = await self._log.read(after, scope=entry.scope, limit=look, max_bytes=max_bytes)
            if len(batch.records) > limit:
                batch = Batch(batch.records[:limit], batch.records[limit - 1].revision)
        if entry.cursors > 1:
            self._share_scan(key, batch)
        return batch

    def _share_scan(self, key: tuple[_Entry, int, int, int, int], batch: Batch) -> None:
        """Keep a scan until the next commit for others at its place, all of them within the ring's own bound."""
        self._scans_bytes += SCAN_OVERHEAD_BYTES + sum(map(weight, batch.records))
        if self._scans_bytes > self._ring_bytes:
            self._forget_scans()
        else:
            self._scans[key] = batch

    def _forget_scans(self) -> None:
        if self._scans_bytes:
            self._scans.clear()
            self._scans_bytes = 0


@final
class Cursor:
    """A watcher's place in the log: made by WatchBus.cursor, used by one task at a time, closed at the end."""

    __slots__ = ("_after", "_bus", "_busy", "_closed", "_entry", "_quiet", "_read_after")

    def __init__(self, bus: WatchBus, entry: _Entry, after: Revision) -> None:
        self._bus = bus
        self._entry = entry
        self._after = after
        self._quiet: _Quiet | None = None
        """What it follows while it has seen everything of its scope."""
        self._read_after: Revision | None = None
        """What was read last begins behind here; None once its reader has come back."""
        self._busy = False
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def scope(self) -> Scope:
        """What it watches."""
        return self._entry.scope

    @property
    def position(self) -> Revision:
        """Every record of the scope up to here has been returned by `next`: from here another cursor can go on.

        It says nothing about what the caller has done with them since. It never falls.
        """
        quiet = self._quiet
        if quiet is None:
            return self._after
        return max(self._after, self._bus.head if quiet.first is None else Revision(quiet.first - 1))

    @property
    def settled(self) -> Revision:
        """The position, or, while what was read last is still dealt with, the one before that."""
        return self.position if self._read_after is None else self._read_after

    async def next(self, *, limit: int, max_bytes: int) -> Batch:
        """Wait for records of the scope and return them, oldest first: at least one, at most `limit`.

        `max_bytes` bounds the sum of their bodies (one record at least is returned). The records may be fewer than
        there are; `upto` is the position afterwards. A tag does not narrow them. Cancelled, it has lost nothing.

        Raises:
            Compacted: compaction passed the position while records were outstanding.
            Corrupt: there are later records, and neither the ring nor the log moves on to them.
            LogClosed: the bus is closed; the position stays valid.
            trio.BusyResourceError: another task is waiting on this cursor.
            trio.ClosedResourceError: the cursor is closed.

        """
        return await self._alone(limit, max_bytes, wait=True)

    async def read(self, *, limit: int, max_bytes: int) -> Batch:
        """Return what `next` would, or an empty batch where it would wait. No checkpoint while the ring has it.

        Raises as `next` does.
        """
        return await self._alone(limit, max_bytes, wait=False)

    def notify(self, call: Callable[[], object]) -> bool:
        """Have something called once, by what brings the scope's next record or by the bus's close.

        False, and nothing is called, where there may be something to read already. It is called within a publish: it
        must neither wait nor fail.
        """
        self._read_after = None
        if self._closed or self._bus.closed or self.position < self._bus.head:
            return False
        self._settle(self.position).calls[self] = call
        return True

    def close(self) -> None:
        """Give up the place. A task that waits in `next` has to be cancelled first; nothing is called any more."""
        if not self._closed:
            self._closed = True
            if self._quiet is not None:
                self._quiet.calls.pop(self, None)
            # Without its entry nothing would end the quiet it follows.
            self._after, self._quiet = self.position, None
            self._bus._leave(self, self._entry)  # noqa: SLF001 - a cursor is the bus's other half

    async def _alone(self, limit: int, max_bytes: int, *, wait: bool) -> Batch:
        if self._busy:
            raise trio.BusyResourceError("another task is waiting on this cursor")
        self._busy = True
        self._read_after = None
        try:
            return await self._read(limit, max_bytes, wait=wait)
        finally:
            self._busy = False

    async def _read(self, limit: int, max_bytes: int, *, wait: bool) -> Batch:
        bus, entry = self._bus, self._entry
        look = min(limit, SLICE_RECORDS)
        # Parking is a checkpoint: a cursor that was asleep need not yield once more before it reads.
        yielded = not wait
        while True:
            if self._closed:
                raise trio.ClosedResourceError("the cursor is closed")
            bus._refuse_if_closed()  # noqa: SLF001 - a cursor is the bus's other half
            after = self.position
            if after >= bus.head:
                if not wait:
                    return Batch([], after)
                await self._park(after)
                yielded = True
                continue
            if not yielded:
                await trio.lowlevel.checkpoint()
                yielded = True
                continue
            self._after, self._quiet = after, None
            if after < bus.floor:
                raise Compacted(after, bus.floor)
            batch = await bus._scan(entry, after, limit, max_bytes, look)  # noqa: SLF001 - as above
            if batch.upto <= after:
                raise Corrupt(f"nothing can be read after revision {after}, and the head is {bus.head}")
            self._after = batch.upto
            if batch.upto >= bus.head:
                self._follow()
            if batch.records:
                self._read_after = after
                return batch
            look = min(look * SLICE_GROWTH, SLICE_RECORDS)
            yielded = False

    def _follow(self) -> None:
        """Give up the own position for the scope's, having seen everything of it."""
        entry = self._entry
        if self._after > self._bus.head:
            self._quiet = entry.ahead.setdefault(self._after, _Quiet())
            return
        if entry.quiet is None:
            entry.quiet = _Quiet()
        self._quiet = entry.quiet

    def _settle(self, after: Revision) -> _Quiet:
        """Return the stretch that a cursor with nothing to read follows."""
        quiet = self._quiet
        if quiet is None or quiet.first is not None:
            self._after = after
            self._follow()
            quiet = self._quiet
        assert quiet is not None  # noqa: S101 - it follows now
        return quiet

    async def _park(self, after: Revision) -> None:
        """Sleep until a record touches the scope or the bus closes."""
        quiet = self._settle(after)
        self._bus._parked += 1  # noqa: SLF001 - a cursor is the bus's other half
        try:
            await quiet.lot.park()
        finally:
            self._bus._parked -= 1  # noqa: SLF001 - as above

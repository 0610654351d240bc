"""A log without a disk: the same promises but durability, and cheap forks.

Its state is persistent in the functional sense. Each retained revision keeps the root of the map as it was, so a read
at a revision is a plain read of that root, compaction is dropping roots, and `fork` is copying one reference.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, final

import msgspec
import trio

from storage.bodies import Bodies, Cut, bodies_of
from storage.errors import Compacted, Conflict, FutureRevision, KeyTooLong, LogClosed, LogFull
from storage.tree import Tree
from storage.types import (
    KEY_LIMIT,
    NOTHING,
    PAGE_BYTES,
    Batch,
    Check,
    Clock,
    Count,
    Key,
    KindId,
    Op,
    Page,
    Publish,
    Record,
    Revision,
    Scope,
    Stored,
    Write,
    restamp,
    stamp,
)

RECORD_OVERHEAD_BYTES: Final = 2048
"""What a change costs beside its key, header and body: its objects and the path of tree nodes copied for it."""

DELETE_RESERVE: Final = 8
"""A delete may use an eighth more than `max_bytes`: a log full of live values could never be emptied otherwise."""

HOLD_SECONDS: Final = 60
"""How long a running list may hold compaction back."""

COMPACT_SLICE: Final = 1024
"""Revisions dropped between two checkpoints: freeing that many roots takes about 1 ms."""

REVISION_BYTES: Final = 8
"""Width of a revision as a key of the tree of changes; big-endian, so that bytes sort as numbers do."""


NO_TIME_MS: Final = 0
"""When the empty log came to be: before every change."""


class _Change(msgspec.Struct, frozen=True, gc=False):
    """A revision: what changed, and the state that it left."""

    revision: Revision
    record: Record | None
    """None at the very beginning only."""
    state: Tree[Stored]
    written_bytes: int
    """Bytes of all changes up to this one, compacted ones included."""
    superseded_bytes: int
    """Bytes that a compaction up to this revision has freed in all."""


class _History(msgspec.Struct, frozen=True, gc=False):
    """All that a log knows, as one immutable value: a fork takes it over as it is."""

    base: _Change
    """The change at the floor: its state is the oldest that can be read."""
    changes: Tree[_Change]
    """By revision, those above the floor."""
    last: _Change
    kinds: Mapping[str, KindId]


def _cost(key: Key, header: bytes, body: bytes) -> int:
    return len(key) + len(header) + len(body) + RECORD_OVERHEAD_BYTES


def _slot(revision: int) -> bytes:
    return revision.to_bytes(REVISION_BYTES, "big")


@final
class MemoryLog:
    """The Log protocol in memory, for tests, embedding and throw-away servers.

    Appends are committed in line, one by one, by the task that asks: there is no sync to share, so `run` has nothing
    to group and only waits. An append that is cancelled before its commit writes nothing; once committed it returns.

    `max_bytes` bounds keys, headers, bodies and overhead of everything retained; None sets no bound.
    """

    def __init__(self, *, clock: Clock, cluster_id: str = "memory", max_bytes: int | None = None) -> None:
        self._clock = clock
        self._cluster_id = cluster_id
        self._max_bytes = max_bytes
        genesis = _Change(NOTHING, None, Tree(), 0, 0)
        self._history = _History(genesis, Tree(), genesis, MappingProxyType({}))
        self._publish: Publish | None = None
        self._holds: dict[object, tuple[Revision, float]] = {}
        self._closed = trio.Event()

    @property
    def head(self) -> Revision:
        """The last revision that is published."""
        return self._history.last.revision

    @property
    def floor(self) -> Revision:
        """The highest compacted revision."""
        return self._history.base.revision

    @property
    def cluster_id(self) -> str:
        """The name given to the data; a fork keeps it."""
        return self._cluster_id

    def fork(self) -> MemoryLog:
        """Return a log with this one's past and a future of its own, in O(1).

        Both share the history so far and copy only what each changes from here on. Kinds allotted later, holds, the
        subscriber and being closed are not shared.
        """
        fork = MemoryLog(clock=self._clock, cluster_id=self._cluster_id, max_bytes=self._max_bytes)
        fork._history = self._history
        return fork

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wait until the log is closed: appends commit in line, there is nothing to drive."""
        task_status.started()
        await self._closed.wait()

    def subscribe(self, publish: Publish) -> None:
        """Name the one function that is called with the records of each commit before its appends are answered."""
        self._publish = publish

    async def kind(self, name: str) -> KindId:
        """Return the id of a storage name, allotting one at the first call. Raises LogClosed."""
        await self.allot([name])
        return self._history.kinds[name]

    async def allot(self, names: Sequence[str]) -> None:
        """Allot ids to those of the storage names that have none. Raises LogClosed."""
        await trio.lowlevel.checkpoint()
        history = self._history
        new = [name for name in dict.fromkeys(names) if name not in history.kinds]
        if not new:
            return
        self._refuse_if_closed()
        first = len(history.kinds) + 1
        kinds = {**history.kinds, **{name: KindId(first + index) for index, name in enumerate(new)}}
        self._history = msgspec.structs.replace(history, kinds=MappingProxyType(kinds))

    def kinds(self) -> Mapping[str, KindId]:
        """Return the ids allotted so far."""
        return self._history.kinds

    async def append(self, write: Write, *, checks: Sequence[Check] = ()) -> Record:
        """Write one change; answer when it is published.

        Raises Conflict, LogFull, KeyTooLong and LogClosed, each with nothing written. OutcomeUnknown cannot happen.
        """
        if len(write.key) > KEY_LIMIT:
            raise KeyTooLong(f"a key of {len(write.key)} bytes, the limit is {KEY_LIMIT}")
        # The only checkpoint stands before the commit, so that a cancelled append has written nothing.
        await trio.lowlevel.checkpoint()
        self._refuse_if_closed()
        record = self._commit(write, checks)
        if self._publish is not None:
            self._publish([record])
        return record

    async def get(self, key: Key, at: Revision | None = None) -> Stored | None:
        """Return a key's value now or at a retained revision. Raises Compacted, FutureRevision, LogClosed."""
        return self._change_at(at).state.get(key)

    async def scan(self, prefix: bytes, *, start: Key | None = None, limit: int, at: Revision | None = None) -> Page:
        """Return keys under a prefix in byte order, from `start` on (inclusive), now or at a retained revision.

        Raises Compacted, FutureRevision, LogClosed.
        """
        change = self._change_at(at)
        items: list[Stored] = []
        room = PAGE_BYTES
        for key, stored in change.state.items(prefix if start is None else max(prefix, start)):
            if not key.startswith(prefix):
                break
            if len(items) >= limit or room <= 0:
                return Page(items, change.revision, Key(key))
            items.append(stored)
            room -= len(stored.body)
        return Page(items, change.revision, None)

    async def bodies(
        self, prefix: bytes, *, start: Key | None = None, limit: int, at: Revision | None = None, cut: Cut, follows: bool = False
    ) -> Bodies | None:
        """Return what `scan` would as one piece of bytes, or None. Raises Compacted, FutureRevision, LogClosed."""
        return bodies_of(await self.scan(prefix, start=start, limit=limit, at=at), cut, follows=follows)

    async def count(self, prefix: bytes, *, start: Key | None = None, limit: int, at: Revision | None = None) -> Count:
        """Count the keys that `scan` would return, at most `limit` of them. Raises Compacted, FutureRevision, LogClosed."""
        page = await self.scan(prefix, start=start, limit=limit, at=at)
        return Count(len(page.items), page.revision, page.next)

    async def read(self, after: Revision, *, scope: Scope, limit: int, max_bytes: int) -> Batch:
        """Return the records of a scope after a revision, oldest first.

        `limit` bounds the records looked at, `max_bytes` the sum of the bodies returned (one record at least).
        Raises Compacted when `after` lies below the floor, LogClosed.
        """
        self._refuse_if_closed()
        history = self._history
        if after < history.base.revision:
            raise Compacted(after, history.base.revision)
        if after >= history.last.revision:
            return Batch([], after)
        records: list[Record] = []
        upto, room = after, max_bytes
        for looked_at, (_, change) in enumerate(history.changes.items(_slot(after + 1))):
            if looked_at >= limit:
                break
            record = change.record
            if record is not None and scope.covers(record.key):
                room -= len(record.body)
                if room < 0 and records:
                    break
                records.append(record)
            upto = change.revision
        return Batch(records, upto)

    @contextmanager
    def hold(self, revision: Revision) -> Iterator[None]:
        """Keep compaction at or below a revision, for HOLD_SECONDS at the most. Raises Compacted when it is too late."""
        if revision < self.floor:
            raise Compacted(revision, self.floor)
        token = object()
        self._holds[token] = (revision, trio.current_time() + HOLD_SECONDS)
        try:
            yield
        finally:
            del self._holds[token]

    async def revision_at(self, time_ms: int) -> Revision:
        """Return the newest revision committed at or before a time, the floor where none is retained.

        Records' times never fall, so that this is a search.
        """
        self._refuse_if_closed()
        history = self._history
        revisions = range(history.base.revision + 1, history.last.revision + 1)
        index = bisect_right(revisions, time_ms, key=self._time_of)
        return Revision(history.base.revision + index)

    async def superseded_bytes(self) -> int:
        """Return how many bytes compaction up to the head would free."""
        self._refuse_if_closed()
        return self._history.last.superseded_bytes - self._history.base.superseded_bytes

    async def compact(self, upto: Revision) -> Revision:
        """Raise the floor to at most `upto`, the head and what is held, in slices, and return it. Raises LogClosed.

        Dropping the states below the floor drops exactly the values superseded at or below it, deletes included; the
        state at the floor stands for what is left of the changes up to there.
        """
        await trio.lowlevel.checkpoint()
        while True:
            self._refuse_if_closed()
            now = trio.current_time()
            held = [revision for revision, deadline in self._holds.values() if now < deadline]
            target = min(upto, self.head, *held)
            if target <= self.floor:
                return self.floor
            self._drop(Revision(min(target, self.floor + COMPACT_SLICE)))
            await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Refuse what comes from now on. Nothing can be under way."""
        self._closed.set()
        await trio.lowlevel.checkpoint()

    def _refuse_if_closed(self) -> None:
        if self._closed.is_set():
            raise LogClosed("the log is closed")

    def _change_at(self, at: Revision | None) -> _Change:
        self._refuse_if_closed()
        history = self._history
        if at is None or at == history.last.revision:
            return history.last
        if at > history.last.revision:
            raise FutureRevision(at, history.last.revision)
        if at < history.base.revision:
            raise Compacted(at, history.base.revision)
        change = history.changes.get(_slot(at))
        return history.base if change is None else change

    def _time_of(self, revision: int) -> int:
        record = self._change_at(Revision(revision)).record
        return NO_TIME_MS if record is None else record.time_ms

    def _commit(self, write: Write, checks: Sequence[Check]) -> Record:
        """Evaluate the conditions and apply the change, all or nothing, without a checkpoint."""
        last = self._history.last
        old = last.state.get(write.key)
        actual = NOTHING if old is None else old.revision
        if write.expect is not None and write.expect != actual:
            raise Conflict(write.key, write.expect, actual)
        if write.op is Op.DELETE and old is None:
            raise Conflict(write.key, NOTHING, NOTHING)
        for check in checks:
            found = last.state.get(check.key)
            revision = NOTHING if found is None else found.revision
            if revision != check.revision:
                raise Conflict(check.key, check.revision, revision)
        record = self._record(write, old, Revision(last.revision + 1))
        written = last.written_bytes + _cost(record.key, record.header, record.body)
        self._refuse_if_full(write.op, written)
        superseded = last.superseded_bytes
        if old is not None:
            superseded += _cost(old.key, old.header, old.body)
        if write.op is Op.DELETE:
            superseded += _cost(record.key, record.header, record.body)
            state = last.state.delete(write.key)
        else:
            stored = Stored(
                record.key, record.revision, record.created, record.header, record.body, record.stamp_at
            )
            state = last.state.set(write.key, stored)
        change = _Change(record.revision, record, state, written, superseded)
        changes = self._history.changes.set(_slot(record.revision), change)
        self._history = msgspec.structs.replace(self._history, changes=changes, last=change)
        return record

    def _record(self, write: Write, old: Stored | None, revision: Revision) -> Record:
        if write.op is Op.DELETE and old is not None:
            header, stamp_at = old.header, old.stamp_at
            body = restamp(old.body, stamp_at, old.revision, revision)
        else:
            header, stamp_at = write.header, write.stamp_at
            body = stamp(write.body, stamp_at, revision)
        return Record(
            revision=revision,
            key=write.key,
            op=write.op,
            header=header,
            body=body,
            stamp_at=stamp_at,
            created=revision if old is None else old.created,
            previous=NOTHING if old is None else old.revision,
            previous_header=b"" if old is None else old.header,
            # A clock that is set back must not disturb the search by time.
            time_ms=max(self._clock.now_ms(), self._time_of(Revision(revision - 1))),
        )

    def _refuse_if_full(self, op: Op, written_bytes: int) -> None:
        """Raise LogFull where what would be retained goes over the bound."""
        if self._max_bytes is None:
            return
        bound = self._max_bytes + (self._max_bytes // DELETE_RESERVE if op is Op.DELETE else 0)
        retained = written_bytes - self._history.base.superseded_bytes
        if retained > bound:
            raise LogFull(f"{retained} bytes would be retained, the limit is {bound}")

    def _drop(self, floor: Revision) -> None:
        history = self._history
        base = self._change_at(floor)
        changes = history.changes.discard_before(_slot(floor + 1))
        self._history = msgspec.structs.replace(history, base=base, changes=changes)

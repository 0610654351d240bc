"""Reads: everything that is asked of the tables inside one read transaction."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import count, islice
from typing import Any

import msgspec

from storage.bodies import Bodies, Cut, bodies_of
from storage.errors import Compacted, Corrupt, FutureRevision, LogClosed
from storage.layout import (
    META_STATE,
    LogRow,
    State,
    current_bodies,
    log_header,
    log_key,
    log_time,
    pack_revision,
    pack_version,
    unpack_current,
    unpack_log,
    unpack_revision,
    unpack_state,
    unpack_version,
)
from storage.types import (
    KEY_LIMIT,
    NOTHING,
    PAGE_BYTES,
    Batch,
    Count,
    Key,
    KindId,
    Op,
    Page,
    Record,
    Revision,
    Runner,
    Scope,
    Stored,
    restamp,
)

SLICE_ROWS = 1000
"""Rows in a slice of a long walk, a few milliseconds: after each it can be cancelled, or lose its snapshot."""


FIRST_ROWS = 4
"""Rows that a walk over a prefix takes at first, a microsecond: most collections are small, and many empty."""


class Tables(msgspec.Struct, frozen=True):
    """The handles of an environment's tables."""

    log: Any
    current: Any
    history: Any
    kinds: Any
    meta: Any


class Snapshot:
    """The tables as one read transaction shows them; used by one thread at a time.

    What is returned is copied: it stays good when the transaction has ended.
    """

    def __init__(self, txn: Any, tables: Tables) -> None:
        self._txn = txn
        self._tables = tables
        self.doomed = False
        """Set when the environment must be closed: whoever walks over this snapshot has to let go."""

    @cached_property
    def state(self) -> State:
        """What `meta` says of the whole. Raises Corrupt."""
        return unpack_state(self._txn.get(META_STATE, db=self._tables.meta))

    # Values ----------------------------------------------------------------------------------------------------

    def get(self, key: Key, at: Revision | None = None) -> Stored | None:
        """Return a key's value now or at a retained revision. Raises Compacted, FutureRevision, Corrupt."""
        if at is not None:
            self._check(at)
        if not 0 < len(key) <= KEY_LIMIT:
            return None
        row = self._txn.get(key, db=self._tables.current)
        now = None if row is None else unpack_current(key, row)
        if at is None or at == self.state.head or (now is not None and now.revision <= at):
            return now
        version = self._version(self._txn.cursor(self._tables.history), key, at)
        return None if version == NOTHING else self._stored(version)

    def scan(self, prefix: bytes, start: Key | None, limit: int, at: Revision | None) -> Page:
        """Return a page of the keys under a prefix. Raises Compacted, FutureRevision, Corrupt."""
        at = self.state.head if at is None else at
        self._check(at)
        first = prefix if start is None or start < prefix else start
        items: list[Stored] = []
        room = PAGE_BYTES
        if self._changed(prefix, at, limit):
            for key, version in self._versions(prefix, first, limit, at):
                if version is None or room <= 0:
                    return Page(items, at, key)
                if version != NOTHING:
                    items.append(self._stored(version))
                    room -= len(items[-1].body)
            return Page(items, at, None)
        cursor = self._txn.cursor(self._tables.current)
        if cursor.set_range(first):
            for view, row in cursor.iternext():
                key = Key(bytes(view))
                if not key.startswith(prefix):
                    break
                if len(items) >= limit or room <= 0:
                    return Page(items, at, key)
                items.append(unpack_current(key, row))
                room -= len(items[-1].body)
        return Page(items, at, None)

    def bodies(
        self, prefix: bytes, start: Key | None, limit: int, at: Revision | None, cut: Cut, *, follows: bool
    ) -> Bodies | None:
        """Return what `scan` would as one piece of bytes, or None (see Log). Raises Compacted, FutureRevision, Corrupt."""
        at = self.state.head if at is None else at
        self._check(at)
        if self._changed(prefix, at, limit):
            return bodies_of(self.scan(prefix, start, limit, at), cut, follows=follows)
        cursor = self._txn.cursor(self._tables.current)
        if not cursor.set_range(prefix if start is None or start < prefix else start):
            return Bodies(b"", 0, None, at, None)
        rows = _take(cursor, prefix, limit)
        found = current_bodies(rows, cut)
        if found is None:
            return None
        last = Key(bytes(cursor.key())) if rows else None
        following = bytes(cursor.key()) if cursor.next() else b""
        data = cut.join(found, follows=follows)
        return Bodies(data, len(found), last, at, Key(following) if following.startswith(prefix) and following else None)

    def count(self, prefix: bytes, start: Key | None, limit: int, at: Revision | None) -> Count:
        """Count what `scan` would return. Raises Compacted, FutureRevision, Corrupt."""
        at = self.state.head if at is None else at
        self._check(at)
        first = prefix if start is None or start < prefix else start
        keys = 0
        if self._changed(prefix, at, limit):
            for key, version in self._versions(prefix, first, limit, at):
                if version is None:
                    return Count(keys, at, key)
                keys += version != NOTHING
            return Count(keys, at, None)
        cursor = self._txn.cursor(self._tables.current)
        walk = cursor.iternext(values=False) if cursor.set_range(first) else iter(())
        for step in _steps(limit + 1):
            found = list(islice(walk, step))
            within = _end(found, prefix)
            keys += within
            if within < step:
                return Count(keys, at, None)
        return Count(limit, at, Key(bytes(found[-1])))

    def _check(self, at: Revision) -> None:
        if at < self.state.floor:
            raise Compacted(at, self.state.floor)
        if at > self.state.head:
            raise FutureRevision(at, self.state.head)

    def _changed(self, prefix: bytes, after: Revision, bound: int) -> bool:
        """Tell whether a scope may have changed; looking costs no more than the scan that it is to spare."""
        if after == self.state.head:
            return False
        if self.state.head - after > bound:
            return True
        cursor = self._txn.cursor(self._tables.log)
        if not cursor.set_range(pack_revision(after + 1)):
            return False
        return any(log_key(row).startswith(prefix) for row in cursor.iternext(keys=False))

    def _versions(
        self, prefix: bytes, first: bytes, limit: int, at: Revision
    ) -> Iterator[tuple[Key, Revision | None]]:
        """Iterate over the keys that were ever written, with each one's revision as of `at`, NOTHING where absent.

        After `limit` keys comes the next one with None.
        """
        cursor = self._txn.cursor(self._tables.history)
        more = cursor.set_range(first)
        for looked in count():
            if not more:
                return
            key = Key(bytes(cursor.key()))
            if not key.startswith(prefix):
                return
            if looked >= limit:
                yield key, None
                return
            yield key, self._version(cursor, key, at)
            cursor.set_key(key)
            more = cursor.next_nodup()

    def _version(self, cursor: Any, key: Key, at: Revision) -> Revision:
        """Return the revision of a key's put as of `at`: a few cursor steps, however often the key was written."""
        if not cursor.set_key(key):
            return NOTHING
        cursor.last_dup()
        revision, deleted = unpack_version(cursor.value())
        if revision > at:
            cursor.set_range_dup(key, pack_version(at + 1, deleted=False))
            if not cursor.prev_dup():
                return NOTHING
            revision, deleted = unpack_version(cursor.value())
        return NOTHING if deleted else revision

    def _stored(self, revision: Revision) -> Stored:
        row = self.row(revision)
        return Stored(row.key, revision, row.created, row.header, row.body, row.stamp_at)

    # Changes ---------------------------------------------------------------------------------------------------

    def read(self, after: Revision, scope: Scope, limit: int, max_bytes: int, head: Revision) -> Batch:
        """Return the records of a scope in (after, head]. Raises Compacted, Corrupt."""
        if after < self.state.floor:
            raise Compacted(after, self.state.floor)
        records: list[Record] = []
        last = min(head, self.state.head, after + limit)
        if last <= after:
            return Batch(records, after)
        cursor = self._txn.cursor(self._tables.log)
        cursor.set_range(pack_revision(after + 1))
        size = 0
        revision = after
        for view, row in cursor.iternext():
            if revision >= last:
                break
            if unpack_revision(view) != revision + 1:
                raise Corrupt(f"log: the record of revision {revision + 1} is missing")
            if scope.covers(log_key(row)):
                record = self._record(Revision(revision + 1), row)
                size += len(record.body)
                if records and size > max_bytes:
                    return Batch(records, Revision(revision))
                records.append(record)
            revision = Revision(revision + 1)
        if revision < last:
            raise Corrupt(f"log: the record of revision {revision + 1} is missing")
        return Batch(records, Revision(revision))

    def _record(self, revision: Revision, view: memoryview) -> Record:
        row = unpack_log(revision, view)
        header, body, stamp_at, previous_header = row.header, row.body, row.stamp_at, b""
        if row.op is Op.DELETE:
            before = self.row(row.previous)
            header = previous_header = before.header
            stamp_at = before.stamp_at
            body = restamp(before.body, stamp_at, row.previous, revision)
        elif row.previous != NOTHING:
            previous = self._txn.get(pack_revision(row.previous), db=self._tables.log)
            if previous is None:
                raise Corrupt(f"log: the record of revision {row.previous} is missing, the predecessor of {revision}")
            previous_header = log_header(previous)
        return Record(
            revision,
            row.key,
            row.op,
            header,
            body,
            stamp_at,
            row.created,
            row.previous,
            previous_header,
            row.time_ms,
        )

    def revision_at(self, time_ms: int) -> Revision:
        """Return the newest revision committed at or before a time, the floor where none is retained."""
        low, high = self.state.floor, self.state.head
        while low < high:
            middle = Revision((low + high + 1) // 2)
            row = self._txn.get(pack_revision(middle), db=self._tables.log)
            if row is None:
                raise Corrupt(f"log: the record of revision {middle} is missing")
            if log_time(row) <= time_ms:
                low = middle
            else:
                high = Revision(middle - 1)
        return low

    # The whole, for verify and backup --------------------------------------------------------------------------

    def row(self, revision: Revision) -> LogRow:
        """Return one row of `log`. Raises Corrupt where it is missing."""
        return unpack_log(revision, self._txn.get(pack_revision(revision), db=self._tables.log))

    def log_rows(self) -> Iterator[tuple[Revision, bytes]]:
        """Iterate over the rows of `log`, oldest first, as they are stored."""
        for view, row in self._txn.cursor(self._tables.log).iternext():
            yield unpack_revision(view), bytes(row)

    def current_rows(self) -> Iterator[tuple[Key, bytes]]:
        """Iterate over the rows of `current` in key order, as they are stored."""
        for view, row in self._txn.cursor(self._tables.current).iternext():
            yield Key(bytes(view)), bytes(row)

    def history_rows(self) -> Iterator[tuple[Key, Revision, bool]]:
        """Iterate over `history` in order: key, revision, whether it deleted the key."""
        for view, value in self._txn.cursor(self._tables.history).iternext():
            revision, deleted = unpack_version(value)
            yield Key(bytes(view)), revision, deleted

    def kinds(self) -> dict[str, KindId]:
        """Return the ids allotted so far."""
        rows = self._txn.cursor(self._tables.kinds).iternext()
        return {bytes(name).decode(): KindId(int.from_bytes(value, "big")) for name, value in rows}

    def meta(self, name: bytes) -> bytes:
        """Return a row of `meta`. Raises Corrupt where it is missing."""
        value = self._txn.get(name, db=self._tables.meta)
        if value is None:
            raise Corrupt(f"meta holds no {name.decode()}")
        return bytes(value)

    def receipt(self, name: bytes) -> bytes | None:
        """Return a row of `meta` that may be missing (storage.receipt)."""
        value = self._txn.get(name, db=self._tables.meta)
        return None if value is None else bytes(value)

    def entries(self) -> tuple[int, int, int]:
        """Return the number of rows of `log`, `current` and `history`."""
        tables = (self._tables.log, self._tables.current, self._tables.history)
        log, current, history = (self._txn.stat(table)["entries"] for table in tables)
        return log, current, history


def _steps(limit: int) -> Iterator[int]:
    """Yield how many rows of up to `limit` to take at once: few at first, since the prefix of the walk may end soon."""
    step, left = FIRST_ROWS, limit
    while left:
        step = min(step, left)
        yield step
        left -= step
        step = min(2 * step, SLICE_ROWS)


def _take(cursor: Any, prefix: bytes, limit: int) -> list[memoryview]:
    """Return the rows of a page from a cursor on, which then stands at the last of them."""
    walk = cursor.iternext(keys=False)
    rows: list[memoryview] = []
    for step in _steps(limit):
        taken = list(islice(walk, step))
        rows += taken
        if len(taken) < step:
            cursor.last()
            break
        if not bytes(cursor.key()).startswith(prefix):
            break
    # Keys are looked at behind the rows alone: to make a view of each takes half as long as all the rest.
    size = sum(map(len, rows))
    while rows and (size - len(rows[-1]) >= PAGE_BYTES or not bytes(cursor.key()).startswith(prefix)):
        size -= len(rows.pop())
        cursor.prev()
    return rows


def _end(keys: Sequence[memoryview], prefix: bytes) -> int:
    """Return how many of sorted keys have a prefix, all of which come first."""
    if keys and bytes(keys[-1]).startswith(prefix):
        return len(keys)
    return bisect_left(keys, True, key=lambda key: not bytes(key).startswith(prefix))


Progress = Callable[[int, int], None]
"""(rows done, rows in all), called on the loop's thread between slices."""


async def walk(
    steps: Iterator[int], runner: Runner, total: int, progress: Progress | None, snapshot: Snapshot | None = None
) -> None:
    """Drive a long piece of work in slices of a few milliseconds on the runner, so that it can be cancelled.

    `steps` yields the number of rows that it has done. Raises LogClosed when the snapshot is lost, and what `steps`
    raises.
    """
    done: int | None = 0
    while done is not None:
        if snapshot is not None and snapshot.doomed:
            raise LogClosed("the log was closed while it was read through")
        if progress is not None:
            progress(done, total)
        done = await runner.run_sync(_slice, steps)
    if progress is not None:
        progress(total, total)


def _slice(steps: Iterator[int]) -> int | None:
    """Do one slice; return the number of rows done, or None at the end."""
    done = None
    for done in islice(steps, SLICE_ROWS):  # noqa: B007 - the last one is wanted
        pass
    return done

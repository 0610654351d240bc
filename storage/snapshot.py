"""Reads: everything that is asked of the tables inside one read transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import count, islice
from typing import Any

import msgspec

from storage.bodies import Bodies, Cut, bodies_of
from storage.cursors import count_keys, past, take_rows
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


CHANGES_LOOKED_AT = 4
"""Changes that are looked at, for each key of a page of bodies, to find which of its keys have changed: one costs a twentieth of
what it costs to read a key from the history."""


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
        if self._changed(prefix, first, at, limit) != []:
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
        first = prefix if start is None or start < prefix else start
        changed = self._changed(prefix, first, at, CHANGES_LOOKED_AT * limit)
        if changed is None:
            return bodies_of(self.scan(prefix, start, limit, at), cut, follows=follows)
        current, history = self._txn.cursor(self._tables.current), self._txn.cursor(self._tables.history)
        parts: list[bytes | memoryview] = []
        looked, room = 0, PAGE_BYTES
        last = following = None
        # What has not changed is taken from `current`, up to each key that has.
        for key in (*changed, None):
            if looked == limit or room <= 0:
                following = Key(first)
                break
            rows, reached, following = take_rows(current, first, past(prefix) if key is None else key, limit - looked, room)
            found = current_bodies(rows, cut)
            if found is None:
                return None
            parts += found
            looked, room, last = looked + len(rows), room - sum(map(len, rows)), reached or last
            if following is not None or key is None:
                break
            if looked == limit or room <= 0:
                following = key
                break
            version = self._version(history, key, at)
            if version != NOTHING:
                stored = self._stored(version)
                if not stored.header.startswith(cut.header):
                    return None
                if cut.wanted is None or cut.wanted(stored.header):
                    parts.append(stored.body[cut.skip :])
                room -= len(stored.body)
            looked, last, first = looked + 1, key, key + b"\0"
        return Bodies(cut.join(parts, follows=follows), len(parts), last, at, following)

    def count(self, prefix: bytes, start: Key | None, limit: int, at: Revision | None) -> Count:
        """Count what `scan` would return. Raises Compacted, FutureRevision, Corrupt."""
        at = self.state.head if at is None else at
        self._check(at)
        first = prefix if start is None or start < prefix else start
        if self._changed(prefix, first, at, limit) != []:
            keys = 0
            for key, version in self._versions(prefix, first, limit, at):
                if version is None:
                    return Count(keys, at, key)
                keys += version != NOTHING
            return Count(keys, at, None)
        keys, following = count_keys(self._txn.cursor(self._tables.current), first, past(prefix), limit)
        return Count(keys, at, following)

    def _check(self, at: Revision) -> None:
        if at < self.state.floor:
            raise Compacted(at, self.state.floor)
        if at > self.state.head:
            raise FutureRevision(at, self.state.head)

    def _changed(self, prefix: bytes, first: bytes, after: Revision, bound: int) -> list[Key] | None:
        """Return the keys of a scope, from `first` on, that have changed; None where that is more than `bound` changes ago.

        With the bound that callers give, looking costs no more than the scan that it is to spare.
        """
        if after == self.state.head:
            return []
        if self.state.head - after > bound:
            return None
        cursor = self._txn.cursor(self._tables.log)
        if not cursor.set_range(pack_revision(after + 1)):
            return []
        keys = {log_key(row) for row in cursor.iternext(keys=False)}
        return sorted(key for key in keys if key.startswith(prefix) and key >= first)

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

"""The one writer's transactions, and the seam that they are behind: appends in, outcomes out.

No trio here, and little else: the process that commits (storage.committer_child) starts with this alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import msgspec

from storage.errors import Conflict, Corrupt, LogFull, StorageError
from storage.layout import (
    META_STATE,
    U32,
    LogRow,
    State,
    log_size,
    pack_current,
    pack_log,
    pack_revision,
    pack_version,
    unpack_current,
    unpack_log,
    unpack_state,
)
from storage.receipt import Asked, pack_receipt
from storage.snapshot import Tables
from storage.types import (
    NOTHING,
    Check,
    Key,
    KindId,
    Op,
    Record,
    Revision,
    Stored,
    Write,
    restamp,
    stamp,
)

T = TypeVar("T")

COMPACT_RECORDS = 500
"""Records that one compaction transaction looks at, at the most."""

COMPACT_RECORDS_FULL = 16
"""The same where the disk is full: the pages that such a transaction copies fit into the reserve."""

COMPACT_SECONDS = 0.005
"""How long one compaction transaction works before it commits: no append waits much longer for it than for another
batch."""


class Append(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What one append asks for."""

    write: Write
    checks: tuple[Check, ...] = ()


Outcome = Record | StorageError
"""How one append went: its record, or why there is none. OutcomeUnknown: the environment has to be opened anew."""


Askers = Sequence[tuple[Asked, int]]
"""Requests whose appends are committed together, in order, and how many appends each has."""


class Committer(Protocol):
    """The only one that writes to the tables. Its calls never overlap, but for `news` beside the others."""

    shared: bool
    """Whether others commit through it too, so that records come that nobody here has asked for."""
    shares_environment: bool
    """Whether it writes to the environment that is read from: nobody may be in a transaction when that is reopened."""

    async def commit(self, appends: Sequence[Append]) -> list[Outcome]:
        """Commit appends in one synced transaction; the outcomes are in their order."""

    async def allot(self, names: Sequence[str]) -> list[KindId]:
        """Return the ids of storage names, allotting those that are missing. Raises LogFull, OutcomeUnknown, Corrupt."""

    async def compact(self, upto: Revision) -> State:
        """Raise the floor towards `upto` in one short transaction. Raises LogFull, OutcomeUnknown, Corrupt."""

    @property
    def asked(self) -> Asked | None:
        """The last request for appends, where its answer may be lost without the log."""

    @property
    def gone(self) -> bool:
        """Whether it is known to have died: it wants to be reopened."""

    async def news(self) -> None:
        """Wait until somebody else may have committed, or it may be gone without having been asked: `gone` tells."""

    async def reopen(self) -> None:
        """Open anew what it writes to, after OutcomeUnknown. Raises StorageError: there is no more writing."""

    async def aclose(self) -> None:
        """Let go of what it writes to. May be called twice."""


class Store(Protocol):
    """An environment that can be written to."""

    tables: Tables

    def transact(self, body: Callable[[Any], T], *, room: int) -> T:
        """Run `body` in one synced write transaction (its reads are views, good until its first write).

        `room` says which of the ROOM limits its result must keep.

        Raises:
            LogFull: no room; the state is as before.
            OutcomeUnknown: it failed half way.
            Corrupt: the tables contradict themselves; the state is as before.

        """


ROOM_PUT, ROOM_DELETE, ROOM_COMPACT, ROOM_LAST = range(4)
"""Who may go how far into the reserve of a log with a size limit: puts not at all, deletes half way, compaction to
its end, since only it makes room. ROOM_LAST may take the reserve on the disk besides (storage.reserve)."""


class Writer:
    """The transactions of the one writer, for a thread that they may block. Its calls never overlap."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def commit(self, appends: Sequence[Append], now_ms: int, askers: Askers = ()) -> list[Outcome]:
        """Commit appends in one synced transaction; where that finds no room, each in one of its own.

        `askers` are left receipts.
        """
        try:
            return self._transact(appends, now_ms, askers)
        except LogFull:
            return self._commit_singly(appends, now_ms, askers)
        except StorageError as error:
            return [again(error) for _ in appends]

    def _commit_singly(self, appends: Sequence[Append], now_ms: int, askers: Askers) -> list[Outcome]:
        """Commit each append in a transaction of its own: small ones and deletes may still find room."""
        outcomes: list[Outcome] = []
        try:
            self._turn_over()
            for append in appends:
                try:
                    outcomes += self._transact([append], now_ms, askers, outcomes)
                except LogFull as full:
                    outcomes.append(full)
        except StorageError as error:
            outcomes += [again(error) for _ in appends[len(outcomes) :]]
        return outcomes

    def _turn_over(self) -> None:
        """Commit next to nothing: LMDB uses pages again only from the second transaction on after they were freed."""
        tables = self._store.tables
        with suppress(LogFull):
            self._store.transact(lambda txn: touch(txn, tables), room=ROOM_LAST)

    def _transact(
        self, appends: Sequence[Append], now_ms: int, askers: Askers, before: Sequence[Outcome] = ()
    ) -> list[Outcome]:
        """Commit appends; `before` are the outcomes of those that were asked for with them."""
        tables = self._store.tables

        def body(txn: Any) -> list[Outcome]:
            outcomes = write_appends(txn, tables, appends, now_ms)
            write_receipts(txn, tables, askers, [*before, *outcomes])
            return outcomes

        room = ROOM_PUT if any(append.write.op is Op.PUT for append in appends) else ROOM_DELETE
        return self._store.transact(body, room=room)

    def allot(self, names: Sequence[str]) -> list[KindId]:
        """Return the ids of storage names, allotting those that are missing. Raises LogFull, OutcomeUnknown, Corrupt."""
        tables = self._store.tables
        return self._store.transact(lambda txn: [allot_kind(txn, tables, name) for name in names], room=ROOM_PUT)

    def compact(self, upto: Revision) -> State:
        """Raise the floor towards `upto` in one short transaction. Raises LogFull, OutcomeUnknown, Corrupt."""
        try:
            return self._compact(upto, COMPACT_RECORDS, ROOM_COMPACT)
        except LogFull:
            return self._compact(upto, COMPACT_RECORDS_FULL, ROOM_LAST)

    def _compact(self, upto: Revision, records: int, room: int) -> State:
        tables = self._store.tables
        until = time.monotonic() + COMPACT_SECONDS
        return self._store.transact(
            lambda txn: compact_records(txn, tables, upto, records, lambda: time.monotonic() >= until),
            room=room,
        )


def again(error: StorageError) -> StorageError:
    """Return an error of its own for each waiter, since each raises it."""
    copy = type(error)(*error.args)
    copy.__cause__ = error
    return copy


def write_appends(txn: Any, tables: Tables, appends: Sequence[Append], now_ms: int) -> list[Outcome]:
    """Evaluate and write appends, each after the ones before it. Raises Corrupt, and what the transaction raises."""
    state = unpack_state(txn.get(META_STATE, db=tables.meta))
    values = _load(txn, tables, appends)
    time_ms = max(now_ms, state.time_ms)
    head, superseded = state.head, state.superseded
    outcomes: list[Outcome] = []
    log: list[tuple[bytes, bytes]] = []
    history: list[tuple[bytes, bytes]] = []
    touched: set[Key] = set()
    for append in appends:
        conflict = _conflict(append, values)
        if conflict is not None:
            outcomes.append(conflict)
            continue
        head = Revision(head + 1)
        write = append.write
        before = values.get(write.key)
        record = _record(write, head, before, time_ms)
        row = _log_row(record)
        deleted = record.op is Op.DELETE
        values[write.key] = (
            None if deleted else Stored(write.key, head, record.created, record.header, record.body, record.stamp_at)
        )
        if before is not None:
            superseded += log_size(before.key, len(before.header), len(before.body))
        if deleted:
            superseded += len(row)
        log.append((pack_revision(head), row))
        history.append((write.key, pack_version(head, deleted=deleted)))
        touched.add(write.key)
        outcomes.append(record)
    if log:
        _, added = txn.cursor(tables.log).putmulti(log, append=True)
        if added != len(log):
            raise Corrupt(f"log: there are records after the head, {state.head}")
        txn.cursor(tables.history).putmulti(history)
        puts = [(key, pack_current(value)) for key in sorted(touched) if (value := values[key]) is not None]
        txn.cursor(tables.current).putmulti(puts)
        for key in touched:
            if values[key] is None:
                txn.delete(key, db=tables.current)
        txn.put(META_STATE, State(head, state.floor, superseded, time_ms).pack(), db=tables.meta)
    return outcomes


def write_receipts(txn: Any, tables: Tables, askers: Askers, outcomes: Sequence[Outcome]) -> None:
    """Leave each asker word of what is stored of its appends; of the last ones there may be no outcomes yet."""
    at = 0
    for asked, count in askers:
        receipt = pack_receipt(asked, outcomes[at : at + count])
        if receipt is not None:
            txn.put(asked.name, receipt, db=tables.meta)
        at += count


def _load(txn: Any, tables: Tables, appends: Sequence[Append]) -> dict[Key, Stored | None]:
    """Return the present values of every key that the appends name."""
    keys = {append.write.key for append in appends}
    keys.update(check.key for append in appends for check in append.checks)
    rows = txn.cursor(tables.current).getmulti(sorted(keys))
    return {key: unpack_current(key, row) for view, row in rows if (key := Key(bytes(view)))}


def _conflict(append: Append, values: dict[Key, Stored | None]) -> Conflict | None:
    write = append.write
    value = values.get(write.key)
    actual = NOTHING if value is None else value.revision
    if write.expect is not None and write.expect != actual:
        return Conflict(write.key, write.expect, actual)
    if write.op is Op.DELETE and value is None:
        # There is nothing that a record of it could show.
        return Conflict(write.key, NOTHING if write.expect is None else write.expect, NOTHING)
    for check in append.checks:
        value = values.get(check.key)
        actual = NOTHING if value is None else value.revision
        if check.revision != actual:
            return Conflict(check.key, check.revision, actual)
    return None


def _record(write: Write, revision: Revision, before: Stored | None, time_ms: int) -> Record:
    previous = NOTHING if before is None else before.revision
    previous_header = b"" if before is None else before.header
    created = revision if before is None else before.created
    header, body, stamp_at = write.header, write.body, write.stamp_at
    if write.op is Op.PUT:
        body = stamp(body, stamp_at, revision)
    elif before is not None:
        header, stamp_at = before.header, before.stamp_at
        body = restamp(before.body, stamp_at, before.revision, revision)
    return Record(
        revision, write.key, write.op, header, body, stamp_at, created, previous, previous_header, time_ms
    )


def _log_row(record: Record) -> bytes:
    deleted = record.op is Op.DELETE
    return pack_log(
        LogRow(
            record.op,
            record.key,
            b"" if deleted else record.header,
            b"" if deleted else record.body,
            record.stamp_at,
            record.created,
            record.previous,
            record.time_ms,
        )
    )


def allot_kind(txn: Any, tables: Tables, name: str) -> KindId:
    """Return the id of a storage name; a new one is one more than there are names."""
    known = txn.get(name.encode(), db=tables.kinds)
    if known is not None:
        return KindId(U32.unpack(known)[0])
    kind = KindId(txn.stat(tables.kinds)["entries"] + 1)
    txn.put(name.encode(), U32.pack(kind), db=tables.kinds)
    return kind


def touch(txn: Any, tables: Tables) -> None:
    """Write the state anew as it is."""
    txn.put(META_STATE, unpack_state(txn.get(META_STATE, db=tables.meta)).pack(), db=tables.meta)


def compact_records(txn: Any, tables: Tables, upto: Revision, records: int, enough: Callable[[], bool]) -> State:
    """Raise the floor towards `upto` over so many records at the most, or until there is `enough`.

    Of each record above the floor its predecessor goes, and the record too where it is a delete: the fold of what
    stays is the same, and every state from the new floor on can be told.
    """
    state = unpack_state(txn.get(META_STATE, db=tables.meta))
    floor, freed = state.floor, 0

    def drop(key: Key, revision: Revision, *, deleted: bool) -> int:
        row = txn.pop(pack_revision(revision), db=tables.log)
        if row is None or not txn.delete(key, pack_version(revision, deleted=deleted), db=tables.history):
            raise Corrupt(f"log: the record of revision {revision} is missing, or its place in the history")
        return len(row)

    for _ in range(records):
        if floor >= min(upto, state.head) or (floor > state.floor and enough()):
            break
        floor = Revision(floor + 1)
        row = unpack_log(floor, txn.get(pack_revision(floor), db=tables.log))
        if row.previous != NOTHING:
            freed += drop(row.key, row.previous, deleted=False)
        if row.op is Op.DELETE:
            freed += drop(row.key, floor, deleted=True)
    after = State(state.head, floor, state.superseded - freed, state.time_ms)
    if floor > state.floor:
        txn.put(META_STATE, after.pack(), db=tables.meta)
    return after


def write_rows(txn: Any, tables: Tables, rows: Sequence[tuple[Revision, LogRow]]) -> None:
    """Fold rows of another log's `log` into the tables, oldest first; the state is written last, by `write_meta`."""
    for revision, row in rows:
        deleted = row.op is Op.DELETE
        txn.put(pack_revision(revision), pack_log(row), append=True, db=tables.log)
        txn.put(row.key, pack_version(revision, deleted=deleted), db=tables.history)
        if deleted:
            txn.delete(row.key, db=tables.current)
        else:
            stored = Stored(row.key, revision, row.created, row.header, row.body, row.stamp_at)
            txn.put(row.key, pack_current(stored), db=tables.current)


def write_meta(txn: Any, tables: Tables, state: State, kinds: Mapping[str, KindId]) -> None:
    """Write the state and the kinds of another log."""
    for name, kind in kinds.items():
        txn.put(name.encode(), U32.pack(kind), db=tables.kinds)
    txn.put(META_STATE, state.pack(), db=tables.meta)

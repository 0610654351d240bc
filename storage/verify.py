"""Verification: the fold of the log is the state, and its index and sums agree with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import attrs

from storage.errors import Corrupt
from storage.layout import LogRow, unpack_current, unpack_log
from storage.lmdb_log import LmdbLog
from storage.snapshot import Progress, Snapshot, walk
from storage.types import NOTHING, Key, Op, Revision

PROBLEM_LIMIT = 100
"""Problems that are named; the rest are only counted. One damaged page can make thousands."""


@attrs.frozen
class Report:
    """What verification found."""

    head: Revision
    floor: Revision
    cluster_id: str
    records: int
    """Rows of the retained log."""
    keys: int
    """Keys with a value now."""
    digest: str
    """SHA-256 over key, revision, header and body of every present value in key order, as hexadecimal digits: equal
    states have equal digests, whatever their past."""
    problems: tuple[str, ...]
    """The first PROBLEM_LIMIT of them."""
    problem_count: int

    @property
    def good(self) -> bool:
        """Tell whether nothing is wrong."""
        return self.problem_count == 0


@attrs.define
class _Value:
    """What the log says of one present key."""

    revision: Revision
    created: Revision
    size: int
    """Bytes of its row of `log`."""


async def verify(log: LmdbLog, *, progress: Progress | None = None) -> Report:
    """Read everything in one snapshot, and report; a read-only log may do so beside the server that writes it.

    Takes about 300 bytes of memory a key. Raises Corrupt where a damaged page cannot be read past, LogClosed.
    """
    with log.snapshot() as snapshot:
        records, keys, versions = snapshot.entries()
        verification = _Verification(snapshot)
        await walk(verification.steps(), log.runner, records + keys + versions, progress, snapshot)
        state = snapshot.state
    return Report(
        state.head,
        state.floor,
        log.cluster_id,
        records,
        keys,
        verification.digest.hexdigest(),
        tuple(verification.problems),
        verification.problem_count,
    )


class _Verification:
    """One reading of the whole."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.digest = hashlib.sha256()
        self.problems: list[str] = []
        self.problem_count = 0
        self._snapshot = snapshot
        self._state = snapshot.state
        self._fold: dict[Key, _Value] = {}
        self._done = 0

    def steps(self) -> Iterator[int]:
        """Do the work; yield the number of rows done after each."""
        yield from self._log()
        yield from self._current()
        yield from self._history()

    def _problem(self, problem: str) -> None:
        self.problem_count += 1
        if len(self.problems) < PROBLEM_LIMIT:
            self.problems.append(problem)

    def _log(self) -> Iterator[int]:
        """Fold the log. Above the floor it is dense and each record names its predecessor."""
        state = self._state
        last, time_ms, superseded = state.floor, 0, 0
        for revision, raw in self._snapshot.log_rows():
            self._done += 1
            yield self._done
            if revision > state.floor:
                self._gap(last, revision)
                last = revision
            try:
                row = unpack_log(revision, raw)
            except Corrupt as corrupt:
                self._problem(str(corrupt))
                continue
            if row.time_ms < time_ms:
                self._problem(f"log: revision {revision} is older than the one before it")
            time_ms = row.time_ms
            superseded += self._take(revision, row, len(raw))
        self._gap(last, state.head + 1)
        if superseded != state.superseded:
            self._problem(f"meta: {state.superseded} superseded bytes, the log has {superseded}")

    def _gap(self, last: int, following: int) -> None:
        if following != last + 1:
            self._problem(f"log: the revisions between {last} and {following} are missing, or should not be")

    def _take(self, revision: Revision, row: LogRow, size: int) -> int:
        """Fold one record; return the bytes that compaction over it would free."""
        before = self._fold.pop(row.key, None)
        deleted = row.op is Op.DELETE
        if not deleted:
            self._fold[row.key] = _Value(revision, row.created, size)
        if revision <= self._state.floor:
            if before is not None or deleted:
                self._problem(f"log: revision {revision} lies below the floor and should be compacted")
            return 0
        if row.previous != (NOTHING if before is None else before.revision):
            self._problem(f"log: revision {revision} names {row.previous} as its predecessor, wrongly")
        return (before.size if before else 0) + (size if deleted else 0)

    def _current(self) -> Iterator[int]:
        """Compare the state with the fold, and the bytes of each value with its record's."""
        keys = 0
        for key, raw in self._snapshot.current_rows():
            self._done += 1
            yield self._done
            keys += 1
            value = self._fold.get(key)
            try:
                stored = unpack_current(key, raw)
                row = self._snapshot.row(stored.revision)
            except Corrupt as corrupt:
                self._problem(f"current: {key!r}: {corrupt}")
                continue
            for part in (key, stored.revision.to_bytes(8, "big"), stored.header, stored.body):
                self.digest.update(len(part).to_bytes(4, "big"))
                self.digest.update(part)
            if value is None or (value.revision, value.created) != (stored.revision, stored.created):
                told = None if value is None else (value.revision, value.created)
                self._problem(f"current: {key!r} has {(stored.revision, stored.created)}, the log says {told}")
            elif (row.header, row.body, row.stamp_at) != (stored.header, stored.body, stored.stamp_at):
                self._problem(f"current: {key!r} differs from its record {stored.revision}")
            elif not stored.body[stored.stamp_at :].startswith(b"%d" % stored.revision):
                self._problem(f"current: {key!r} does not show its revision {stored.revision}")
        if keys != len(self._fold):
            self._problem(f"current: {keys} keys, the log has {len(self._fold)}")

    def _history(self) -> Iterator[int]:
        """Every entry has its record; as there are as many of both, every record has its entry."""
        versions = 0
        for key, revision, deleted in self._snapshot.history_rows():
            self._done += 1
            yield self._done
            versions += 1
            try:
                row = self._snapshot.row(revision)
            except Corrupt as corrupt:
                self._problem(f"history: {key!r}: {corrupt}")
                continue
            if (row.key, row.op is Op.DELETE) != (key, deleted):
                self._problem(f"history: {key!r} at {revision} is not what the log says")
        records, _, _ = self._snapshot.entries()
        if versions != records:
            self._problem(f"history: {versions} entries, the log has {records} records")

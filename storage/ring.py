"""The newest records, kept in memory up to a bound in bytes, so that watchers who keep up never touch the log."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import Final, final

from storage.errors import Corrupt
from storage.types import NOTHING, Batch, Record, Revision, Scope

RECORD_OVERHEAD_BYTES: Final = 384
"""What a record weighs beside its header, body and previous header: the struct, four boxed integers, four bytes
objects and the key, a slot of the list."""

TRIM_AT: Final = 1024
"""Empty slots at the list's front before they are cut off: one move of the list for so many evictions."""

_revision_of = attrgetter("revision")


def weight(record: Record) -> int:
    """Return about how many bytes a record occupies."""
    return len(record.header) + len(record.body) + len(record.previous_header) + RECORD_OVERHEAD_BYTES


@final
class Ring:
    """Every record in (after, head], as many of the newest as `max_bytes` holds.

    Revisions only need to rise: a gap is no missing record (logs other than ours promise no more).
    """

    def __init__(self, max_bytes: int, head: Revision = NOTHING) -> None:
        self._max_bytes = max_bytes
        self._records: list[Record | None] = []
        self._start = 0
        self._bytes = 0
        self._after = head
        self._head = head

    def __len__(self) -> int:
        return len(self._records) - self._start

    @property
    def bytes(self) -> int:
        """The weight of what is kept, at most `max_bytes`."""
        return self._bytes

    @property
    def after(self) -> Revision:
        """The revision from which the ring is whole: a reader at or above it finds everything here."""
        return self._after

    @property
    def head(self) -> Revision:
        """The newest revision that was appended, kept or not."""
        return self._head

    @property
    def oldest(self) -> Revision | None:
        """The oldest revision kept, None where nothing is."""
        first = self._records[self._start] if len(self) else None
        return None if first is None else first.revision

    def append(self, record: Record) -> None:
        """Add the next record and evict the oldest beyond the bound. Raises Corrupt where its revision does not rise."""
        if record.revision <= self._head:
            raise Corrupt(f"revision {record.revision} was published after {self._head}")
        self._records.append(record)
        self._bytes += weight(record)
        self._head = record.revision
        self._evict_surplus()

    def fill(self, older: Ring) -> None:
        """Take over what an older ring holds, as much as fits. It ends where this one begins: at `self.after`."""
        if older.head > self._after:
            raise Corrupt(f"revision {older.head} stands before {self._after}")
        self._records[: self._start] = older._records[older._start :]
        self._start = 0
        self._bytes += older._bytes
        self._after = older._after
        self._evict_surplus()

    def read(self, after: Revision, scope: Scope, limit: int, max_bytes: int, *, look: int) -> Batch | None:
        """Return records of a scope after a revision, oldest first; None where the ring is not whole from there on.

        `limit` bounds the records returned, `look` those looked at, `max_bytes` the sum of the bodies returned (one
        record at least).
        """
        if after < self._after:
            return None
        records = self._records
        begin = bisect_right(records, after, lo=self._start, key=_revision_of)
        prefix, exact = scope.prefix, scope.exact
        found: list[Record] = []
        upto, room = after, max_bytes
        for index in range(begin, min(begin + look, len(records))):
            record = records[index]
            assert record is not None  # noqa: S101 - evicted slots lie below _start
            if record.key == prefix if exact else record.key.startswith(prefix):
                room -= len(record.body)
                if found and (room < 0 or len(found) >= limit):
                    break
                found.append(record)
            upto = record.revision
        return Batch(found, upto)

    def _evict_surplus(self) -> None:
        while self._bytes > self._max_bytes:
            record = self._records[self._start]
            assert record is not None  # noqa: S101 - evicted slots lie below _start
            self._records[self._start] = None
            self._start += 1
            self._bytes -= weight(record)
            self._after = record.revision
        if self._start >= TRIM_AT and self._start * 2 >= len(self._records):
            del self._records[: self._start]
            self._start = 0

"""The Log protocol: what every implementation promises (tests/contract holds them to it)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import trio

from storage.bodies import Bodies, Cut
from storage.types import Batch, Check, Count, Key, KindId, Page, Publish, Record, Revision, Scope, Stored, Write


class Log(Protocol):
    """A durable, ordered log of changes and the state that it folds to.

    Reads finish without a checkpoint: a caller that loops over them must checkpoint itself. A read's newest
    revision comes from the read's own transaction, so it may run ahead of `head` for a moment.
    """

    @property
    def head(self) -> Revision:
        """The last revision that is durable and published."""

    @property
    def floor(self) -> Revision:
        """The highest compacted revision: reads at or above it, and reads after it, are whole."""

    @property
    def cluster_id(self) -> str:
        """A random name given to the data when it was created."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what is appended, in groups. The only writer. Returns when cancelled, or raises Corrupt."""

    def subscribe(self, publish: Publish) -> None:
        """Name the one function that is called with the records of each commit before its appends are answered."""

    async def kind(self, name: str) -> KindId:
        """Return the id of a storage name, allotting one durably at the first call. No revision is used."""

    async def allot(self, names: Sequence[str]) -> None:
        """Allot ids durably to those of the storage names that have none, at the cost of one."""

    def kinds(self) -> Mapping[str, KindId]:
        """Return the ids allotted so far."""

    async def append(self, write: Write, *, checks: Sequence[Check] = ()) -> Record:
        """Write one change; answer when it is durable and published.

        Cancelling the caller after hand-off does not undo the write.

        Raises:
            Conflict: `write.expect` or a check did not hold; nothing is written.
            LogFull: no room; nothing is written.
            KeyTooLong: nothing is written.
            OutcomeUnknown: the commit failed half way.
            LogClosed: the log is closed.

        """

    async def get(self, key: Key, at: Revision | None = None) -> Stored | None:
        """Return a key's value now or at a retained revision. Raises Compacted, FutureRevision."""

    async def scan(self, prefix: bytes, *, start: Key | None = None, limit: int, at: Revision | None = None) -> Page:
        """Return keys under a prefix in byte order, from `start` on (inclusive), now or at a retained revision.

        `limit` bounds the keys looked at as well as those returned, PAGE_BYTES the bodies: a page may be short, even
        empty, and have a `next`. Raises Compacted, FutureRevision.
        """

    async def bodies(
        self, prefix: bytes, *, start: Key | None = None, limit: int, at: Revision | None = None, cut: Cut, follows: bool = False
    ) -> Bodies | None:
        """Return what `scan` would as one piece of bytes, which `follows` others or does not: the bodies are not looked into.

        None where one of the headers does not begin as `cut` says. Raises Compacted, FutureRevision.
        """

    async def count(self, prefix: bytes, *, start: Key | None = None, limit: int, at: Revision | None = None) -> Count:
        """Count the keys that `scan` would return, at most `limit` of them. Raises Compacted, FutureRevision."""

    async def read(self, after: Revision, *, scope: Scope, limit: int, max_bytes: int) -> Batch:
        """Return the records of a scope after a revision, oldest first.

        `limit` bounds the records looked at as well as those returned; `max_bytes` the sum of their bodies (one
        record at least is returned). Never goes past `head`. Raises Compacted when `after` lies below the floor.
        """

    def hold(self, revision: Revision) -> AbstractContextManager[None]:
        """Keep compaction below a revision while a list runs over it, for HOLD_SECONDS at the most.

        Raises Compacted when it is too late.
        """

    async def revision_at(self, time_ms: int) -> Revision:
        """Return the newest revision committed at or before a time (the floor where none is retained)."""

    async def superseded_bytes(self) -> int:
        """Return about how many bytes compaction up to the head would free."""

    async def compact(self, upto: Revision) -> Revision:
        """Raise the floor to at most `upto`, in small transactions, and return it.

        Deletes the predecessor of each record in (floor, upto], and the record too where it is a delete.
        """

    async def aclose(self) -> None:
        """Refuse new appends, finish those under way, close."""

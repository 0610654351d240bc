"""Where appends wait for the writer: bounded by bytes, taken in groups."""

from __future__ import annotations

from collections import deque

import msgspec
import trio

from storage.committer import Append, Outcome
from storage.errors import LogClosed, StorageError
from storage.types import Record

INBOX_BYTES = 32 * 1024 * 1024
"""Bytes that may wait before appenders wait themselves: some seconds of writing, and a fair share of a small machine."""

BATCH_COUNT = 256
"""Appends in one transaction: more of them share an fsync no better, and hold back the first one's answer."""

BATCH_BYTES = 8 * 1024 * 1024
"""Bytes in one transaction: far below LMDB's limit of dirty pages (512 MiB), and written in some tens of ms."""

APPEND_OVERHEAD = 512
"""Bytes that a waiting append takes besides its header and body, about: empty ones are not free either."""


class Pending(msgspec.Struct, eq=False):
    """An append on its way, and the one who waits for it."""

    append: Append
    size: int
    _done: trio.Event = msgspec.field(default_factory=trio.Event)
    _outcome: Outcome | None = None

    def resolve(self, outcome: Outcome) -> None:
        """Say how it went. Without a checkpoint."""
        self._outcome = outcome
        self._done.set()

    async def wait(self) -> Record:
        """Wait for the outcome; return it or raise it. A cancelled wait does not take back the append."""
        await self._done.wait()
        outcome = self._outcome
        if isinstance(outcome, Record):
            return outcome
        assert outcome is not None  # noqa: S101 - resolve sets both
        raise outcome


class Inbox:
    """A queue of appends with a byte bound, in order of arrival; one taker."""

    def __init__(self) -> None:
        self._queue: deque[Pending] = deque()
        self._bytes = 0
        self._turn = trio.StrictFIFOLock()
        self._room = trio.Event()
        self._work = trio.Event()
        self._refusal: str | None = None

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def bytes(self) -> int:
        """The bytes that wait, about."""
        return self._bytes

    async def put(self, append: Append) -> Pending:
        """Hand off an append; waits in line while the inbox is full. Raises LogClosed."""
        write = append.write
        pending = Pending(append, len(write.header) + len(write.body) + APPEND_OVERHEAD)
        if self._turn.locked() or self._full(pending):
            async with self._turn:
                while self._full(pending):
                    self._room = trio.Event()
                    await self._room.wait()
                self._enqueue(pending)
        else:
            self._enqueue(pending)
        return pending

    def _full(self, pending: Pending) -> bool:
        # A write larger than the bound goes through alone rather than never.
        return self._refusal is None and self._bytes > 0 and self._bytes + pending.size > INBOX_BYTES

    def _enqueue(self, pending: Pending) -> None:
        if self._refusal is not None:
            raise LogClosed(self._refusal)
        self._queue.append(pending)
        self._bytes += pending.size
        self._work.set()

    def ring(self) -> None:
        """Wake the taker though there is no append: there is other work."""
        self._work.set()

    async def wait(self) -> None:
        """Wait for an append or a ring."""
        if not self._queue:
            await self._work.wait()
        self._work = trio.Event()

    def take(self) -> list[Pending]:
        """Take what waits, up to the bounds of a batch. Without a checkpoint."""
        batch: list[Pending] = []
        size = 0
        while self._queue and len(batch) < BATCH_COUNT:
            size += self._queue[0].size
            if batch and size > BATCH_BYTES:
                break
            batch.append(self._queue.popleft())
        self._bytes -= sum(pending.size for pending in batch)
        self._room.set()
        return batch

    def refuse(self, reason: str) -> None:
        """Refuse what comes from now on, with LogClosed; what waits still waits."""
        self._refusal = reason
        self._room.set()

    def fail(self, error: type[StorageError], reason: str) -> None:
        """Resolve all that wait with an error."""
        while self._queue:
            self._queue.popleft().resolve(error(reason))
        self._bytes = 0
        self._room.set()

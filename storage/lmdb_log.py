"""The durable log, on LMDB.

What stands elsewhere: the environment and what its errors mean (storage.environment), the rows (storage.layout), reads
(storage.snapshot), transactions that write (storage.committer), the queue before them (storage.inbox).

The file is long: head, floor, holds, the batch under way and the end of the log are one state, which may change without a
checkpoint in between only; each part of it by itself would have to ask for the others'.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec
import trio

from storage.aftermath import aftermath
from storage.bodies import Bodies, Cut
from storage.committer import COMPACT_RECORDS, Append, Committer, Outcome
from storage.committer_process import CommitterProcess, Connection
from storage.environment import MAP_SIZE, MAX_READERS, Environment, Options
from storage.errors import (
    CommitterLost,
    Compacted,
    Conflict,
    Corrupt,
    KeyTooLong,
    LogClosed,
    OutcomeUnknown,
    Overtaken,
    StorageError,
)
from storage.inbox import Inbox, Pending
from storage.layout import META_CLUSTER
from storage.lock import lock_directory
from storage.process_committer import ProcessCommitter, Renew
from storage.snapshot import Snapshot
from storage.thread_committer import ThreadCommitter
from storage.types import (
    EVERYTHING,
    KEY_LIMIT,
    NOTHING,
    Batch,
    Check,
    Clock,
    Count,
    Key,
    KindId,
    Page,
    Publish,
    Record,
    Revision,
    Runner,
    Scope,
    Stored,
    Write,
)

T = TypeVar("T")

HOLD_SECONDS = 60.0
"""How long a hold keeps compaction off: a list that takes longer may lose its revision (DESIGN.md section 4)."""

CATCH_UP_BYTES = 16 << 20
"""Bytes of bodies that are read in one go of what others have committed, or a process that died."""

SHARED_SECONDS = 30.0
"""How long commits are kept for the others where several processes have the log open. They take them over within
milliseconds, and one that hangs is killed sooner than that."""

COMMIT_TRIES = 2
"""How often a batch is committed where its committer died and certainly stored nothing of it: a batch that kills two
of them might kill every one."""


KILLER = f"the write is not stored: the process that commits died with it {COMMIT_TRIES} times"
"""What is said of a write in such a batch."""


class _Chore(msgspec.Struct, Generic[T], eq=False):
    """Work for the writer between two batches."""

    call: Callable[[], Awaitable[T]]
    done: trio.Event = msgspec.field(default_factory=trio.Event)
    result: T | None = None
    error: StorageError | None = None


class LmdbLog:
    """The Log protocol on LMDB. Open it with `open`, run `run` in a nursery, end with `aclose`."""

    def __init__(
        self,
        environment: Environment,
        committer: Committer,
        release: Callable[[], Awaitable[None]],
        *,
        clock: Clock,
        runner: Runner,
        readonly: bool,
    ) -> None:
        """For `open`, `attach` and `join`; `release` gives up what it has been opened under."""
        self._clock = clock
        self._env = environment
        self._release = release
        self._runner = runner
        self._readonly = readonly
        self._committer = committer
        self._inbox = Inbox()
        self._chores: deque[_Chore[Any]] = deque()
        self._publish: Publish | None = None
        state, self._kinds, cluster = environment.ask(lambda s: (s.state, s.kinds(), s.meta(META_CLUSTER)))
        self._head, self._floor = state.head, state.floor
        self._cluster_id = cluster.decode()
        self._compacting = NOTHING
        self._holds: dict[object, tuple[Revision, float]] = {}
        self._snapshots: set[Snapshot] = set()
        self._released = trio.Event()
        self._reopened: trio.Event | None = None
        self._running = False
        self._ended = trio.Event()
        self._closing = self._abandoned = self._closed = False
        self._failed: str | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Clock,
        runner: Runner,
        cluster_id: str | None = None,
        map_size: int = MAP_SIZE,
        max_bytes: int | None = None,
        relaxed: bool = False,
        readonly: bool = False,
        max_readers: int = MAX_READERS,
    ) -> LmdbLog:
        """Open the log in a data directory, creating both where they are missing (then `cluster_id` is needed).

        `readonly` opens it beside the server that writes it, in a process of its own; `head` is then what is on the
        disk now. Else the directory is locked. `max_bytes` limits what is stored.

        Raises:
            AlreadyOpen: another process writes it.
            FormatMismatch: it holds something else.
            LogFull: no room to create it.
            Corrupt: what it holds contradicts itself.
            StorageError: it cannot be opened.

        """
        options = Options(map_size, max_bytes, relaxed, readonly, max_readers, cluster_id)

        lock = None if readonly else await runner.run_sync(lock_directory, path)

        async def release() -> None:
            await trio.lowlevel.checkpoint()
            if lock is not None:
                lock.release()

        try:
            environment = await runner.run_sync(Environment, path, options)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        committer = ThreadCommitter(environment, clock=clock, runner=runner)
        return cls(environment, committer, release, clock=clock, runner=runner, readonly=readonly)

    @classmethod
    async def attach(cls, process: CommitterProcess, *, token: bytes, clock: Clock, runner: Runner) -> LmdbLog:
        """Open the log for which a process that commits was started. The log ends it, also where this raises.

        `token` is random, of storage.receipt.TOKEN_BYTES.

        Raises what `open` raises, but AlreadyOpen.
        """

        async def renew() -> Connection:
            await process.restart()
            return process.connect()

        connection = process.connect()
        try:
            await process.opened()
            environment = await _open_to_read(process.path, process.options, runner)
        except BaseException:
            for one in connection:
                one.close()
            with trio.CancelScope(shield=True):
                await process.aclose()
            raise
        committer = ProcessCommitter(connection, renew, environment, slot=0, token=token, clock=clock, shared=False)
        return cls(environment, committer, process.aclose, clock=clock, runner=runner, readonly=False)

    @classmethod
    async def join(
        cls,
        path: Path,
        options: Options,
        connection: Connection,
        renew: Renew,
        *,
        slot: int,
        token: bytes,
        clock: Clock,
        runner: Runner,
    ) -> LmdbLog:
        """Open a log that others write too, all of them through one process that commits, which has it open.

        What others commit is published like what is appended here. No other log that is open has its `slot`; `token` is
        random, of storage.receipt.TOKEN_BYTES. Raises what `open` raises, but AlreadyOpen.
        """
        environment = await _open_to_read(path, options, runner)
        committer = ProcessCommitter(connection, renew, environment, slot=slot, token=token, clock=clock, shared=True)
        return cls(environment, committer, trio.lowlevel.checkpoint, clock=clock, runner=runner, readonly=False)

    # What it is ------------------------------------------------------------------------------------------------

    @property
    def head(self) -> Revision:
        """The last revision that is durable and published; of a read-only log, that is on the disk."""
        return self._env.ask(lambda s: s.state.head) if self._readonly and not self._closed else self._head

    @property
    def floor(self) -> Revision:
        """The highest compacted revision."""
        return self._env.ask(lambda s: s.state.floor) if self._readonly and not self._closed else self._floor

    @property
    def cluster_id(self) -> str:
        """A random name given to the data when it was created."""
        return self._cluster_id

    @property
    def failed(self) -> str | None:
        """Why writes have stopped for good, or None while they have not."""
        return self._failed

    @property
    def runner(self) -> Runner:
        """Where long reads of this log are done."""
        return self._runner

    def subscribe(self, publish: Publish) -> None:
        """Name the one function that is called with the records of each commit before its appends are answered."""
        self._publish = publish

    def kinds(self) -> Mapping[str, KindId]:
        """Return the ids allotted so far."""
        if self._readonly or self._committer.shared:
            self._kinds = self._ask(Snapshot.kinds)
        return MappingProxyType(self._kinds)

    # Writing ---------------------------------------------------------------------------------------------------

    async def append(self, write: Write, *, checks: Sequence[Check] = ()) -> Record:
        """Write one change; answer when it is durable and published. Raises as the protocol says."""
        self._check_writable()
        for key in (write.key, *(check.key for check in checks)):
            if not 0 < len(key) <= KEY_LIMIT:
                raise KeyTooLong(f"a key of {len(key)} bytes: the limit is {KEY_LIMIT}")
        pending = await self._inbox.put(Append(write, tuple(checks)))
        return await pending.wait()

    async def kind(self, name: str) -> KindId:
        """Return the id of a storage name, allotting one durably at the first call. No revision is used.

        Raises LogFull, OutcomeUnknown, LogClosed; KeyTooLong for a name over KEY_LIMIT bytes.
        """
        await self.allot([name])
        return self._kinds[name]

    async def allot(self, names: Sequence[str]) -> None:
        """Allot ids durably to those of the storage names that have none, all in one transaction. Raises as `kind` does."""
        new = [name for name in names if name not in self._kinds]
        if not new:
            await trio.lowlevel.checkpoint()
            return
        for name in new:
            if not 0 < len(name.encode()) <= KEY_LIMIT:
                raise KeyTooLong(f"a storage name of {len(name.encode())} bytes: the limit is {KEY_LIMIT}")
        ids = await self._between_batches(lambda: self._committer.allot(new))
        self._kinds.update(zip(new, ids, strict=True))

    async def compact(self, upto: Revision) -> Revision:
        """Raise the floor to at most `upto`, in small transactions, and return it. Raises LogFull, LogClosed.

        Of a log that others have open too, the commits of the last SHARED_SECONDS stay.
        """
        if self._committer.shared:
            upto = min(upto, await self.revision_at(self._clock.now_ms() - round(SHARED_SECONDS * 1000)))
        while self._floor < self._bound(upto):
            await self._between_batches(lambda: self._compact_some(upto))
        await trio.lowlevel.checkpoint()
        return self._floor

    def _bound(self, upto: Revision) -> Revision:
        """Return how far compaction may go now."""
        now = trio.current_time()
        held = (revision for revision, until in self._holds.values() if until > now)
        return min(upto, self._head, *held)

    async def _compact_some(self, upto: Revision) -> None:
        self._compacting = min(self._bound(upto), Revision(self._floor + COMPACT_RECORDS))
        try:
            if self._compacting > self._floor:
                self._floor = (await self._committer.compact(self._compacting)).floor
        finally:
            self._compacting = NOTHING

    def hold(self, revision: Revision) -> AbstractContextManager[None]:
        """Keep compaction below a revision for HOLD_SECONDS at the most. Raises Compacted when it is too late."""
        # A transaction under way can no longer be told.
        passed = max(self._floor, self._compacting)
        if revision < passed:
            raise Compacted(revision, passed)
        token = object()
        self._holds[token] = (revision, trio.current_time() + HOLD_SECONDS)
        return self._held(token)

    @contextmanager
    def _held(self, token: object) -> Iterator[None]:
        try:
            yield
        finally:
            self._holds.pop(token, None)

    def _check_writable(self) -> None:
        if self._closing:
            raise LogClosed("the log is closed")
        if self._readonly:
            raise LogClosed("the log is open for reading only")
        if self._failed is not None:
            raise LogClosed(self._failed)

    async def _between_batches(self, call: Callable[[], Awaitable[T]]) -> T:
        self._check_writable()
        if self._ended.is_set():
            raise LogClosed("nothing runs the log")
        chore: _Chore[T] = _Chore(call)
        self._chores.append(chore)
        self._inbox.ring()
        await chore.done.wait()
        if chore.error is not None:
            raise chore.error
        return chore.result  # type: ignore[return-value]  # without an error there is a result, be it None

    # The writer ------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what is appended, in groups. The only writer. Returns when cancelled, or when the log is closed.

        Raises Overtaken, in a group: only another process can take over from there.
        """
        if self._running or self._ended.is_set():
            raise RuntimeError("a log is run once")
        self._running = True
        try:
            task_status.started()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_committer)
                await self._write()
                nursery.cancel_scope.cancel()
        finally:
            self._running = False
            self._ended.set()
            self._refuse_all("nothing runs the log")

    async def _write(self) -> None:
        """Commit what is appended, until the log is closed."""
        while not self._abandoned:
            # Those answered just now may have more to write: it goes into the same transaction.
            await trio.lowlevel.checkpoint()
            if not self._chores and not self._inbox:
                if self._closing:
                    break
                await self._inbox.wait()
            batch = self._inbox.take()
            # What is handed to the disk is seen through: it would be committed without anybody knowing.
            with trio.CancelScope(shield=True):
                if batch:
                    await self._commit(batch)
                if self._chores:
                    await self._do(self._chores.popleft())

    async def _watch_committer(self) -> None:
        """Take over what others commit, and have a committer that dies idle replaced at once, not at the next append."""
        with suppress(LogClosed):
            while True:
                await self._committer.news()
                if self._committer.gone:
                    await self._between_batches(self._look_after_committer)
                elif self._failed is None:
                    self._catch_up()

    async def _look_after_committer(self) -> None:
        if self._committer.gone:
            raise CommitterLost("the process that commits has died")

    def _refuse_all(self, reason: str) -> None:
        self._inbox.refuse(reason)
        self._inbox.fail(LogClosed, reason)
        while self._chores:
            chore = self._chores.popleft()
            chore.error = LogClosed(reason)
            chore.done.set()

    async def _commit(self, batch: list[Pending]) -> None:
        if self._failed is not None:
            for pending in batch:
                pending.resolve(LogClosed(self._failed))
            return
        left = batch
        try:
            for _ in range(COMMIT_TRIES):
                appends = [pending.append for pending in left]
                outcomes: list[Outcome | None] = [*await self._committer.commit(appends)]
                self._apply([outcome for outcome in outcomes if isinstance(outcome, Record)])
                if self._committer.shared and any(isinstance(outcome, Conflict) for outcome in outcomes):
                    # Others have written what this log may not know yet: who asks again is to find it.
                    self._catch_up()
                trouble = next((outcome for outcome in outcomes if isinstance(outcome, OutcomeUnknown | Corrupt)), None)
                if trouble is not None:
                    await self._recover(trouble)
                    if isinstance(trouble, CommitterLost) and self._failed is None:
                        outcomes = self._aftermath(len(appends))
                left = _resolve(left, outcomes)
                if not left:
                    break
            left = _resolve(left, [StorageError(KILLER) for _ in left])
        finally:
            for pending in left:
                pending.resolve(OutcomeUnknown("the write was given up: whether it is stored cannot be told"))

    def _aftermath(self, count: int) -> list[Outcome | None]:
        """Read what is stored of the last batch, which had so many appends. Raises Overtaken."""
        asked = self._committer.asked
        assert asked is not None  # noqa: S101 - only one that is asked by messages is lost
        try:
            return self._env.ask(lambda s: aftermath(s, asked, count))
        except Compacted as error:
            raise _overtaken(error) from error

    async def _do(self, chore: _Chore[Any]) -> None:
        try:
            for last in (False, True):
                if self._failed is not None:
                    raise LogClosed(self._failed)
                try:
                    chore.result = await chore.call()
                except OutcomeUnknown as error:
                    await self._recover(error)
                    # What it had done, it finds done.
                    if last or not isinstance(error, CommitterLost):
                        raise
                else:
                    break
        except StorageError as error:
            chore.error = error
            if isinstance(error, Corrupt):
                await self._recover(error)
        finally:
            chore.done.set()

    def _apply(self, records: list[Record]) -> None:
        """Take over what was committed. Without a checkpoint, so that head, watchers and answers agree."""
        if not records:
            return
        if self._committer.shared and (records[0].revision != self._head + 1 or records[-1].revision != self._head + len(records)):
            # Others have committed before and in between, and it may be known already.
            self._catch_up()
            return
        self._head = records[-1].revision
        if self._publish is not None:
            self._publish(records)

    def _catch_up(self) -> None:
        """Take over what the disk shows after the head. Without a checkpoint. Raises Corrupt, Overtaken."""
        state = self._env.ask(lambda s: s.state)
        if state.head < self._head:
            raise Corrupt(f"revision {self._head} was answered, but the head on the disk is {state.head}")
        self._floor = max(self._floor, state.floor)
        for batch in self._read_on(self._head, state.head):
            self._head = batch.upto
            if self._publish is not None:
                self._publish(batch.records)

    def _read_on(self, after: Revision, head: Revision) -> Iterator[Batch]:
        """Read all records in (after, head]. Raises Corrupt, Overtaken."""
        try:
            while after < head:
                batch = self._env.ask(lambda s: s.read(after, EVERYTHING, COMPACT_RECORDS, CATCH_UP_BYTES, head))  # noqa: B023 - asked at once
                after = batch.upto
                yield batch
        except Compacted as error:
            raise _overtaken(error) from error

    def refresh(self) -> None:
        """Take over what others have committed until now: one look at the disk where nobody has.

        Without a checkpoint. Raises StorageError.
        """
        if self._committer.shared and self._failed is None and self._running:
            self._catch_up()

    async def _recover(self, error: StorageError) -> None:
        """Stop writes, or after an unknown outcome have the committer opened anew, and take over what the disk shows.

        Raises Overtaken.
        """
        if isinstance(error, Corrupt):
            self._fail(f"writes have stopped, the log is corrupt: {error}")
            return
        if self._committer.shares_environment:
            self._reopened = trio.Event()
        try:
            if self._reopened is not None:
                await self._let_go()
            await self._committer.reopen()
            self._catch_up()
            self._kinds = self._env.ask(Snapshot.kinds)
        except Overtaken:
            raise
        except StorageError as reopening:
            self._fail(f"writes have stopped: {error}; then: {reopening}")
        finally:
            if self._reopened is not None:
                self._reopened.set()
                self._reopened = None

    def _fail(self, reason: str) -> None:
        self._failed = reason
        self._inbox.refuse(reason)
        self._inbox.fail(LogClosed, reason)

    # Reading ---------------------------------------------------------------------------------------------------

    async def get(self, key: Key, at: Revision | None = None) -> Stored | None:
        """Return a key's value now or at a retained revision. Raises Compacted, FutureRevision."""
        await self._readable()
        return self._ask(lambda s: s.get(key, at))

    async def scan(self, prefix: bytes, *, start: Key | None = None, limit: int, at: Revision | None = None) -> Page:
        """Return keys under a prefix in byte order. Raises Compacted, FutureRevision."""
        await self._readable()
        return self._ask(lambda s: s.scan(prefix, start, limit, at))

    async def bodies(
        self, prefix: bytes, *, start: Key | None = None, limit: int, at: Revision | None = None, cut: Cut, follows: bool = False
    ) -> Bodies | None:
        """Return what `scan` would as one piece of bytes, or None. Raises Compacted, FutureRevision."""
        await self._readable()
        return self._ask(lambda s: s.bodies(prefix, start, limit, at, cut, follows=follows))

    async def count(self, prefix: bytes, *, start: Key | None = None, limit: int, at: Revision | None = None) -> Count:
        """Count the keys that `scan` would return. Raises Compacted, FutureRevision."""
        await self._readable()
        return self._ask(lambda s: s.count(prefix, start, limit, at))

    async def read(self, after: Revision, *, scope: Scope, limit: int, max_bytes: int) -> Batch:
        """Return the records of a scope after a revision, oldest first. Raises Compacted."""
        await self._readable()
        head = None if self._readonly else self._head
        return self._ask(lambda s: s.read(after, scope, limit, max_bytes, s.state.head if head is None else head))

    async def revision_at(self, time_ms: int) -> Revision:
        """Return the newest revision committed at or before a time (the floor where none is retained)."""
        await self._readable()
        revision = self._ask(lambda s: s.revision_at(time_ms))
        return revision if self._readonly else min(revision, self._head)

    async def superseded_bytes(self) -> int:
        """Return about how many bytes compaction up to the head would free."""
        await self._readable()
        return self._ask(lambda s: s.state.superseded)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Keep one read transaction open for a long walk (storage.snapshot.walk). Raises LogClosed.

        It pins the pages that it shows, so the file grows while it lasts and writes go on.
        """
        if self._closing or self._reopened is not None:
            raise LogClosed("the log is closing, or being opened anew")
        txn = self._env.begin()
        snapshot = Snapshot(txn, self._env.tables)
        self._snapshots.add(snapshot)
        try:
            yield snapshot
        finally:
            txn.abort()
            self._snapshots.discard(snapshot)
            self._released.set()

    async def _readable(self) -> None:
        if self._reopened is not None:
            await self._reopened.wait()

    def _ask(self, question: Callable[[Snapshot], T]) -> T:
        if self._closed:
            raise LogClosed("the log is closed")
        return self._env.ask(question)

    # The end ---------------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Refuse new appends, finish those under way, close. A cancelled close leaves out those that still wait."""
        if self._closing:
            await trio.lowlevel.checkpoint()
            return
        self._closing = True
        self._inbox.refuse("the log is closed")
        self._inbox.ring()
        try:
            if self._running:
                await self._ended.wait()
        finally:
            self._abandoned = True
            self._inbox.ring()
            with trio.CancelScope(shield=True):
                if self._running:
                    await self._ended.wait()
                self._refuse_all("the log is closed")
                await self._let_go()
                self._closed = True
                await self._runner.run_sync(self._env.close)
                await self._committer.aclose()
                await self._release()

    async def _let_go(self) -> None:
        """Wait until nobody walks over a snapshot any more: a transaction may not outlive its environment."""
        for snapshot in self._snapshots:
            snapshot.doomed = True
        while self._snapshots:
            self._released = trio.Event()
            await self._released.wait()


def _overtaken(error: Compacted) -> Overtaken:
    return Overtaken(f"what was committed after revision {error.revision} is compacted up to {error.floor}")


async def _open_to_read(path: Path, options: Options, runner: Runner) -> Environment:
    return await runner.run_sync(Environment, path, msgspec.structs.replace(options, readonly=True))


def _resolve(batch: list[Pending], outcomes: list[Outcome | None]) -> list[Pending]:
    """Answer those whose outcome is known, and return the others."""
    left: list[Pending] = []
    for pending, outcome in zip(batch, outcomes, strict=True):
        if outcome is None:
            left.append(pending)
        else:
            pending.resolve(outcome)
    return left

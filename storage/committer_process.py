"""The committer of `watchd serve`: a process of its own (storage.committer_child), started here and asked from here.

It is spawned, never forked: a forked copy of a process with threads and an open environment could do nothing safely.
It is lost when it dies, whoever killed it; then the log knows nothing of the batch it had, has a new one started, and
reads what became of the batch.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec
import trio

from storage import committer_wire as wire
from storage.committer import Append, Outcome, again
from storage.environment import Environment, Options
from storage.errors import CommitterLost, Conflict, LogFull, OutcomeUnknown, StorageError
from storage.layout import State
from storage.lock import DirectoryLock, lock_directory
from storage.types import Clock, KindId, Op, Record, Revision, Runner, Scope, Write, stamp

A = TypeVar("A", bound=wire.Answer)

RECEIVE_BYTES: Final = 64 * 1024
"""Bytes taken from the socket at a time: some hundred outcomes."""

TRIES: Final = 4
"""How often a new process is started before writes stop: one may be killed while it opens the environment, or find
the machine out of processes for a moment."""

PAUSE_SECONDS: Final = 0.05
"""Before the second try; twice as long before each further one."""

END_SECONDS: Final = 30.0
"""How long a process may take to end by itself: a transaction and its fsync on a slow disk."""

EVERYTHING: Final = Scope(b"")
"""All keys of the log."""

_CHILD: Final = "storage.committer_child"

logger = logging.getLogger(__name__)


class ProcessCommitter:
    """Commits in a process of its own: see storage.committer.Committer. Made by `start`, opened by the log."""

    shares_environment = False

    def __init__(self, path: Path, options: Options, lock: DirectoryLock, *, clock: Clock, runner: Runner) -> None:
        """For `start`."""
        self.path = path
        self.options = options
        self.lock = lock
        self._clock = clock
        self._runner = runner
        self._environment: Environment | None = None
        self._lost = False

    @classmethod
    def start(cls, path: Path, options: Options, *, clock: Clock, runner: Runner) -> Self:
        """Lock a data directory, made where it is missing, and start a process that opens the log in it.

        Returns at once, and needs no trio: `opened` tells how it went. `end` it where no log takes it over.

        Raises:
            AlreadyOpen: another process writes it.
            StorageError: the directory cannot be used, or no process can be started.

        """
        committer = cls(path, options, lock_directory(path), clock=clock, runner=runner)
        try:
            committer._spawn()
        except BaseException:
            committer.lock.release()
            raise
        return committer

    async def open(self) -> Environment:
        """Wait until the process has opened the environment, and open it here to read. Raises what opening it raises."""
        await self._answer(wire.Opened)
        options = msgspec.structs.replace(self.options, readonly=True)
        self._environment = await self._runner.run_sync(Environment, self.path, options)
        return self._environment

    def _spawn(self) -> None:
        """Start the process and tell it what to open. Raises StorageError."""
        (calls, its_calls), (news, its_news) = socket.socketpair(), socket.socketpair()
        descriptors = [its_calls.fileno(), its_news.fileno()]
        with its_calls, its_news:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and this package's own module
                    # Without `site`, the directory it was started in, and the user's packages: it finds modules where
                    # this process does, and in half the time.
                    [sys.executable, "-S", "-s", "-P", "-m", _CHILD, *map(str, descriptors)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[*descriptors, self.lock.descriptor],
                    env={**os.environ, "PYTHONPATH": _search_path()},
                    # Ctrl-C goes to the terminal's whole process group.
                    process_group=0,
                )
            except OSError as error:
                calls.close()
                news.close()
                raise StorageError(f"the process that commits cannot be started: {error.strerror}") from error
        self._calls, self._news = calls, news
        self._inflow = wire.Inflow()
        self._lost = False
        calls.setblocking(False)
        news.setblocking(False)
        with suppress(ConnectionError):
            # It fits what the kernel holds of a new stream.
            calls.send(wire.framed(wire.Open(str(self.path), self.options)))

    # Calls -----------------------------------------------------------------------------------------------------

    async def commit(self, appends: Sequence[Append]) -> list[Outcome]:
        """Commit appends in one synced transaction; the outcomes are in their order.

        All are CommitterLost where the process has died.
        """
        request = wire.Commit(self._clock.now_ms(), list(appends))
        try:
            return self._outcomes(appends, (await self._ask(request, wire.Committed)).outcomes)
        except StorageError as error:
            return [again(error) for _ in appends]

    def _outcomes(self, appends: Sequence[Append], told: Sequence[wire.Stamp | wire.Lost | wire.Fault]) -> list[Outcome]:
        """Make outcomes of what was told. Raises OutcomeUnknown where what was deleted cannot be read."""
        outcomes: list[Outcome] = []
        for append, outcome in zip(appends, told, strict=True):
            match outcome:
                case wire.Stamp(revision):
                    put = append.write.op is Op.PUT
                    outcomes.append(_record(append.write, outcome) if put else self._deleted(revision))
                case wire.Lost(key, expected, actual):
                    outcomes.append(Conflict(key, expected, actual))
                case wire.Fault():
                    outcomes.append(outcome.error)
        return outcomes

    def _deleted(self, revision: Revision) -> Record:
        """Read the record of a delete: it shows what was there before, which has no bound as a whole batch's."""
        assert self._environment is not None  # noqa: S101 - nothing is committed before it is open
        try:
            batch = self._environment.ask(lambda s: s.read(Revision(revision - 1), EVERYTHING, 1, 0, revision))
        except StorageError as error:
            raise OutcomeUnknown(f"what was committed cannot be read: {error}") from error
        return batch.records[0]

    async def allot(self, names: Sequence[str]) -> list[KindId]:
        """Return the ids of storage names, allotting those that are missing. Raises LogFull, OutcomeUnknown, Corrupt."""
        return (await self._ask(wire.Allot(list(names)), wire.Allotted)).ids

    async def compact(self, upto: Revision) -> State:
        """Raise the floor towards `upto` in one short transaction. Raises LogFull, OutcomeUnknown, Corrupt."""
        return (await self._ask(wire.Compact(upto), wire.Compacted)).state

    async def _ask(self, request: wire.Request, answer: type[A]) -> A:
        data = wire.framed(request)
        if len(data) > wire.LENGTH_BYTES + wire.MESSAGE_BYTES:
            raise LogFull(f"a write of {len(data)} bytes: the limit is {wire.MESSAGE_BYTES}")
        with memoryview(data) as view:
            sent = 0
            while sent < len(data):
                try:
                    sent += self._calls.send(view[sent:])
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(self._calls)
                except OSError as error:
                    raise self._losing() from error
        return await self._answer(answer)

    async def _answer(self, expected: type[A]) -> A:
        while (message := self._inflow.take()) is None:
            await trio.lowlevel.wait_readable(self._calls)
            try:
                data = self._calls.recv(RECEIVE_BYTES)
            except OSError as error:
                raise self._losing() from error
            if not data:
                raise self._losing()
            self._inflow.add(data)
        answer = wire.decode_answer(message)
        if isinstance(answer, wire.Fault):
            raise answer.error
        assert isinstance(answer, expected)  # noqa: S101 - there is one answer to each request
        return answer

    # Its end ---------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The id of the process that commits now."""
        return self._process.pid

    @property
    def gone(self) -> bool:
        """Whether the process is known to have died, and no other has taken its place."""
        return self._lost

    async def lost(self) -> None:
        """Wait until it may be gone without having been asked anything: `gone` tells."""
        if not self._lost:
            with suppress(trio.ClosedResourceError):
                await trio.lowlevel.wait_readable(self._news)
                self._lost = True

    async def reopen(self) -> None:
        """Start a new process in the place of the old one, which is ended. Raises StorageError after some tries."""
        for attempt in range(TRIES):
            status = await self._stop(0.0)
            logger.warning("the process that commits ended with status %s: another is started", status)
            try:
                await self._runner.run_sync(self._spawn)
                await self._answer(wire.Opened)
            except StorageError:
                if attempt == TRIES - 1:
                    await self._stop(0.0)
                    raise
                await trio.sleep(PAUSE_SECONDS * 2**attempt)
            else:
                return

    async def aclose(self) -> None:
        """Let the process end, and see it end. May be called twice."""
        await self._stop(END_SECONDS)

    def end(self) -> None:
        """End the process and give up the lock, where no log has done it. Blocks until it has ended."""
        self._calls.close()
        self._news.close()
        self._reap(END_SECONDS)
        self.lock.release()

    async def _stop(self, seconds: float) -> int:
        """Close the sockets, which ends the process, and see it end; return its status."""
        for connection in (self._calls, self._news):
            if connection.fileno() >= 0:
                trio.lowlevel.notify_closing(connection)
                connection.close()
        return await self._runner.run_sync(self._reap, seconds)

    def _reap(self, seconds: float) -> int:
        """Wait for the process's end, which is forced after a time; return its status."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            # One that hangs in the kernel may still write: nobody may take its place before it is dead.
            return self._process.wait()

    def _losing(self) -> CommitterLost:
        self._lost = True
        return CommitterLost("the process that commits has died")


def _search_path() -> str:
    """Return where this process finds modules, this package first: it may be known to an import hook alone."""
    return os.pathsep.join([str(Path(__file__).parents[1]), *map(os.path.abspath, sys.path)])


def _record(write: Write, told: wire.Stamp) -> Record:
    """Return the record of a put."""
    return Record(
        told.revision,
        write.key,
        write.op,
        write.header,
        stamp(write.body, write.stamp_at, told.revision),
        write.stamp_at,
        told.created,
        told.previous,
        told.previous_header,
        told.time_ms,
    )

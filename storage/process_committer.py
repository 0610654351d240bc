"""A log's side of the process that commits (storage.committer_process): asked here, over a pair of sockets.

It is lost when it dies, whoever killed it. Then the log knows nothing of the batch that it had, is connected to another,
and reads what became of the batch.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

import msgspec
import trio

from storage import committer_wire as wire
from storage.committer import Append, Outcome, again
from storage.committer_process import Connection
from storage.environment import Environment
from storage.errors import CommitterLost, Conflict, LogFull, OutcomeUnknown, StorageError
from storage.layout import State
from storage.receipt import Asked
from storage.types import EVERYTHING, Clock, KindId, Op, Record, Revision, Write, stamp

A = TypeVar("A", bound=wire.Answer)

RECEIVE_BYTES: Final = 64 * 1024
"""Bytes taken from the socket at a time: some hundred outcomes."""

NEWS_BYTES: Final = 4096
"""Bytes of news taken at a time: whatever their number, they say the same."""

Renew = Callable[[], Awaitable[Connection]]
"""Connects to a new process in the place of one that has died, or of one that is to die. Raises StorageError."""


class ProcessCommitter:
    """Commits in a process of its own: see storage.committer.Committer.

    `shared` says that other logs may commit through the same process.
    """

    shares_environment = False

    def __init__(
        self,
        connection: Connection,
        renew: Renew,
        environment: Environment,
        *,
        slot: int,
        token: bytes,
        clock: Clock,
        shared: bool,
    ) -> None:
        """`environment` is the one that is read from: opened when the process had opened its own.

        `slot` and `token` are the log's (storage.receipt.Asked).
        """
        self.asked = Asked(slot, token, 0)
        self.shared = shared
        self._renew = renew
        self._environment = environment
        self._clock = clock
        self._connect(connection)

    def _connect(self, connection: Connection) -> None:
        self._calls, self._news = connection
        self._inflow = wire.Inflow()
        self._lost = False
        for one in connection:
            one.setblocking(False)

    # Calls -----------------------------------------------------------------------------------------------------

    async def commit(self, appends: Sequence[Append]) -> list[Outcome]:
        """Commit appends in one synced transaction; the outcomes are in their order.

        All are CommitterLost where the process has died.
        """
        self.asked = msgspec.structs.replace(self.asked, sequence=self.asked.sequence + 1)
        request = wire.Commit(self._clock.now_ms(), self.asked, list(appends))
        try:
            told = (await self._ask(request, wire.Committed)).outcomes
            self._lost = any(isinstance(outcome, wire.Fault) and _is_unsure(outcome) for outcome in told)
            return self._outcomes(appends, told)
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
            self._lost = _is_unsure(answer)
            raise answer.error
        assert isinstance(answer, expected)  # noqa: S101 - there is one answer to each request
        return answer

    # Its end, and that of others' silence ----------------------------------------------------------------------

    @property
    def gone(self) -> bool:
        """Whether the process is known to have died, or to be about to, and no other has taken its place."""
        return self._lost

    async def news(self) -> None:
        """Wait until another log may have committed, or the process may be gone: `gone` tells."""
        if self._lost:
            await trio.lowlevel.checkpoint()
            return
        with suppress(trio.ClosedResourceError):
            await trio.lowlevel.wait_readable(self._news)
            try:
                self._lost = self._lost or not self._news.recv(NEWS_BYTES)
            except ConnectionError:
                self._lost = True

    async def reopen(self) -> None:
        """Connect to another process where this one is gone. Raises StorageError where there is none: there is no more writing."""
        if not self._lost:
            # What was committed could not be read: no other process would help, and nobody would start one.
            await trio.lowlevel.checkpoint()
            return
        await self.aclose()
        self._connect(await self._renew())

    async def aclose(self) -> None:
        """Part from the process. May be called twice."""
        for connection in (self._calls, self._news):
            if connection.fileno() >= 0:
                trio.lowlevel.notify_closing(connection)
                connection.close()
        await trio.lowlevel.checkpoint()

    def _losing(self) -> CommitterLost:
        self._lost = True
        return CommitterLost("the process that commits has died")


def _is_unsure(fault: wire.Fault) -> bool:
    """Tell whether the process ends itself after such an answer, so that another looks at what is stored."""
    return isinstance(fault.error, OutcomeUnknown)


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

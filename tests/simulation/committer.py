"""The process that commits, in a simulated cluster: its Service and Writer, how it dies, and how messages reach it late."""

from __future__ import annotations

import random  # noqa: TID251 - drawn from a seed that each failure names
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import attrs
import trio

from storage.committer import Append, Askers, Outcome, Writer
from storage.committer_child import Service
from storage.committer_process import Connection
from storage.environment import Environment, Options
from storage.errors import LogFull
from storage.layout import State
from storage.types import KindId, Op, Record, Revision

OPTIONS = Options(cluster_id="simulated", relaxed=True)
"""Of the environment: nothing here loses its power."""

FULL = 0.6
"""Part of the transactions that find no room on a full disk."""

CHUNK = 64 * 1024
"""Bytes taken from a socket at once."""


class Died(Exception):
    """The process that commits was killed."""


class SharedEnvironment:
    """The environment as a worker reads it: a process may open it once, and this one does so for all."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._environment, name)

    def close(self) -> None:
        """Leave it open: others have it too."""


class Link:
    """Carries what is written to a socket to another one: late, and in order."""

    def __init__(self, near: socket.socket, far: socket.socket, delay: Callable[[], float]) -> None:
        self._near = near
        self._far = far
        self._delay = delay
        for end in (near, far):
            end.setblocking(False)

    async def run(self, arrived: Callable[[], None]) -> None:
        """Carry both ways until both ends are closed; `arrived` is told of what comes to the far one."""
        with self._near, self._far:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._carry, self._near, self._far, arrived)
                nursery.start_soon(self._carry, self._far, self._near, lambda: None)

    def cut_near(self) -> None:
        """Break off at the near end, whose process has died: what it has sent still arrives."""
        with suppress(OSError):
            self._near.shutdown(socket.SHUT_RDWR)

    async def _carry(self, source: socket.socket, target: socket.socket, arrived: Callable[[], None]) -> None:
        send, receive = trio.open_memory_channel[bytes](1_000_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take, source, send)
            async with receive:
                async for data in receive:
                    await trio.sleep(self._delay())
                    await self._put(target, data)
                    arrived()
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)
            arrived()

    @staticmethod
    async def _take(source: socket.socket, send: trio.MemorySendChannel[bytes]) -> None:
        async with send:
            while True:
                await trio.lowlevel.wait_readable(source)
                try:
                    data = source.recv(CHUNK)
                except OSError:
                    return
                if not data:
                    return
                send.send_nowait(data)

    @staticmethod
    async def _put(target: socket.socket, data: bytes) -> None:
        while data:
            try:
                data = data[target.send(data) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(target)
            except OSError:
                return


@attrs.define(eq=False)
class Truth:
    """What is on the disk, and what is known outside."""

    committed: list[Record] = attrs.field(factory=list)
    floor: int = 0
    answered: int = 0
    """The highest revision that any client has been told of."""
    full: bool = False
    """Whether the disk has room for few writes only."""

    @property
    def head(self) -> int:
        return len(self.committed)


class MortalWriter(Writer):
    """The committer's transactions, and the truth about what was committed."""

    def __init__(self, environment: Environment, truth: Truth, draw: random.Random) -> None:
        super().__init__(environment)
        self._truth = truth
        self._draw = draw
        self.death = ""
        """When to die: "before" the next transaction, or "after" it and before its answer."""

    def _transact(
        self, appends: Sequence[Append], now_ms: int, askers: Askers, before: Sequence[Outcome] = ()
    ) -> list[Outcome]:
        puts = any(append.write.op is Op.PUT for append in appends)
        if puts and self._truth.full and self._draw.random() < FULL:
            raise LogFull("the disk is full")
        return self._mortal(lambda: self._noted(super(MortalWriter, self)._transact(appends, now_ms, askers, before)))

    def allot(self, names: Sequence[str]) -> list[KindId]:
        return self._mortal(lambda: super(MortalWriter, self).allot(names))

    def compact(self, upto: Revision) -> State:
        return self._mortal(lambda: self._noted_floor(super(MortalWriter, self).compact(upto)))

    def _mortal(self, call: Callable[[], Any]) -> Any:
        if self.death == "before":
            raise Died
        result = call()
        if self.death:
            raise Died
        return result

    def _noted(self, outcomes: list[Outcome]) -> list[Outcome]:
        self._truth.committed += [outcome for outcome in outcomes if isinstance(outcome, Record)]
        return outcomes

    def _noted_floor(self, state: State) -> State:
        self._truth.floor = state.floor
        return state


class SimulatedCommitter:
    """The process that commits: its Service, served whenever something has come."""

    def __init__(self, environment: Environment, truth: Truth, draw: random.Random) -> None:
        self._control, its_control = socket.socketpair()
        self.writer = MortalWriter(environment, truth, draw)
        self._service = Service(its_control, self.writer)
        self._its_control = its_control
        self._arrived = trio.Event()

    def arrived(self) -> None:
        self._arrived.set()

    def connect(self) -> Connection:
        """Return the ends of a log, as CommitterProcess.connect does."""
        (calls, its_calls), (news, its_news) = socket.socketpair(), socket.socketpair()
        # One that is dead shows as the end of both.
        with its_calls, its_news, suppress(OSError):
            socket.send_fds(self._control, [b"c"], [its_calls.fileno(), its_news.fileno()])
        self.arrived()
        return calls, news

    async def run(self, pause: Callable[[], float]) -> None:
        """Serve until it dies. `pause` is how long a transaction takes."""
        try:
            with suppress(Died):
                while True:
                    await self._arrived.wait()
                    self._arrived = trio.Event()
                    while self._service._poll.poll(0):
                        self._service.serve_once()
                        await trio.sleep(pause())
        finally:
            self._service.close()
            self._control.close()
            self._its_control.close()

"""Connections whose watch has nothing to do: they have no task, and one task hears for all of them (DESIGN section 5)."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from watchd.serving.http1 import Http1Connection


SLICE_SECONDS = 0.001
"""How long clients are heard before others have a turn of the loop."""


class Parking:
    """Where such connections wait for their clients' next word, which is most often their leaving."""

    def __init__(
        self, attend: Callable[[Http1Connection], Awaitable[object]], left: Callable[[Http1Connection], object]
    ) -> None:
        """Give connections back when they need a task; `close` it once none is left.

        Args:
            attend: runs a connection that has something to do, in a task of its own. Raises nothing.
            left: told of one that has ended while it had no task.

        """
        self._attend = attend
        self.left = left
        self._selector = selectors.DefaultSelector()
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hear for those that are parked, and run those that go on, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                while True:
                    # Linux and macOS have selectors that can be waited for themselves.
                    await trio.lowlevel.wait_readable(self._selector.fileno())
                    await self._hear()
            finally:
                # Before the nursery's end, from which on it takes no task.
                self._nursery = None

    async def _hear(self) -> None:
        """Tell those whose clients said something. Thousands may leave at once: others have their turns meanwhile."""
        until = perf_counter() + SLICE_SECONDS
        for key, _ in self._selector.select(0):
            if self._selector.get_map().get(key.fd) is not key:
                # It has left while others had their turn.
                continue
            self._selector.unregister(key.fd)
            key.data()
            if perf_counter() >= until:
                await trio.lowlevel.checkpoint()
                until = perf_counter() + SLICE_SECONDS

    def enter(self, sock: socket.socket, hear: Callable[[], object]) -> None:
        """Call `hear`, once, when the client says something or leaves."""
        self._selector.register(sock, selectors.EVENT_READ, hear)

    def leave(self, sock: socket.socket) -> None:
        """Hear no longer, if it did: before the socket is read elsewhere or closed."""
        if sock in self._selector.get_map():
            self._selector.unregister(sock)

    def resume(self, connection: Http1Connection) -> None:
        """Run a parked connection in a task again, or cut it off where none is to run any more."""
        if self._nursery is None:
            connection.abort()
        else:
            connection.unpark()
            self._nursery.start_soon(self._attend, connection)

    def close(self) -> None:
        """Give back what the selector holds."""
        self._selector.close()

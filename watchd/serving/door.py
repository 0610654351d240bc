"""The door: sockets bound here, connections served until shutdown, drained, and cut off at last."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import trio

from watchd.serving.backlog import Backlog
from watchd.serving.deadlines import Deadlines
from watchd.serving.http1 import Http1Connection
from watchd.serving.keepers import Keepers
from watchd.serving.listeners import BACKLOG, Bound, Listener, addresses, bind
from watchd.serving.parking import Parking
from watchd.serving.served import Served
from watchd.serving.transport import HandedStream

if TYPE_CHECKING:
    from watchd.serving.asgi import AsgiDoor

log = logging.getLogger(__name__)


NATIVE = True
"""Whether HTTP/1.1 is served by the native door where nobody says so."""


class Limits(msgspec.Struct, frozen=True):
    """What the door allows its clients: Hypercorn's defaults are for pages, these are for watches of days."""

    idle: float = 90.0
    """Seconds a connection may stay without a request, also before its first: the reference's (Hypercorn: 5)."""
    handshake: float = 10.0
    """Seconds for TLS: a client that says nothing holds a descriptor for no longer."""
    header_bytes: int = 64 * 1024
    """Of a request's line and headers: room for long tokens and selectors (Hypercorn: 16 KiB)."""
    header_fields: int = 500
    """Of a request, at the most, on the native door."""
    streams: int = 250
    """HTTP/2 streams, so watches, of one connection: Go's default (Hypercorn: 100). Times http2.STREAM_BYTES it is
    the most that waits for a connection's windows: 12 MiB."""
    grace: float = 10.0
    """Seconds for requests under way to end, once shutdown began."""
    backlog: int = BACKLOG


async def serve(
    served: Served,
    listeners: Sequence[Listener],
    *,
    shutdown: trio.Event,
    abort: trio.Event | None = None,
    limits: Limits | None = None,
    native: bool = NATIVE,
    task_status: trio.TaskStatus[list[Bound]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the API until shutdown; returns when every connection is gone.

    Args:
        served: the API.
        listeners: where.
        shutdown: set to stop accepting, close idle connections and let requests under way end within the grace
            time. Watches are ended by those who write them, who see the same event.
        abort: set to cut off whatever is left, at once.
        limits: what clients are allowed.
        native: whether HTTP/1.1 is served by `http1.py`, and not by Hypercorn as HTTP/2 is.
        task_status: started with the bound addresses, once clients can connect.

    Raises:
        ListenError: nothing was started.

    """
    door = _Door(served, limits or Limits(), abort if abort is not None else trio.Event())
    if not native:
        await door.import_hypercorn()
    contexts = [listener.tls.context() if listener.tls is not None else None for listener in listeners]
    bound: list[Bound] = []
    ways: list[Callable[[Any], Awaitable[None]]] = []
    doors: list[tuple[Listener, trio.SocketListener | trio.SSLListener[trio.SocketStream]]] = []
    try:
        for listener, context in zip(listeners, contexts, strict=True):
            sockets = await bind(listener, backlog=door.limits.backlog)
            bound += addresses(listener, sockets)
            for sock in sockets:
                tls = context and not native and trio.SSLListener(sock, context, https_compatible=True)
                doors.append((listener, tls or sock))
                ways.append(partial(door.native, context) if native else partial(door.hypercorn, tls=bool(context)))
        opened_doors = [(opened, way) for (_, opened), way in zip(doors, ways, strict=True)]
        await door.serve(opened_doors, shutdown, partial(task_status.started, bound))
    finally:
        door.close()
        for _, opened in doors:
            with trio.CancelScope(shield=True):
                await opened.aclose()


class _Open(Protocol):
    """A connection while it is open."""

    def drain(self) -> None:
        """Close as soon as no request is open."""

    def abort(self) -> None:
        """Cut it off."""


class _Door:
    """The connections of the API's clients and their common end."""

    def __init__(self, served: Served, limits: Limits, abort: trio.Event) -> None:
        self._served = served
        self.limits = limits
        self._abort = abort
        self._asgi: AsgiDoor | None = None
        self._importing = trio.Lock()
        self._open: set[_Open] = set()
        self._native: set[Http1Connection] = set()
        self._keepers = Keepers(Deadlines(self._native), Parking(self._attend, self._has_left), Backlog())
        self._closed = trio.Event()

    async def serve(
        self,
        doors: Sequence[tuple[Any, Callable[[Any], Awaitable[None]]]],
        shutdown: trio.Event,
        started: Callable[[], None],
    ) -> None:
        """Accept until shutdown, then drain."""
        async with trio.open_nursery() as connections:
            connections.start_soon(self._keepers.deadlines.run)
            await connections.start(self._keepers.parking.run)
            try:
                async with trio.open_nursery() as accepting:
                    for opened, way in doors:
                        accepting.start_soon(partial(trio.serve_listeners, way, [opened], handler_nursery=connections))
                    started()
                    await _either(shutdown, self._abort)
                    accepting.cancel_scope.cancel()
                await self._drain()
            finally:
                for connection in list(self._open):
                    connection.abort()
            connections.cancel_scope.cancel()

    def close(self) -> None:
        """Give back what it holds; no connection is left."""
        self._keepers.parking.close()

    async def native(self, context: ssl.SSLContext | None, stream: trio.SocketStream) -> None:
        """Serve a connection in HTTP/1.1, and have Hypercorn go on with it where it says something else."""
        sock = socket.socket(fileno=stream.socket.detach())
        sock.setblocking(False)
        connection = Http1Connection(self._served, self.limits, self._keepers, sock, context)
        self._open.add(connection)
        self._native.add(connection)
        await self._attend(connection)

    async def _attend(self, connection: Http1Connection) -> None:
        """Serve a connection to its end, or until it needs no task for a while."""
        handed = None
        try:
            handed = await connection.run()
            if handed is not None and not await self._can_hand_over(handed):
                handed = None
        finally:
            if not connection.parked:
                self._has_left(connection)
        if handed is not None:
            await self.hypercorn(handed, tls=connection.tls)

    def _has_left(self, connection: Http1Connection) -> None:
        self._native.discard(connection)
        self._left(connection)

    async def _can_hand_over(self, stream: HandedStream) -> bool:
        """Make sure that Hypercorn is there for a connection; close it else."""
        ready = False
        try:
            await self.import_hypercorn()
            ready = True
        except Exception:  # The boundary of one client: the others speak HTTP/1.1, and need none of it.
            log.exception("HTTP/2 cannot be served")
        finally:
            if not ready:
                stream.transport.close()
        return ready

    async def import_hypercorn(self) -> AsgiDoor:
        """Return Hypercorn's side of the door. Raises UnknownHypercorn.

        It is imported for the first client that needs it, which most servers never see, and on a thread: the others do
        not wait for the quarter of a second that it takes.
        """
        if self._asgi is None:
            async with self._importing:
                if self._asgi is None:
                    self._asgi = await trio.to_thread.run_sync(_import_hypercorn, self._served, self.limits)
        return self._asgi

    async def hypercorn(self, stream: Any, *, tls: bool) -> None:
        """Serve a connection by Hypercorn."""
        asgi = await self.import_hypercorn()
        connection = asgi.connection(stream, tls=tls)
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._left(connection)

    def _left(self, connection: _Open) -> None:
        self._open.discard(connection)
        if not self._open:
            self._closed.set()

    async def _drain(self) -> None:
        """Let requests under way end; returns when all have, at the end of the grace time, or on abort."""
        if self._asgi is not None:
            await self._asgi.drain()
        self._closed = trio.Event()
        for connection in list(self._open):
            connection.drain()
        if not self._open:
            return
        with trio.move_on_after(self.limits.grace) as grace:
            await _either(self._closed, self._abort)
        if grace.cancelled_caught or self._abort.is_set():
            log.warning("cutting off %d connections whose requests did not end", len(self._open))


async def _either(first: trio.Event, second: trio.Event) -> None:
    async def wait(event: trio.Event) -> None:
        await event.wait()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, first)
        nursery.start_soon(wait, second)


def _import_hypercorn(served: Served, limits: Limits) -> AsgiDoor:
    from watchd.serving.asgi import AsgiDoor  # noqa: PLC0415 - see _Door.import_hypercorn

    return AsgiDoor(served, limits)

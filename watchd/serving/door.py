"""The door: sockets bound here, connections served until shutdown, drained, and cut off at last."""

from __future__ import annotations

import logging
import math
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import attrs
import trio
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, LifespanState
from hypercorn.utils import wrap_app

from watchd.serving import http2
from watchd.serving.app import Application
from watchd.serving.connection import Connection
from watchd.serving.deadlines import Deadlines
from watchd.serving.http1 import Http1Connection
from watchd.serving.listeners import BACKLOG, Bound, Listener, addresses, bind
from watchd.serving.loopback import LoopbackOnly

log = logging.getLogger(__name__)


NATIVE = True
"""Whether HTTP/1.1 is served by the native door where nobody says so."""


@attrs.frozen
class Limits:
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
    app: Application,
    listeners: Sequence[Listener],
    *,
    shutdown: trio.Event,
    abort: trio.Event | None = None,
    limits: Limits | None = None,
    native: bool = NATIVE,
    task_status: trio.TaskStatus[list[Bound]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an application until shutdown; returns when every connection is gone.

    Args:
        app: from `create_app`.
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
    http2.apply()
    door = _Door(app, limits or Limits(), abort if abort is not None else trio.Event())
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
                served = door.app_for(listener)
                ways.append(partial(door.native, served, context) if native else partial(door.hypercorn, served))
        async with trio.open_nursery() as lifespan:
            await door.start_application(lifespan)
            opened_doors = [(opened, way) for (_, opened), way in zip(doors, ways, strict=True)]
            await door.serve(opened_doors, shutdown, partial(task_status.started, bound))
            await door.end_application()
            lifespan.cancel_scope.cancel()
    finally:
        for _, opened in doors:
            with trio.CancelScope(shield=True):
                await opened.aclose()


class _Door:
    """The connections of one application and their common end."""

    def __init__(self, app: Application, limits: Limits, abort: trio.Event) -> None:
        self._application = app
        self.limits = limits
        self._abort = abort
        self._config = _config(limits)
        self._context = WorkerContext(None)
        self._app: AppWrapper = wrap_app(app, self._config.wsgi_max_body_size, "asgi")
        self._state: LifespanState = LifespanState({})
        self._lifespan = Lifespan(self._app, self._config, self._state)
        self._open: set[Connection | Http1Connection] = set()
        self._native: set[Http1Connection] = set()
        self._deadlines = Deadlines(self._native)
        self._closed = trio.Event()

    async def start_application(self, nursery: trio.Nursery) -> None:
        await nursery.start(self._lifespan.handle_lifespan)
        await self._lifespan.wait_for_startup()

    async def end_application(self) -> None:
        await self._lifespan.wait_for_shutdown()

    async def serve(
        self,
        doors: Sequence[tuple[Any, Callable[[Any], Awaitable[None]]]],
        shutdown: trio.Event,
        started: Callable[[], None],
    ) -> None:
        """Accept until shutdown, then drain."""
        async with trio.open_nursery() as connections:
            connections.start_soon(self._deadlines.run)
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

    def app_for(self, listener: Listener) -> AppWrapper:
        """Return the application as a listener's clients may reach it under Hypercorn."""
        return self._app if listener.tls is not None else LoopbackOnly(self._app)

    async def native(self, app: AppWrapper, context: ssl.SSLContext | None, stream: trio.SocketStream) -> None:
        """Serve a connection in HTTP/1.1, and have Hypercorn go on with it where it says something else."""
        sock = socket.socket(fileno=stream.socket.detach())
        sock.setblocking(False)
        connection = Http1Connection(self._application, self.limits, self._deadlines, sock, context)
        self._open.add(connection)
        self._native.add(connection)
        handed = None
        try:
            handed = await connection.run()
        finally:
            self._native.discard(connection)
            self._left(connection)
        if handed is not None:
            await self.hypercorn(app, handed)

    async def hypercorn(self, app: AppWrapper, stream: Any) -> None:
        """Serve a connection by Hypercorn."""
        connection = Connection(app, self._config, self._context, self._state, stream)
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._left(connection)

    def _left(self, connection: Connection | Http1Connection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._closed.set()

    async def _drain(self) -> None:
        """Let requests under way end; returns when all have, at the end of the grace time, or on abort."""
        await self._context.terminated.set()
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


def _config(limits: Limits) -> Config:
    """Say every limit of Hypercorn on purpose."""
    config = Config()
    config.accesslog = None  # The audit log says more, and this one costs 60 us a request.
    config.errorlog = logging.getLogger("watchd.serving.hypercorn")
    config.include_date_header = False
    config.include_server_header = False
    config.keep_alive_timeout = limits.idle
    config.keep_alive_max_requests = math.inf  # type: ignore[assignment]  # compared only; clients stay
    config.ssl_handshake_timeout = limits.handshake
    config.h11_max_incomplete_size = limits.header_bytes
    config.h2_max_header_list_size = limits.header_bytes
    config.h2_max_concurrent_streams = limits.streams
    return config

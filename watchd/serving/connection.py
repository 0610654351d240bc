"""One client's connection under Hypercorn, with the transport's hazards taken out.

Hypercorn 0.18's own TCPServer (measured, DESIGN section 6):

- shields a send from every cancellation, so that a client that reads nothing holds its tasks for ever and graceful
  shutdown hangs on it: here a send has a deadline, and `abort` frees it at once;
- lets errors out that end the whole process, such as the BusyResourceError after an HTTP/2 GOAWAY with requests
  open: here what goes wrong on a connection ends that connection;
- leaves tasks behind that wait for a client who is gone, or for an application that has finished: here a connection
  takes its tasks with it;
- keeps a task for each idle connection: here a deadline does that.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.trio.task_group import TaskGroup, _handle
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ASGISendEvent, ConnectionState, LifespanState, Scope
from hypercorn.utils import parse_socket_addr

from watchd.serving.sink import Patience
from watchd.serving.tls import TlsTransport
from watchd.serving.transport import HandedStream

log = logging.getLogger(__name__)

STATE_KEY = "watchd.connection"
"""Where an application finds its Connection in the ASGI scope's `state`."""

MAX_RECEIVE = 64 * 1024
"""Bytes taken from the socket at once, as Hypercorn does."""

CLOSE_PATIENCE = 1.0
"""Seconds for a TLS close_notify: a courtesy, not worth waiting for."""

APPS_PER_STREAM = 2
"""Applications a connection may have running for each stream it may have open: streams that the client has reset
no longer count as open, and their handlers end soon after. Past it the connection is not read (CVE-2023-44487)."""

GONE = (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError)
"""What a transport raises once it is of no use. Busy: somebody else is closing it or writing to it."""

HYPERCORN_PATIENCE = Patience().answer
"""Seconds a send may wait while no answer has said how long: for what Hypercorn sends by itself."""


class Mailbox:
    """Events on their way to one application, bounded; those that come after its end are dropped.

    Hypercorn's own channel blocks the connection's reader for ever once an application ends without reading its
    body; and an idle watch pays for it with two kilobytes.
    """

    __slots__ = ("_changed", "_closed", "_events", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._events: list[ASGIReceiveEvent] = []
        self._closed = False
        self._changed: trio.Event | None = None

    async def put(self, event: ASGIReceiveEvent) -> None:
        """Add an event; waits while too many wait."""
        while len(self._events) >= self._most and not self._closed:
            await self._change()
        if not self._closed:
            self._events.append(event)
            self._wake()

    async def take(self) -> ASGIReceiveEvent:
        """Return the next event; waits for it."""
        while not self._events:
            await self._change()
        self._wake()
        return self._events.pop(0)

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True
        self._events.clear()
        self._wake()

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = trio.Event()
        await self._changed.wait()

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None


class Applications(TaskGroup):
    """The tasks of one connection: an application for each of its requests.

    They run in a nursery that is given: Hypercorn's own block drops what its nursery's end returns, and so lets a
    Cancelled out that is not its caller's.
    """

    def __init__(self, nursery: trio.Nursery, most: int) -> None:
        super().__init__()
        self._nursery = nursery
        self._most = most
        self._running = 0
        self._ended: trio.Event | None = None

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Start an application and return how to pass it events; waits while too many run."""
        while self._running >= self._most:
            self._ended = trio.Event()
            await self._ended.wait()
        self._running += 1
        mailbox = Mailbox(config.max_app_queue_size)
        self.spawn(self._run_app, app, config, scope, mailbox, send)
        return mailbox.put

    async def _run_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        mailbox: Mailbox,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> None:
        try:
            await _handle(app, config, scope, mailbox.take, send, trio.to_thread.run_sync, trio.from_thread.run)
        finally:
            mailbox.close()
            self._running -= 1
            if self._ended is not None:
                self._ended.set()
                self._ended = None


class Connection(TCPServer):
    """One client's connection: it reads, hands requests to applications, and is the one writer of its socket.

    `run` returns when the client is gone, was idle too long, or was cut off; all tasks of the connection have ended
    then. It raises nothing but cancellation.
    """

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        state: LifespanState | ConnectionState,
        stream: trio.SSLStream[trio.SocketStream] | trio.SocketStream | HandedStream,
    ) -> None:
        super().__init__(app, config, context, LifespanState({**state, STATE_KEY: self}), stream)  # type: ignore[arg-type]  # plain streams are meant too
        del self.idle_task
        self.dead = False
        self._idle = True
        self._served = False
        self._read_deadline = trio.current_time() + config.keep_alive_timeout
        self._reading: trio.CancelScope | None = None
        self._expected: list[float] = []
        self._nursery: trio.Nursery | None = None
        self._handed = stream.transport if isinstance(stream, HandedStream) else None
        self._tls = isinstance(stream, trio.SSLStream) or isinstance(self._handed, TlsTransport)
        if isinstance(stream, HandedStream):
            self._socket: Any = stream.transport.sock
        else:
            self._socket = stream.transport_stream.socket if isinstance(stream, trio.SSLStream) else stream.socket

    # What applications and the door use.

    @property
    def draining(self) -> bool:
        """Whether the server is shutting down and this connection serves no further request."""
        return bool(self.context.terminated.is_set())

    def peer_certificate(self) -> bytes | None:
        """Return the client's verified certificate, DER."""
        if isinstance(self._handed, TlsTransport):
            return self._handed.peer_certificate()
        if not isinstance(self.stream, trio.SSLStream):
            return None
        certificate: bytes | None = self.stream.getpeercert(binary_form=True)
        return certificate

    def begin_answer(self, patience: float) -> None:
        """Let bytes wait so many seconds for the client, until `end_answer`; the most patient answer counts."""
        self._expected.append(patience)

    def end_answer(self, patience: float) -> None:
        """Take `begin_answer` back."""
        self._expected.remove(patience)

    def drain(self) -> None:
        """Close as soon as no request is open: at once if none is."""
        if not self._served:
            self.abort()  # Still in its TLS handshake.
        elif self._idle:
            self._wait_for_bytes_until(-math.inf)

    def abort(self) -> None:
        """Cut the connection off, whatever it does; no task is left waiting for the client."""
        self.dead = True
        self._cut()

    # What Hypercorn calls.

    async def run(self) -> None:
        """Serve the connection to its end."""
        try:
            if not isinstance(self.stream, trio.SSLStream) or await self._handshake():
                await self._serve()
        except* OSError:
            pass  # The peer vanished between accept and getpeername.
        except* Exception:  # The boundary of one client: what it provokes must not reach the others.
            log.exception("connection ended by an error")
        finally:
            await self._close()

    async def protocol_send(self, event: Event) -> None:
        """Take what a protocol has to say: bytes, the end, or whether requests are open."""
        if isinstance(event, RawData):
            if event.data:
                await self._send(event.data)
        elif isinstance(event, Closed):
            await self._close()
            self._end()
        elif isinstance(event, Updated):
            self._idle = event.idle
            if not event.idle:
                self._wait_for_bytes_until(math.inf)
            elif self.draining:
                self._wait_for_bytes_until(-math.inf)
            else:
                self._wait_for_bytes_until(trio.current_time() + self.config.keep_alive_timeout)

    async def _handshake(self) -> bool:
        try:
            with trio.fail_after(self.config.ssl_handshake_timeout):
                await self.stream.do_handshake()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            return False
        return True

    async def _serve(self) -> None:
        async with trio.open_nursery() as self._nursery:
            self.protocol = ProtocolWrapper(
                self.app,
                self.config,
                self.context,
                Applications(self._nursery, APPS_PER_STREAM * self.config.h2_max_concurrent_streams),
                ConnectionState(self.state),
                self._tls,
                parse_socket_addr(self._socket.family, self._socket.getpeername()),
                parse_socket_addr(self._socket.family, self._socket.getsockname()),
                self.protocol_send,
                self._agreed() or "http/1.1",
            )
            await self.protocol.initiate()
            self._served = True
            try:
                await self._read_data()
            finally:
                # Also on cancellation: sends are shielded, and would hold the nursery up to their deadline.
                self._end()

    def _agreed(self) -> str | None:
        """Return the protocol that TLS chose."""
        if isinstance(self._handed, TlsTransport):
            return self._handed.alpn
        return self.stream.selected_alpn_protocol() if self._tls else None

    async def _read_data(self) -> None:
        while not self.dead:
            with trio.CancelScope(deadline=self._read_deadline) as self._reading:
                try:
                    data = await self.stream.receive_some(MAX_RECEIVE)
                except GONE:
                    return
            scope, self._reading = self._reading, None
            if scope.cancelled_caught:
                await self._initiate_server_close()
                return
            if not data:
                return
            await self.protocol.handle(RawData(bytes(data)))

    async def _initiate_server_close(self) -> None:
        goaway = getattr(self.protocol.protocol, "goaway", None)
        if goaway is not None:
            await goaway()
        await self._close()

    async def _send(self, data: bytes) -> None:
        # Shielded: an HTTP/2 connection's bytes are lost for all its streams if one stream's task gives up on them.
        with trio.CancelScope(shield=True) as scope:
            async with self.send_lock:
                if self.dead:
                    return
                scope.deadline = trio.current_time() + max(self._expected, default=HYPERCORN_PATIENCE)
                try:
                    await self.stream.send_all(data)
                except GONE:
                    self._end()
                scope.deadline = math.inf
        if scope.cancelled_caught:
            self._end()

    async def _close(self) -> None:
        if not self.dead:
            self.dead = True
            with trio.move_on_after(CLOSE_PATIENCE, shield=True):
                with contextlib.suppress(*GONE):
                    await self.stream.aclose()
        self._cut()

    def _cut(self) -> None:
        if self._handed is not None:
            self._handed.close()
        else:
            self._socket.close()

    def _end(self) -> None:
        self.abort()
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    def _wait_for_bytes_until(self, deadline: float) -> None:
        self._read_deadline = deadline
        if self._reading is not None:
            self._reading.deadline = deadline



"""The native door's HTTP/1.1: one client's connection, whose requests go straight to the API.

Reads and writes are plain calls on a socket that does not block; a request costs no task, no scope and no message. What
it does not speak it hands over with the bytes that it read: HTTP/2 is Hypercorn's.
"""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import orjson
import trio

from watchd.api.message import Request, Response, Sink, SinkClosed, Stream, WatchStream
from watchd.serving.answer import BODILESS, INTERNAL, answer_headers, audit_id, refuse_websocket, status_response
from watchd.serving.compress import GZIP_HEADERS, GzipSink, compresses
from watchd.serving.head import PREFACE, BadHead, Head, Heads
from watchd.serving.http1_body import DRAIN_BODY, Http1Body, no_body
from watchd.serving.http1_head import whole_head
from watchd.serving.http1_reader import Reader
from watchd.serving.http1_sink import Http1Sink, Writer, head_bytes
from watchd.serving.http1_watch import Http1Watch
from watchd.serving.keepers import Keepers
from watchd.serving.loopback import is_loopback_name, refusal
from watchd.serving.served import Served
from watchd.serving.sink import PIECE
from watchd.serving.tls import TlsTransport
from watchd.serving.transport import GONE, HandedStream, PlainTransport, reset_on_close
from watchd.status import Reason, StatusError, internal

if TYPE_CHECKING:
    from watchd.serving.door import Limits

log = logging.getLogger(__name__)

LINGER = 1.0
"""Seconds for a client to read an answer behind which its connection closes. Closing on bytes that were not read makes
the kernel reset the connection, and throw the answer away."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

NOTHING = b""

loopback = lru_cache(256)(is_loopback_name)


class Http1Connection:
    """One client's connection. It is its own reader and the one writer of its socket."""

    __slots__ = (
        "_aborted", "_app", "_certificate", "_deadlines", "_draining", "_heads", "_idle", "_limits", "_parking", "_peer", "_plain",
        "_reader", "_scope", "_started", "_transport", "_watch", "_writer", "deadline", "parked",
    )  # fmt: skip

    def __init__(
        self,
        app: Served,
        limits: Limits,
        keepers: Keepers,
        sock: socket.socket,
        context: ssl.SSLContext | None,
    ) -> None:
        """Serve a socket that does not block.

        Args:
            app: what answers.
            limits: what the client is allowed.
            keepers: what looks after the door's connections.
            sock: connected; closed by `run`, unless it is handed over.
            context: for TLS. Without it only requests to loopback names are served.

        """
        self._app = app
        self._limits = limits
        self._deadlines = keepers.deadlines
        self._plain = context is None
        plain = PlainTransport(sock)
        self._transport = plain if context is None else TlsTransport(plain, context)
        self._reader = Reader(self._transport, limits.header_bytes)
        self._heads = Heads(limits.header_fields)
        self._writer = Writer(self._transport, self, keepers.deadlines, keepers.backlog, app.patience.answer)
        self._parking = keepers.parking
        self._scope: trio.CancelScope | None = None
        self._peer = ""
        self._certificate: bytes | None = None
        self._draining = False
        self._idle = True
        self._started = False
        self._aborted = False
        self._watch: Http1Watch | None = None
        self.deadline = math.inf
        self.parked = False
        """Whether it has no task, for as long as its watch has nothing to do."""

    # What the door does with it.

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS."""
        return not self._plain

    async def run(self) -> HandedStream | None:
        """Serve the connection to its end, or return it where another has to go on with it. Raises nothing.

        It may also return with the connection `parked`, which then is to be run again when it says so to its parking.
        """
        handed = None
        try:
            with trio.CancelScope() as self._scope:
                handed = await self._serve()
        except (SinkClosed, OSError, *GONE):
            pass  # The client is gone, or was ended.
        except Exception:  # The boundary of one client: what it provokes must not reach the others.
            log.exception("connection ended by an error")
        finally:
            self._scope = None
            if not self.parked:
                self._finish(close=handed is None)
        return handed

    def drain(self) -> None:
        """Close as soon as no request is open: at once if none is."""
        self._draining = True
        if self._idle:
            self._transport.end()
            self.abort()

    def abort(self) -> None:
        """Cut the connection off, whatever it does."""
        self._aborted = True
        if self.parked:
            self.unpark()
            self._finish(close=True)
            self._parking.left(self)
            return
        self._transport.close()
        if self._scope is not None:
            self._scope.cancel()

    def expire(self) -> None:
        """Have its watch go on, or end it: it was idle for too long, or took nothing of its answer."""
        if self.parked:
            self._wake()
            return
        if self._idle:
            self._transport.end()
        self.abort()

    # One request after the other.

    async def _serve(self) -> HandedStream | None:
        follows = True
        if self._watch is not None:
            follows = await self._go_on()
        elif await self._begin() == "h2":
            return HandedStream(self._transport, b"")
        while follows and not self._draining:
            self._idle = True
            try:
                self._await_head()
                # Once it has begun it has the time of an idle connection once more, and no longer.
                data = await self._reader.head(self._await_head)
                self.deadline = math.inf
                if data is None:
                    break
                head = self._heads.read(data) if data != PREFACE else None
            except BadHead as error:
                self._idle = False
                await self._refuse(error)
                return None
            if head is None:
                return HandedStream(self._transport, data + self._reader.rest)
            self._idle = False
            follows = await self._exchange(head)
        if self.parked:
            return None
        if follows:
            self._transport.end()
        else:
            await self._end()
        return None

    async def _begin(self) -> str | None:
        """Agree on TLS where it is spoken, and return the protocol that was agreed on."""
        transport = self._transport
        self._peer = transport.sock.getpeername()[0]
        if not isinstance(transport, TlsTransport):
            return None
        self._deadlines.set(self, trio.current_time() + self._limits.handshake)
        await transport.handshake()
        self._certificate = transport.peer_certificate()
        return transport.alpn

    def _await_head(self) -> None:
        self._deadlines.set(self, trio.current_time() + self._limits.idle)

    async def _exchange(self, head: Head) -> bool:
        """Answer one request; tell whether another can follow."""
        headers = head.headers
        audit = audit_id(headers, self._app.entropy)
        patience = self._app.patience
        expect = headers.get("expect") if head.http11 else None
        body = None
        if head.length:
            invite = self._invite if expect is not None else None
            body = Http1Body(self._reader, head, self._app.max_body, patience.answer, invite)
        response = await self._ask(head, body, audit, expect)
        close = head.close or head.websocket or not (body is None or body.done or await body.drain()) or self._draining
        self._writer.patience = patience.watch if response.watch else patience.answer
        if response.watch:
            self._heads.forget()
        self._started = False
        try:
            return await self._answer(head, response, audit, close=close)
        except (SinkClosed, *GONE):
            raise
        except Exception:  # What was begun is cut off, since its client must not take it for whole.
            log.exception("an answer was cut off", extra={"audit_id": audit})
        if self._started:
            if not head.http11:
                # The connection's end would be the answer's.
                reset_on_close(self._transport.sock)
            raise SinkClosed("an answer was cut off")
        return await self._answer(head, status_response(internal(INTERNAL)), audit, close=True)

    async def _ask(self, head: Head, body: Http1Body | None, audit: str, expect: str | None) -> Response:
        headers = head.headers
        if self._plain and "host" in headers and not loopback(headers["host"]):
            return refusal(headers["host"])
        if expect is not None and expect.lower() != "100-continue":
            return Response(417, [("Content-Type", "text/plain")], b"unsupported expectation\n")
        request = Request(
            method=head.method,
            raw_path=head.path,
            raw_query=head.query,
            headers=headers,
            read_body=body.read if body is not None else no_body,
            peer=self._peer,
            peer_certificate=self._certificate,
            audit_id=audit,
        )
        try:
            if head.websocket:
                return await refuse_websocket(self._app.handle, request)
            return await self._app.handle(request)
        except Exception:  # The boundary of one request: its client gets a Status, the log the traceback.
            log.exception("error in a handler", extra={"audit_id": audit})
            return status_response(internal(INTERNAL))

    def _invite(self) -> None:
        with contextlib.suppress(*GONE):
            self._transport.send_nowait(CONTINUE)

    # Answers.

    async def _answer(self, head: Head, response: Response, audit: str, *, close: bool) -> bool:
        body = response.body
        gzip = compresses(head.method, head.headers.get("accept-encoding", ""), response)
        if isinstance(body, bytes) and not gzip:
            await self._send(whole_head(response, audit, close=close), NOTHING if head.method == "HEAD" else body)
            return not close
        headers = answer_headers(response, audit)
        if close:
            headers.append(("Connection", "close"))
        if not head.http11:
            close = True
        return await self._stream(head, response, headers, gzip=gzip, close=close)

    async def _send(self, head: bytes, body: bytes) -> None:
        self._started = True
        if len(body) <= PIECE:
            if not self._writer.send_nowait(head + body):
                await self._writer.flush()
            return
        await self._writer.send_pieces(head, body)

    async def _stream(self, head: Head, response: Response, headers: list[tuple[str, str]], *, gzip: bool, close: bool) -> bool:
        if head.method == "HEAD" or response.status in BODILESS:
            await self._send(head_bytes(response.status, headers), b"")
            return not close
        if head.http11:
            headers.append(("Transfer-Encoding", "chunked"))
        sink: Http1Sink | None = None

        async def open_body(compressed: bool) -> Sink:  # noqa: FBT001  # OpenBody's
            nonlocal sink
            fields = headers + list(GZIP_HEADERS) if compressed else headers
            sink = Http1Sink(self._writer, head_bytes(response.status, fields), self._mark, chunked=head.http11)
            return sink

        body = response.body
        if gzip:
            gzipped = GzipSink(open_body)
            if isinstance(body, bytes):
                await gzipped.send_all(body)
            else:
                await body.run(gzipped)
            await gzipped.finish()
        elif response.watch:
            opened = cast("Http1Sink", await open_body(False))
            await opened.start()
            watching = cast("WatchStream", body).on(opened)
            self._watch = Http1Watch(watching, opened, self._reader, self._wake, follows=not close)
            return await self._go_on()
        else:
            await cast("Stream", body).run(await open_body(False))
        await cast("Http1Sink", sink).close()
        return not close

    def _mark(self) -> None:
        self._started = True

    # A watch, for which it has a task only while there is something to do.

    async def _go_on(self) -> bool:
        """Have the watch do what it has to; tell whether another request can follow. None can while it is parked."""
        watch = self._watch
        assert watch is not None  # noqa: S101 - asked by those who know
        try:
            if self._aborted:
                raise SinkClosed("the connection was cut off")
            if await watch.go_on():
                self._watch = None
                watch.watching.close()
                return watch.follows
        except (SinkClosed, *GONE):
            raise
        except Exception as error:  # What was begun is cut off, since its client must not take it for whole.
            log.exception("a watch was cut off")
            if not watch.chunked:
                reset_on_close(self._transport.sock)
            raise SinkClosed("a watch was cut off") from error
        if self._aborted:
            # Within its last step, in which nothing was written that would have failed.
            raise SinkClosed("the connection was cut off")
        self._parking.enter(self._transport.sock, watch.hear)
        self.parked = True
        self._deadlines.set(self, watch.watching.until)
        return False

    def _wake(self) -> None:
        if self.parked:
            self._parking.resume(self)

    def unpark(self) -> None:
        """Take it back from where it waits: it is to run again, or to end."""
        self.parked = False
        self.deadline = math.inf
        self._parking.leave(self._transport.sock)

    # Ends.

    async def _refuse(self, error: BadHead) -> None:
        """Answer what is no request, and close: nobody knows where the next would begin."""
        status = StatusError(Reason.BAD_REQUEST, error.message).to_object()
        status["code"] = error.status
        body = orjson.dumps(status) + b"\n"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
        await self._send(head_bytes(error.status, headers), body)
        await self._end()

    def _finish(self, *, close: bool) -> None:
        """End what it holds: it has no task any more."""
        # It knows the connection too: what TLS keeps of a client that left would wait for the garbage collector.
        del self._writer
        self.deadline = math.inf
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.watching.close()
        if close:
            self._transport.close()

    async def _end(self) -> None:
        """Close behind an answer that its client is to have."""
        self._transport.end()
        dropped = 0
        with trio.move_on_after(LINGER), contextlib.suppress(*GONE):
            while dropped < DRAIN_BODY:
                size = await self._transport.drop()
                if not size:
                    return
                dropped += size

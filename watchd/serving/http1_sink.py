"""One HTTP/1.1 answer on the native door: its header, then its body, with as few writes as there are things to say."""

from __future__ import annotations

import http
from collections.abc import Callable, Iterable

import trio

from watchd.api.message import SinkClosed
from watchd.serving.backlog import Backlog
from watchd.serving.chunks import CRLF, LAST, chunk, chunk_line
from watchd.serving.deadlines import Deadlines, Ending
from watchd.serving.sink import PIECE
from watchd.serving.transport import GONE, Transport

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in http.HTTPStatus}
"""Some clients take the reason phrase for the reason of a failure."""


def head_bytes(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return an answer's header as it goes out. Raises ValueError where a field holds the end of a line."""
    line = STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    text = line + "".join([f"{name}: {value}\r\n" for name, value in headers])
    fields = text.count("\n")
    if fields != text.count("\r\n") or fields != text.count("\r") or "\0" in text or fields != _lines(headers):
        raise ValueError("a header field of the answer holds the end of a line")
    return (text + "\r\n").encode()


def _lines(headers: Iterable[tuple[str, str]]) -> int:
    return 1 + len(headers) if isinstance(headers, list) else 1 + sum(1 for _ in headers)


class Writer:
    """Writes to a client, and gives up on one that takes nothing."""

    __slots__ = ("_backlog", "_deadlines", "_owner", "patience", "transport")

    def __init__(
        self, transport: Transport, owner: Ending, deadlines: Deadlines, backlog: Backlog, patience: float
    ) -> None:
        """Write for a connection, whose deadline is set while bytes wait and moves whenever some went."""
        self.transport = transport
        self.patience = patience
        self._owner = owner
        self._deadlines = deadlines
        self._backlog = backlog

    def send_nowait(self, data: bytes | memoryview) -> bool:
        """Write without waiting; tell whether all of it went. What did not is kept. Raises SinkClosed."""
        try:
            return self.transport.send_nowait(data)
        except GONE as error:
            raise SinkClosed("the client is gone") from error

    async def flush(self) -> None:
        """Return once the kernel has all that was written. Raises SinkClosed."""
        transport, before = self.transport, -1
        if not transport.waiting:
            return
        try:
            while (waiting := transport.waiting) > 0:
                if waiting != before:
                    self._deadlines.set(self._owner, trio.current_time() + self.patience)
                    self._backlog.hold(self._owner, waiting)
                    before = waiting
                await transport.flushed()
        except GONE as error:
            raise SinkClosed("the client is gone, or took nothing for too long") from error
        finally:
            self._owner.deadline = float("inf")
            self._backlog.release(self._owner)

    async def send_all(self, data: bytes | memoryview) -> None:
        """Write, and wait until the kernel has it. Raises SinkClosed."""
        if not self.send_nowait(data):
            await self.flush()

    async def send_pieces(self, before: bytes, data: bytes, behind: bytes = b"") -> None:
        """Write what is long, and what stands before and behind it, and wait until the kernel has it. Raises SinkClosed.

        Only the pieces at the ends are copied.
        """
        view = memoryview(data)
        size = len(view)
        for start in range(0, size, PIECE):
            piece: bytes | memoryview = view[start : start + PIECE]
            if start == 0:
                piece = before + piece
            if start + PIECE >= size:
                piece = b"".join([piece, behind])
            if self.send_nowait(piece):
                # A client that takes all at once must not keep the others waiting.
                await trio.lowlevel.checkpoint()
            else:
                await self.flush()


class Http1Sink:
    """The body of an answer that has no length: in chunks, or up to the connection's end for HTTP/1.0.

    One writer at any time. `send_nowait` is for those who write the same to many; what a client did not take is kept
    and has to be flushed before more is written.
    """

    __slots__ = ("_busy", "_ended", "_head", "_on_start", "_writer", "chunked")

    def __init__(self, writer: Writer, head: bytes, on_start: Callable[[], None], *, chunked: bool) -> None:
        """Make it with a header that goes out with the body's first bytes."""
        self._writer = writer
        self._head = head
        self._on_start = on_start
        self.chunked = chunked
        self._busy = False
        self._ended = False

    async def start(self) -> None:
        """Send the header by itself. Raises SinkClosed."""
        await self._writer.send_all(self._first())

    def send_nowait(self, data: bytes) -> bool:
        """Write a part of the body without waiting; tell whether all of it went. Raises SinkClosed."""
        self._check()
        if not data:
            return not self._writer.transport.waiting
        framed = chunk(data) if self.chunked else data
        return self._writer.send_nowait(self._first() + framed if self._head else framed)

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._writer.transport.waiting

    def share(self, data: bytes, framed: bytes) -> bool:
        """Write what many are sent, as it is or as one chunk; tell whether all of it went. Raises SinkClosed."""
        if self._busy:
            raise AssertionError("two writers on one connection")
        return self._writer.send_nowait(framed if self.chunked else data)

    async def flush(self) -> None:
        """Return once the kernel has all that was written. Raises SinkClosed."""
        await self._writer.flush()

    async def send_all(self, data: bytes) -> None:
        """Send a part of the body, and wait until the kernel has it. Raises SinkClosed."""
        if len(data) > PIECE:
            await self._send_long(data)
            return
        went = self.send_nowait(data)
        self._busy = True
        try:
            if went:
                # A client that takes all at once must not keep the others waiting.
                await trio.lowlevel.checkpoint()
            else:
                await self._writer.flush()
        finally:
            self._busy = False

    async def close(self) -> None:
        """Send the body's end. Raises SinkClosed."""
        if self._ended:
            return
        self._ended = True
        await self._writer.send_all(self._first() + (LAST if self.chunked else b""))

    async def _send_long(self, data: bytes) -> None:
        self._check()
        before, behind = self._first(), b""
        if self.chunked:
            # One chunk, however long: each of its own would be a copy.
            before, behind = before + chunk_line(len(data)), CRLF
        self._busy = True
        try:
            await self._writer.send_pieces(before, data, behind)
        finally:
            self._busy = False

    def _check(self) -> None:
        if self._busy:
            raise AssertionError("two writers on one connection")
        if self._ended:
            raise SinkClosed("the answer has ended")

    def _first(self) -> bytes:
        head, self._head = self._head, b""
        if head:
            self._on_start()
        return head

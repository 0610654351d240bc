"""A client's bytes: one socket whose writer never blocks, and which keeps what the kernel would not take."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from typing import Protocol

import trio

CLOSED = trio.ClosedResourceError
"""What a transport raises once it was closed on this side, be it while something waits for it."""

BROKEN = trio.BrokenResourceError
"""What it raises when the client, or its TLS, is of no use any more."""

GONE = (BROKEN, CLOSED)

RECEIVE = 64 * 1024
"""Bytes taken from a socket at once."""

HARMLESS = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EBADF, errno.EHOSTUNREACH})
"""Errors of a client that left, however it did."""


class Transport(Protocol):
    """A stream of bytes in both directions. One task reads and one writes at any time."""

    sock: socket.socket

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet, as they go out."""

    @property
    def buffered(self) -> bool:
        """Whether there are bytes that the kernel has given up and `receive` has not looked at: of them it tells nobody."""

    async def receive(self) -> bytes:
        """Return what comes next, or nothing at the end. Raises what GONE names."""

    async def drop(self) -> int:
        """Wait for bytes, drop them undecoded and return how many they were; 0 at the end."""

    def send_nowait(self, data: bytes | memoryview) -> bool:
        """Write without waiting; tell whether all of it went. What did not is kept, and goes before anything later."""

    async def flushed(self) -> bool:
        """Wait until the kernel takes more of what waits, and give it that; tell whether nothing is left."""

    def end(self) -> None:
        """Tell the client that nothing more comes, without waiting; it can still be read."""

    def close(self) -> None:
        """Close at once. Who waits for the transport gets what CLOSED names."""


class PlainTransport:
    """A socket without TLS."""

    __slots__ = ("_closed", "_unsent", "sock")

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connected socket that does not block."""
        self.sock = sock
        self._unsent = bytearray()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return len(self._unsent)

    @property
    def buffered(self) -> bool:
        """Nothing is kept."""
        return False

    async def receive(self) -> bytes:
        """Return what comes next, or nothing at the end."""
        while True:
            if self._closed:
                raise CLOSED("the connection was closed")
            # Always a checkpoint, also for a client that is never waited for.
            await trio.lowlevel.wait_readable(self.sock)
            try:
                return self.sock.recv(RECEIVE)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as error:
                raise _gone(error) from error

    async def drop(self) -> int:
        """Wait for bytes and drop them; 0 at the end."""
        return len(await self.receive())

    def send_nowait(self, data: bytes | bytearray | memoryview) -> bool:
        """Write without waiting; tell whether all of it went."""
        if self._closed:
            raise CLOSED("the connection was closed")
        if self._unsent:
            self._unsent += data
            return False
        sent = self._push(data)
        if sent == len(data):
            return True
        self._unsent += memoryview(data)[sent:]
        return False

    def send_parts_nowait(self, parts: list[bytes]) -> bool:
        """Write several pieces as `send_nowait` does one, without putting them together before."""
        if self._closed:
            raise CLOSED("the connection was closed")
        sent = 0
        if not self._unsent:
            sent = self._push_parts(parts)
            if sent == sum(map(len, parts)):
                return True
        self._unsent += memoryview(b"".join(parts))[sent:]
        return False

    async def flushed(self) -> bool:
        """Wait until the kernel takes more of what waits, and give it that; tell whether nothing is left."""
        if self._unsent:
            await trio.lowlevel.wait_writable(self.sock)
            if self._closed:
                raise CLOSED("the connection was closed")
            del self._unsent[: self._push(self._unsent)]
        return not self._unsent

    def end(self) -> None:
        """Tell the client that nothing more comes."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close at once."""
        if not self._closed:
            self._closed = True
            self._unsent.clear()
            trio.lowlevel.notify_closing(self.sock)
            self.sock.close()

    def _push(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise _gone(error) from error

    def _push_parts(self, parts: list[bytes]) -> int:
        try:
            return self.sock.sendmsg(parts)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise _gone(error) from error


def reset_on_close(sock: socket.socket) -> None:
    """Have the client see a broken connection, and no end, when the socket is closed."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _gone(error: OSError) -> Exception:
    if error.errno in HARMLESS:
        return BROKEN(f"the client is gone: {error.strerror}")
    return error


class HandedStream(trio.abc.Stream):
    """A transport as a trio stream that begins with bytes which were read already: for a server that takes it over."""

    def __init__(self, transport: Transport, read: bytes) -> None:
        """Hand a transport over with what was read from it."""
        self.transport = transport
        self._read = read

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the next bytes, or nothing at the end."""
        if not self._read:
            data = await self.transport.receive()
            if max_bytes is None or len(data) <= max_bytes:
                return data
            self._read = data
        else:
            await trio.lowlevel.checkpoint()
        most = len(self._read) if max_bytes is None else max_bytes
        data, self._read = self._read[:most], self._read[most:]
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; returns when the kernel has all of them."""
        await trio.lowlevel.checkpoint()
        if not self.transport.send_nowait(bytes(data)):
            while not await self.transport.flushed():
                pass

    async def wait_send_all_might_not_block(self) -> None:
        """Return at once: what cannot be sent is kept."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """End and close."""
        self.transport.end()
        self.transport.close()
        await trio.lowlevel.checkpoint()

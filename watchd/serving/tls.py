"""TLS over a transport, by ssl.SSLObject and two MemoryBIOs: a writer that does not wait, and who is on the other side.

trio's own stream keeps its socket, its lock and what it has encrypted to itself, so that bytes can go out through a task
that may wait and no other way. Here what the kernel did not take is kept as *ciphertext*: it is never encrypted again.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import NoReturn

from watchd.serving.transport import BROKEN, CLOSED, PlainTransport

RECORD = 16 * 1024
"""Most bytes of one TLS record. More is read or written in steps of it, so that the buffers between, which do not
shrink, stay small for a connection that lives for days."""

RECORDS = 4
"""Records that go to the kernel in one call: as much as a piece of an answer (64 KiB)."""


class TlsTransport:
    """The server's side of a TLS connection."""

    __slots__ = ("_ended", "_in", "_out", "_plain", "_tls", "sock")

    def __init__(self, plain: PlainTransport, context: ssl.SSLContext) -> None:
        """Put TLS over a transport that nothing was read from; nothing is sent yet."""
        self.sock = plain.sock
        self._plain = plain
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._ended = False

    @property
    def waiting(self) -> int:
        """Bytes of ciphertext that the kernel has not taken yet."""
        return self._plain.waiting

    @property
    def buffered(self) -> bool:
        """Whether there are records that were read from the socket and not looked at."""
        return bool(self._in.pending or self._tls.pending())

    @property
    def alpn(self) -> str | None:
        """The protocol that was agreed on."""
        return self._tls.selected_alpn_protocol()

    def peer_certificate(self) -> bytes | None:
        """Return the client's verified certificate, DER."""
        return self._tls.getpeercert(binary_form=True)

    async def handshake(self) -> None:
        """Agree on keys. Raises what GONE names where the client does not, or leaves."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._more():
                    raise BROKEN("the client left before the end of its handshake") from None
            except ssl.SSLError as error:
                with contextlib.suppress(BROKEN, CLOSED):
                    self._push()  # The alert that says why.
                _broken(error)
            else:
                await self._flush()
                return

    async def receive(self) -> bytes:
        """Return what comes next, or nothing at the end, be it with a close_notify or without (as RFC 9112 9.8 allows)."""
        if not self._in.pending and not self._tls.pending():
            # Not by way of `_more`: each request waits here.
            read = await self._plain.receive()
            if not read:
                self._in.write_eof()
                return b""
            self._in.write(read)
        while True:
            try:
                data = self._tls.read(RECORD)
            except ssl.SSLWantReadError:
                # An answer to a key update. It stands in the one queue with all else that goes out.
                self._push()
                if not await self._more():
                    return b""
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                _broken(error)
            else:
                return data

    async def drop(self) -> int:
        """Wait for bytes, drop them undecoded and return how many they were; 0 at the end."""
        return await self._plain.drop()

    def send_nowait(self, data: bytes | memoryview) -> bool:
        """Encrypt and write without waiting; tell whether all of it went."""
        if len(data) <= RECORD:
            self._write(data)
            return self._push()
        view = memoryview(data)
        sealed: list[bytes] = []
        for start in range(0, len(view), RECORD):
            self._write(view[start : start + RECORD])
            sealed.append(self._out.read())
            if len(sealed) == RECORDS:
                self._plain.send_parts_nowait(sealed)
                sealed = []
        return self._plain.send_parts_nowait(sealed) if sealed else not self._plain.waiting

    async def flushed(self) -> bool:
        """Wait until the kernel takes more of what waits, and give it that; tell whether nothing is left."""
        return await self._plain.flushed()

    def end(self) -> None:
        """Send a close_notify as far as that can be done at once."""
        if self._ended:
            return
        self._ended = True
        with contextlib.suppress(ssl.SSLError, BROKEN, CLOSED):
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.unwrap()
            self._push()
        if not self._plain.waiting:
            self._plain.end()

    def close(self) -> None:
        """Close at once."""
        self._plain.close()

    def _write(self, data: bytes | memoryview) -> None:
        try:
            sent = self._tls.write(data)
            while sent < len(data):
                sent += self._tls.write(memoryview(data)[sent:])
        except ssl.SSLError as error:
            _broken(error)

    def _push(self) -> bool:
        if self._out.pending:
            return self._plain.send_nowait(self._out.read())
        return not self._plain.waiting

    async def _flush(self) -> None:
        if not self._push():
            while not await self._plain.flushed():
                pass

    async def _more(self) -> bool:
        data = await self._plain.receive()
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()
        return bool(data)


def _broken(error: ssl.SSLError) -> NoReturn:
    raise BROKEN(f"TLS: {error.reason or error}") from error

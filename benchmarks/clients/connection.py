"""One HTTP/1.1 connection of the Python client."""

from __future__ import annotations

import httptools
import trio

from benchmarks.asking import Endpoint
from benchmarks.errors import ClientFailed

READ_BYTES = 64 * 1024
"""What is read of a connection at a time."""


class Connection:
    """A keep-alive connection: one request at a time. Close it with `aclose`."""

    def __init__(self, stream: trio.abc.Stream, endpoint: Endpoint) -> None:
        """For `open`."""
        self._stream = stream
        host, port = endpoint.address
        lines = [f"{name}: {value}" for name, value in (endpoint.headers | {"Host": f"{host}:{port}"}).items()]
        self._headers = "\r\n".join(lines).encode()
        self._pieces: list[bytes] = []
        self._complete = False

    @classmethod
    async def open(cls, endpoint: Endpoint) -> Connection:
        """Connect. Raises OSError, trio.BrokenResourceError."""
        host, port = endpoint.address
        tcp = await trio.open_tcp_stream(host, port)
        tls = endpoint.tls()
        if tls is None:
            return cls(tcp, endpoint)
        stream = trio.SSLStream(tcp, tls, server_hostname=host, https_compatible=True)
        await stream.do_handshake()
        return cls(stream, endpoint)

    async def aclose(self) -> None:
        """Close without a word to the other side: what is measured has been measured."""
        await trio.aclose_forcefully(self._stream)

    # What httptools calls --------------------------------------------------------------------------------------

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Note the end."""
        self._complete = True

    # Requests --------------------------------------------------------------------------------------------------

    async def _send(self, method: str, path: str, body: bytes) -> httptools.HttpResponseParser:
        extra = b"\r\nContent-Type: application/json\r\nContent-Length: %d" % len(body) if body else b""
        self._complete = False
        await self._stream.send_all(
            b"%b %b HTTP/1.1\r\n%b%b\r\n\r\n%b" % (method.encode(), path.encode(), self._headers, extra, body)
        )
        return httptools.HttpResponseParser(self)

    async def _feed(self, parser: httptools.HttpResponseParser) -> None:
        data = await self._stream.receive_some(READ_BYTES)
        if not data:
            raise ClientFailed("the server closed the connection before the end of its answer")
        parser.feed_data(data)

    async def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Return the status and the whole body."""
        self._pieces.clear()
        parser = await self._send(method, path, body)
        while not self._complete:
            await self._feed(parser)
        return parser.get_status_code(), b"".join(self._pieces)

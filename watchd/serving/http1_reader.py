"""What a client says on the native door: where one request's head ends, and what came behind it."""

from __future__ import annotations

from collections.abc import Callable

import trio

from watchd.serving.head import END, BadHead
from watchd.serving.transport import Transport


class Reader:
    """What came from the client and belongs to nobody yet."""

    __slots__ = ("_most", "rest", "transport")

    def __init__(self, transport: Transport, most: int) -> None:
        """Read a transport, whose requests' heads have so many bytes at the most."""
        self.transport = transport
        self.rest = b""
        self._most = most

    async def head(self, begun: Callable[[], object]) -> bytes | None:
        """Return the next request's head, or None at the connection's end. Always a checkpoint.

        `begun` is called where no more than its beginning is there. Raises BadHead for one that never ends.
        """
        data = self.rest
        if not data:
            data = await self.transport.receive()
            if not data:
                return None
        else:
            # Pipelined: one client's many requests must not keep the others waiting.
            await trio.lowlevel.checkpoint()
        while data.startswith(b"\r\n"):
            # RFC 9112 section 2.2: some clients end a body with a line end too many.
            data = data[2:]
        end = data.find(END)
        if end < 0:
            begun()
            data, end = await self._rest_of_head(data)
            if end < 0:
                return None
        if end > self._most:
            raise too_long()
        end += len(END)
        self.rest = data[end:]
        return data[:end]

    async def _rest_of_head(self, begun: bytes) -> tuple[bytes, int]:
        """Read on until a head is whole; return what was read, and where the head ends."""
        data = bytearray(begun)
        looked = 0
        while True:
            self._look(data, looked)
            looked = max(0, len(data) - len(END) + 1)
            part = await self.transport.receive()
            if not part:
                if data.strip(b"\r\n"):
                    raise BadHead(400, "malformed request: unexpected EOF")
                return b"", -1
            data += part
            if data.startswith(b"\r\n"):
                del data[:2]
                looked = 0
            found = data.find(END, looked)
            if found >= 0:
                return bytes(data), found

    def _look(self, data: bytearray, start: int) -> None:
        """Refuse early what cannot become a head, such as one whose lines end without CR and which so never ends."""
        if len(data) > self._most:
            raise too_long()
        at = data.find(b"\n", start)
        while at >= 0:
            if at == 0 or data[at - 1] != 0x0D:
                raise BadHead(400, "malformed request: a line ends without CR")
            at = data.find(b"\n", at + 1)


def too_long() -> BadHead:
    """Return the refusal of a head without an end in sight."""
    return BadHead(431, "request header fields too large")

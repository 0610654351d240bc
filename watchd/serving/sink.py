"""Where an answer's bytes go under ASGI, and how long a client may leave them lying."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec
import trio

from watchd.api.message import SinkClosed

AsgiSend = Callable[[Any], Awaitable[None]]
"""ASGI's `send`."""

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Names in lower case."""

PIECE = 64 * 1024
"""Bytes in one `send`. A larger write goes in several, so that each has its own deadline and a slow client that
does read is not taken for one that does not; no frame or chunk is copied beyond it."""


class Patience(msgspec.Struct, frozen=True):
    """How long bytes may wait for a client that reads nothing, in seconds (DESIGN section 2, promise 5)."""

    answer: float = 30.0
    """Of any answer with an end. Also how long a request's body may pause."""
    watch: float = 600.0
    """Of a watch: its client may be a laptop that sleeps, and it costs only what the socket's buffer holds."""


class Line(Protocol):
    """The connection under an answer, as far as a sink cares."""

    @property
    def dead(self) -> bool:
        """Whether the client is gone, or was cut off."""


class AsgiSink:
    """One ASGI answer: its header, then its body, one `send` a write.

    Every write has a deadline. A socket whose bytes do not move is ended by its connection (`connection.py`); what
    is left for this deadline is an HTTP/2 stream whose window stays shut while the connection itself is fine.
    """

    def __init__(self, send: AsgiSend, patience: float, line: Line | None) -> None:
        self._send = send
        self._patience = patience
        self._line = line
        self.started = False
        """Whether a header was sent, after which the answer can only be cut off."""

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Send the answer's header. Raises SinkClosed."""
        self.started = True
        await self._put({"type": "http.response.start", "status": status, "headers": headers})

    async def send_all(self, data: bytes) -> None:
        """Send a part of the body. Raises SinkClosed."""
        if len(data) <= PIECE:
            await self._put({"type": "http.response.body", "body": data, "more_body": True})
            return
        view = memoryview(data)
        for start in range(0, len(view), PIECE):
            await self._put({"type": "http.response.body", "body": view[start : start + PIECE], "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """Send the body's last part and its end. Raises SinkClosed."""
        if len(data) > PIECE:
            await self.send_all(data)
            data = b""
        await self._put({"type": "http.response.body", "body": data, "more_body": False})

    async def _put(self, message: dict[str, Any]) -> None:
        if self._line is not None and self._line.dead:
            raise SinkClosed("the client is gone")
        with trio.move_on_after(self._patience) as scope:
            await self._send(message)
        if scope.cancelled_caught:
            raise SinkClosed(f"the client read nothing for {self._patience:g} s")

"""The body of an HTTP/1.1 request on the native door: read when a handler wants it, or dropped so that the next can come."""

from __future__ import annotations

from collections.abc import Callable

import trio

from watchd.serving.chunks import BadChunk, Chunks
from watchd.serving.head import CHUNKED, Head
from watchd.serving.http1_reader import Reader
from watchd.serving.transport import GONE
from watchd.status import Reason, StatusError, bad_request

DRAIN_BODY = 16 * 1024 * 1024
"""Bytes of a refused body that are read and dropped before the answer: most clients write all of a request before
they read, and closing on unread bytes makes the kernel reset the connection and throw the answer away."""

DRAIN_SECONDS = 5.0
"""How long that may take."""

BODY_SECONDS = 60.0
"""How long a body may take as a whole, however steadily it drips: what the reference gives a request."""


async def no_body(_limit: int) -> bytes:
    """Read the body of a request that has none."""
    return b""


class Http1Body:
    """A request's body, read once."""

    __slots__ = ("_chunks", "_data", "_declared", "_invite", "_left", "_most", "_patience", "_reader", "_spoilt")

    def __init__(
        self, reader: Reader, head: Head, most: int, patience: float, invite: Callable[[], None] | None
    ) -> None:
        """Take it from a connection.

        Args:
            reader: behind the request's head.
            head: of the request.
            most: bytes, whatever a handler allows.
            patience: seconds without a byte until the client is given up.
            invite: sends `100 Continue`, for a client that waits for it.

        """
        self._reader = reader
        self._most = most
        self._patience = patience
        self._invite = invite
        self._chunks = Chunks() if head.length == CHUNKED else None
        self._declared = self._left = max(0, head.length)
        self._data: bytes | None = None
        self._spoilt = False

    @property
    def done(self) -> bool:
        """Whether nothing is left to be read."""
        return self._chunks.done if self._chunks is not None else not self._left

    async def read(self, limit: int) -> bytes:
        """Read all of it.

        Raises:
            StatusError: 413 past the limit, 400 if the client left or sent no chunks, 504 if it stopped sending.

        """
        if self._data is not None:
            return self._data
        limit = min(limit, self._most)
        if self._declared > limit:
            raise too_large(limit)
        if self._chunks is None and len(self._reader.rest) >= self._left:
            # It came with the head, as most do.
            self._data = self._taken()
            return self._data
        parts: list[bytes] = []
        size = 0
        deadline = trio.current_time() + BODY_SECONDS
        while not self.done:
            part = await self._part(deadline)
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
        self._data = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._data

    async def drain(self) -> bool:
        """Read and drop what no handler wanted, within bounds; tell whether the next request can follow."""
        if self.done or self._spoilt:
            return not self._spoilt
        if self._invite is not None and not self._reader.rest:
            # It waits to be asked for its body, or will not send one: which of both cannot be told apart later.
            return False
        size = 0
        deadline = trio.current_time() + DRAIN_SECONDS
        try:
            while not self.done:
                size += len(await self._part(deadline))
                if size > DRAIN_BODY:
                    return False
        except StatusError:
            return False
        return True

    def _taken(self) -> bytes:
        """Take what is there of a body that says how long it is."""
        reader = self._reader
        part, reader.rest = reader.rest[: self._left], reader.rest[self._left :]
        self._left -= len(part)
        return part

    async def _part(self, deadline: float) -> bytes:
        reader = self._reader
        if not reader.rest:
            await self._more(deadline)
        if self._chunks is None:
            return self._taken()
        try:
            part = self._chunks.feed(reader.rest)
        except BadChunk as error:
            self._spoilt = True
            raise bad_request(f"malformed body: {error}") from error
        reader.rest = self._chunks.rest
        return part

    async def _more(self, deadline: float) -> None:
        if self._invite is not None:
            self._invite()
            self._invite = None
        data = b""
        with trio.move_on_at(min(deadline, trio.current_time() + self._patience)) as scope:
            try:
                data = await self._reader.transport.receive()
            except GONE:
                data = b""
        if not data:
            self._spoilt = True
            if scope.cancelled_caught:
                raise StatusError(Reason.TIMEOUT, "Timeout: the request's body did not arrive in time")
            raise bad_request("unexpected EOF")
        self._reader.rest = data


def too_large(limit: int) -> StatusError:
    """413."""
    return StatusError(Reason.REQUEST_ENTITY_TOO_LARGE, f"Request entity too large: limit is {limit}")

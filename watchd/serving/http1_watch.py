"""A watch as an answer on the native door: what wakes it, and what its client says meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import trio

from watchd.api.message import SinkClosed, Watching
from watchd.serving.http1_reader import Reader
from watchd.serving.http1_sink import Http1Sink

SAID_BYTES = 64 << 10
"""Of requests that a client sends ahead, beside its watch: hundreds of them."""


class Http1Watch:
    """One watch on one connection, from its header on. Its connection needs a task for it only within `go_on`."""

    __slots__ = ("_heard", "_listening", "_reader", "_sink", "_wake", "_woken", "follows", "watching")

    def __init__(
        self, watching: Watching, sink: Http1Sink, reader: Reader, wake: Callable[[], object], *, follows: bool
    ) -> None:
        """Make it over a sink whose header was sent.

        Args:
            watching: the watch.
            sink: where it is written.
            reader: of the same connection.
            wake: called whenever `go_on` has to be called, also while it runs.
            follows: whether another request can follow.

        """
        self.watching = watching
        self.follows = follows
        self._sink = sink
        self._reader = reader
        self._wake = wake
        self._woken = False
        self._heard = False
        self._listening: trio.CancelScope | None = None

    @property
    def chunked(self) -> bool:
        """Whether its end is told from its connection's."""
        return self._sink.chunked

    async def go_on(self) -> bool:
        """Do what there is to do, and tell whether the watch is over. Raises SinkClosed."""
        # What came with the request, or with what was heard, is in no socket that could be heard again.
        while self._heard or self._reader.transport.buffered:
            await self._listen()
        while True:
            self._woken = False
            if not await self.watching.advance(self.wake):
                await self._sink.close()
                return True
            if not self._woken:
                return False

    def wake(self) -> None:
        """There is something to do."""
        self._woken = True
        if self._listening is not None:
            self._listening.cancel()
        self._wake()

    def hear(self) -> None:
        """The client has said something, or left."""
        self._heard = True
        self._wake()

    async def _listen(self) -> None:
        """Take what the client said. To close one direction is to leave, as in the reference. Raises SinkClosed then.

        Also for one that says too much: its leaving could be heard behind all of that alone, and nobody asks so much ahead.
        """
        self._heard = False
        # More than a part of a TLS record may be long in coming: the watch goes on meanwhile.
        with trio.CancelScope(deadline=self.watching.until) as self._listening:
            if self._woken:
                self._listening.cancel()
            data = await self._reader.transport.receive()
            if not data:
                raise SinkClosed("the client has left")
            self._reader.rest += data
            if len(self._reader.rest) > SAID_BYTES:
                raise SinkClosed("the client says too much beside its watch")
        self._listening = None

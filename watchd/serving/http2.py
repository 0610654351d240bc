"""Hypercorn 0.18.0, made safe for clients that stall, leave or misbehave. Pinned: see HYPERCORN.

What is wrong with it (measured, DESIGN section 6) and what stands here instead:

1. a stalled HTTP/1.1 reader cannot be cancelled; 3. an HTTP/2 GOAWAY with requests open can end the process:
   `Connection`, in connection.py;
2. HTTP/2 has no working backpressure: `StreamBuffer.pop` looks at the popped chunk where it must look at the buffer,
   and always wakes the writer while a window is shut, so that a client which opens none grows the server without
   bound: `Buffer`, at most STREAM_BYTES for each open stream;
4. an HTTP/2 answer that breaks off is never ended on the wire: `Http2` resets its stream;
5. DATA for a request that is answered already is a KeyError: `Http2` drops it;
6. an answer counts as sent before its END_STREAM is: a shutdown that begins then cuts it off; `Http2` waits for it;
7. `Upgrade: h2c` is an old way into all of the above, also under TLS: `Http1` does not take it up, as RFC 9113
   section 3.1 lets a server do, and answers in HTTP/1.1. Cleartext HTTP/2 with prior knowledge stays;
8. an HTTP/1.1 status line has no reason phrase: `Http1` writes the standard one, as the reference does.

`apply` puts these classes where Hypercorn looks its own up.
"""

from __future__ import annotations

import contextlib
import http
import importlib.metadata
from types import ModuleType

import h2.errors
import h2.events
import h2.exceptions
import h11
import hypercorn.protocol
import hypercorn.protocol.h2
import hypercorn.trio.run
import trio
from h2.connection import ConnectionState
from hypercorn.events import Closed
from hypercorn.protocol.events import Body, EndBody, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import BUFFER_HIGH_WATER, BUFFER_LOW_WATER, BufferCompleteError, H2Protocol, StreamBuffer
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import Event as IOEvent
from priority.priority import MissingStreamError

from watchd.serving.connection import Connection

HYPERCORN = "0.18.0"
"""The version that these classes were written against and are tested with."""

PIECE = 16 * 1024
"""Bytes put into a stream's buffer at once: one frame of the default size."""

STREAM_BYTES = BUFFER_HIGH_WATER + PIECE
"""Most bytes that wait for a stream's window: 48 KiB. A connection holds at most h2_max_concurrent_streams times
as many."""


class UnknownHypercorn(Exception):
    """The installed Hypercorn is not the one that the fixes are written for."""


class Buffer(StreamBuffer):
    """What waits for an HTTP/2 stream's window, bounded."""

    def __init__(self, event_class: type[IOEvent]) -> None:
        super().__init__(event_class)
        self.ended = trio.Event()
        """Set once the stream's end, or its reset, has been written."""

    async def close(self) -> None:
        """Drop what waits: the stream is gone."""
        self.ended.set()
        await super().close()

    async def push(self, data: bytes) -> None:
        """Append, and wait while too much waits. Raises BufferCompleteError after the end."""
        if self._complete:
            raise BufferCompleteError
        self.buffer.extend(data)
        await self._is_empty.clear()
        if len(self.buffer) >= BUFFER_HIGH_WATER:
            # Cleared first: a wake-up left over from quieter times must not let this one through.
            await self._paused.clear()
            await self._paused.wait()

    async def pop(self, max_length: int) -> bytes:
        """Take what the window allows; wakes the writer once the buffer, not the chunk, is small."""
        data = bytes(self.buffer[:max_length])
        del self.buffer[:max_length]
        if len(self.buffer) < BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data


class Http2(H2Protocol):
    """An HTTP/2 connection."""

    async def goaway(self) -> None:
        """Tell the client, unless it was told, that no further stream is taken."""
        if self.connection.state_machine.state is ConnectionState.CLOSED:
            return
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self.connection.close_connection()
            await self._flush()

    async def stream_send(self, event: StreamEvent) -> None:
        """Send a part of an answer, bounded; reset the stream of one that ended before its end."""
        if isinstance(event, Body) and event.stream_id not in self.stream_buffers:
            # Reset: Hypercorn returns at once, and a writer in a loop would never let its cancellation in.
            await trio.lowlevel.checkpoint()
            return
        if isinstance(event, Body) and len(event.data) > PIECE:
            for start in range(0, len(event.data), PIECE):
                await super().stream_send(Body(event.stream_id, event.data[start : start + PIECE]))
            return
        if isinstance(event, StreamClosed):
            await self._reset_unfinished(event.stream_id)
        await super().stream_send(event)
        if isinstance(event, EndBody):
            buffer = self._buffer(event.stream_id)
            if buffer is not None:
                await buffer.ended.wait()

    async def _send_data(self, stream_id: int) -> None:
        buffer = self._buffer(stream_id)
        # A stream may be reset while its data is being written; Hypercorn then fails on what is no longer there.
        with contextlib.suppress(KeyError, MissingStreamError):
            await super()._send_data(stream_id)
        if buffer is not None and stream_id not in self.stream_buffers:
            buffer.ended.set()

    def _buffer(self, stream_id: int) -> Buffer | None:
        buffer = self.stream_buffers.get(stream_id)
        return buffer if isinstance(buffer, Buffer) else None

    async def _reset_unfinished(self, stream_id: int) -> None:
        buffer = self.stream_buffers.get(stream_id)
        if buffer is None or buffer.complete:
            return
        await buffer.close()
        del self.stream_buffers[stream_id]
        self.priority.remove_stream(stream_id)
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self.connection.reset_stream(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            await self._flush()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
                with contextlib.suppress(h2.exceptions.ProtocolError):
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.ConnectionTerminated):
                await self.send(Closed())
            else:
                await super()._handle_events([event])
        await self._flush()


PHRASES = {status.value: status.phrase.encode() for status in http.HTTPStatus}
"""The reason phrase of each status."""


class Http1(H11Protocol):
    """An HTTP/1.1 connection."""

    async def _check_protocol(self, event: h11.Request) -> None:
        if event.method == b"PRI":
            await super()._check_protocol(event)

    async def _send_h11_event(
        self, event: h11.Data | h11.EndOfMessage | h11.InformationalResponse | h11.Response
    ) -> None:
        if type(event) is h11.Response:
            # Some clients take the reason phrase for the reason of a failure.
            phrase = PHRASES.get(event.status_code, b"")
            event = h11.Response(status_code=event.status_code, headers=event.headers, reason=phrase)
        await super()._send_h11_event(event)


_REPLACED: tuple[tuple[ModuleType, str, type], ...] = (
    (hypercorn.protocol.h2, "StreamBuffer", Buffer),
    (hypercorn.protocol, "H2Protocol", Http2),
    (hypercorn.protocol, "H11Protocol", Http1),
    # For `hypercorn` by hand; the door names Connection itself.
    (hypercorn.trio.run, "TCPServer", Connection),
)
"""Where Hypercorn looks its classes up."""


def apply() -> None:
    """Make Hypercorn use the classes above; doing it again changes nothing.

    Raises:
        UnknownHypercorn: another version is installed; nothing was changed.

    """
    found = importlib.metadata.version("hypercorn")
    if found != HYPERCORN:
        raise UnknownHypercorn(f"Hypercorn {found} is installed; watchd's fixes are for {HYPERCORN} and need a review")
    for module, name, ours in _REPLACED:
        setattr(module, name, ours)

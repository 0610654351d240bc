"""Large answers, compressed for clients that accept it (FEATURES rows 45 and 80). Watches never are."""

from __future__ import annotations

import re
import zlib
from collections.abc import Awaitable, Callable
from functools import lru_cache

import trio

from watchd.api.message import Response, Sink

GZIP_LEVEL = 1
"""The reference's: the least CPU, and within 1.1 to 1.3 times the size that higher levels reach."""

GZIP_THRESHOLD = 128 * 1024
"""Bytes. Bodies up to this size go as they are, as in the reference: the CPU is worth more than the wire."""

SLICE = 64 * 1024
"""Bytes compressed between two checkpoints: about half a millisecond of loop time."""

GZIP_HEADERS = (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
"""What a compressed answer says of itself."""

_GZIP_WBITS = 16 + zlib.MAX_WBITS

_QUALITY_ZERO = re.compile(r"q=0(?:\.0{0,3})?", re.ASCII | re.IGNORECASE)

OpenBody = Callable[[bool], Awaitable[Sink]]
"""Send the answer's header and return where its body goes; told whether the body is gzip."""


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether an Accept-Encoding header names gzip, other than to refuse it (RFC 9110 section 12.5.3)."""
    for element in accept_encoding.split(","):
        coding, *parameters = (part.strip() for part in element.split(";"))
        if coding.lower() == "gzip":
            return not any(_QUALITY_ZERO.fullmatch(parameter) for parameter in parameters)
    return False


_accepts = lru_cache(256)(accepts_gzip)


def compresses(method: str, accept_encoding: str, response: Response) -> bool:
    """Tell whether an answer is to be compressed where it proves long enough: no watch is, and nothing that is encoded already."""
    body = response.body
    if response.watch or (isinstance(body, bytes) and len(body) <= GZIP_THRESHOLD):
        return False
    return (
        method != "HEAD"
        and _accepts(accept_encoding)
        and all(name.lower() != "content-encoding" for name, _ in response.headers)
    )


class GzipSink:
    """A sink that holds back a stream's first bytes until it is known whether they are worth compressing.

    At most GZIP_THRESHOLD bytes and one write are held; the answer's header goes out with the first of them.
    """

    def __init__(self, open_body: OpenBody) -> None:
        self._open_body = open_body
        self._held = bytearray()
        self._sink: Sink | None = None
        self._compressor: zlib._Compress | None = None

    async def send_all(self, data: bytes) -> None:
        """Compress and send, or hold. Raises SinkClosed."""
        if self._sink is not None:
            await self._compress(self._sink, data)
            return
        self._held += data
        if len(self._held) > GZIP_THRESHOLD:
            self._sink = await self._open_body(True)
            self._compressor = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WBITS)
            held, self._held = self._held, bytearray()
            await self._compress(self._sink, held)

    async def finish(self) -> None:
        """Send what is left: the plain bytes of a small stream, or the end of the compressed ones."""
        if self._sink is None or self._compressor is None:
            self._sink = await self._open_body(False)
            if self._held:
                await self._sink.send_all(bytes(self._held))
            return
        await self._sink.send_all(self._compressor.flush())

    async def _compress(self, sink: Sink, data: bytes | bytearray) -> None:
        if self._compressor is None:
            raise AssertionError("opened without a compressor")
        view = memoryview(data)
        for start in range(0, len(view), SLICE):
            compressed = self._compressor.compress(view[start : start + SLICE])
            if compressed:
                await sink.send_all(compressed)
            else:
                await trio.lowlevel.checkpoint()

"""Chunked bodies (RFC 9112 section 7.1): how they are read, strictly, and how one is written."""

from __future__ import annotations

import re

SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
"""A chunk's first line. Extensions mean nothing here and are passed over."""

TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
"""A field after the last chunk. They are passed over, as in the reference."""

MAX_LINE = 1024
"""Bytes of a chunk's first line, of which a client needs ten."""

MAX_TRAILERS = 16 * 1024
"""Bytes of all fields after the last chunk."""

MAX_OVERHEAD = 16 * 1024
"""Bytes of extensions in a row of chunks beyond what their data pays for: a body that is all framing is no body."""

CRLF = b"\r\n"

LAST = b"0\r\n\r\n"
"""How a chunked body ends."""


class BadChunk(Exception):
    """The body is not chunked as it should be; nobody knows where it ends."""


def chunk(data: bytes) -> bytes:
    """Return data, which must not be empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunk_line(size: int) -> bytes:
    """Return the first line of a chunk of so many bytes, of which there must be some; CRLF stands behind them."""
    return b"%x\r\n" % size


class Chunks:
    """Takes a chunked body out of a stream of bytes, however it is cut."""

    __slots__ = ("_left", "_overhead", "_rest", "_state", "_trailers", "rest")

    def __init__(self) -> None:
        self._state = "size"
        self._left = 0
        self._rest = b""
        self._trailers = 0
        self._overhead = 0
        self.rest = b""
        """What came after the body's end."""

    @property
    def done(self) -> bool:
        """Whether the body's end was seen."""
        return self._state == "done"

    def feed(self, data: bytes) -> bytes:
        """Take bytes and return what they hold of the body. Raises BadChunk."""
        data, self._rest = self._rest + data, b""
        parts: list[bytes] = []
        at = -1
        end = 0
        while end != at:
            at = end
            if self._state == "done":
                self.rest = data[at:]
                break
            if self._state == "data":
                part = data[at : at + self._left]
                parts.append(part)
                end = at + len(part)
                self._left -= len(part)
                if not self._left:
                    self._state = "data end"
            else:
                end = self._take_line(data, at)
        else:
            self._rest = data[at:]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _take_line(self, data: bytes, at: int) -> int:
        """Take one line, which may be the empty one behind a chunk; return where it ends, or where it began."""
        if self._state == "data end" and not CRLF.startswith(data[at : at + 2]):
            raise BadChunk("a chunk is longer than it says")
        found = data.find(b"\n", at, at + MAX_LINE)
        if found < 0:
            if len(data) - at >= MAX_LINE:
                raise BadChunk("a line of a chunked body is too long")
            return at
        line = data[at : found + 1]
        if not line.endswith(CRLF):
            raise BadChunk("a line of a chunked body ends without CR")
        self._line(line[:-2])
        return found + 1

    def _line(self, line: bytes) -> None:
        if self._state == "data end":
            self._state = "size"
            return
        if self._state == "trailers":
            self._trailers += len(line)
            if not line:
                self._state = "done"
            elif self._trailers > MAX_TRAILERS or not TRAILER.fullmatch(line):
                raise BadChunk("bad fields after the last chunk")
            return
        size = SIZE.fullmatch(line)
        if size is None:
            raise BadChunk("bad chunk size")
        self._left = int(size[1], 16)
        self._overhead = max(0, self._overhead + len(line) - 2 * self._left - 16)
        if self._overhead > MAX_OVERHEAD:
            raise BadChunk("too much beside the data of chunks")
        self._state = "data" if self._left else "trailers"

"""The head of an HTTP/1.1 request: its line and headers, and where its body ends (RFC 9112).

httptools (llhttp) reads the syntax. What decides where a request ends is decided here, and whatever two servers could
read in two ways is refused: a proxy in front must never see another request than this server does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hmac import compare_digest

import httptools
import msgspec

END = b"\r\n\r\n"
"""Where a head ends."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\n"
"""How a client begins HTTP/2 with prior knowledge (RFC 9113 section 3.4); no request line of HTTP/1.1 looks like it."""

KNOWN = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
"""Methods that llhttp reads as any other. Those it does not know, or has ideas of its own about, are read as one of these."""

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110 section 5.6.2."""

TARGET = re.compile(rb"[\x21-\x7e]+")
"""What may stand between the blanks of a request line."""

VERSIONS = {b"HTTP/1.1": True, b"HTTP/1.0": False}
"""Those spoken, and whether it is 1.1."""

ONLY_ONCE = frozenset({"host", "content-length", "transfer-encoding"})
"""Fields that decide what a request is: never joined, never guessed."""

CHUNKED = -1
"""Length of a body that comes in chunks."""

MAX_DIGITS = 18
"""Digits of a Content-Length: no body is longer."""

PLAIN = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/[\x21\x22\x24-\x7e]*) HTTP/1\.1")
"""A request line in which llhttp has nothing to find."""

KEPT_BYTES = 4096
"""Bytes of the longest header fields that are kept for a connection's next request: a few times those of clients."""


class BadHead(Exception):
    """A head that cannot be served. The connection ends, for nobody knows where the next request would begin."""

    def __init__(self, status: int, message: str) -> None:
        """Say which status it is answered with, and why."""
        super().__init__(message)
        self.status = status
        self.message = message


class Head(msgspec.Struct, eq=False):
    """What a request says before its body."""

    method: str
    target: str
    """As it came: a path with its query, an absolute URL, or an asterisk."""
    http11: bool
    headers: Mapping[str, str]
    """Not to be changed: the connection's next request may have the same. Names in lower case; repeated fields joined with ", "."""
    length: int
    """Bytes of the body, or CHUNKED."""
    close: bool
    """Whether the client wants no further request answered."""

    @property
    def path(self) -> str:
        """The target's path, percent-encoded; of an absolute URL its own (RFC 9112 section 3.2.2)."""
        path = self.target.partition("?")[0].partition("#")[0]
        if not path.startswith("/") and "://" in path:
            _, slash, rest = path.partition("://")[2].partition("/")
            path = slash + rest or "/"
        return path

    @property
    def query(self) -> str:
        """The target's query."""
        return self.target.partition("?")[2].partition("#")[0]

    @property
    def websocket(self) -> bool:
        """Whether it is a websocket's handshake."""
        return (
            "upgrade" in self.headers
            and self.method == "GET"
            and self.headers["upgrade"].strip().lower() == "websocket"
            and "upgrade" in _tokens(self.headers.get("connection", ""))
        )


class Heads:
    """Reads the heads of one connection's requests.

    Most clients send the same fields with each request. Those that come just as they came before are not read again.
    """

    __slots__ = ("_last", "_most", "_raw")

    def __init__(self, most: int) -> None:
        """Read heads of so many fields at the most."""
        self._most = most
        self._raw = b""
        self._last: Head | None = None

    def read(self, data: bytes) -> Head:
        """Read a head as `parse` does. Raises BadHead."""
        last, end = self._last, data.index(b"\r\n")
        # A credential is among them: whoever shares the connection must not learn by the time how much of it was right.
        if last is not None and compare_digest(self._raw, data[end:]):
            line = PLAIN.fullmatch(data, 0, end)
            if line is not None:
                return Head(line[1].decode(), line[2].decode(), True, last.headers, last.length, last.close)
        head = parse(data, self._most)
        if head.http11 and len(data) - end <= KEPT_BYTES:
            self._raw, self._last = data[end:], head
        return head

    def forget(self) -> None:
        """Keep nothing: no further request is to be expected soon."""
        self._raw, self._last = b"", None


class _Fields:
    """What httptools calls."""

    __slots__ = ("found", "most")

    def __init__(self, most: int) -> None:
        self.found: list[tuple[bytes, bytes]] = []
        self.most = most

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.found) >= self.most:
            raise BadHead(431, "too many header fields")
        self.found.append((name, value))


def parse(data: bytes, most: int) -> Head:
    """Read a head.

    Args:
        data: from the request line to the blank line, both whole.
        most: header fields.

    Raises:
        BadHead: it is wrong, ambiguous, or nothing that this server speaks.

    """
    method, target, http11 = _line(data[: data.index(b"\r\n")])
    fields = _Fields(most)
    parser = httptools.HttpRequestParser(fields)
    try:
        parser.feed_data(data if method in KNOWN else b"POST" + data[len(method) :])
    except httptools.HttpParserUpgrade:
        pass  # Whether to take an offer up is not the parser's business.
    except httptools.HttpParserCallbackError as error:
        if isinstance(error.__context__, BadHead):
            raise error.__context__ from None
        raise
    except httptools.HttpParserError as error:
        raise BadHead(400, f"malformed request: {error}") from error
    headers: dict[str, str] = {}
    for raw_name, raw_value in fields.found:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.strip(b" \t").decode("latin-1")
        if name in headers:
            if name in ONLY_ONCE:
                raise BadHead(400, f"malformed request: more than one {raw_name.decode()}")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    if http11 and "host" not in headers:
        raise BadHead(400, "malformed request: missing required Host header")
    connection = headers.get("connection")
    close = not http11 or (connection is not None and "close" in _tokens(connection))
    return Head(method.decode(), target.decode(), http11, headers, _length(headers, http11=http11), close)


def _line(line: bytes) -> tuple[bytes, bytes, bool]:
    parts = line.split(b" ")
    if len(parts) != 3 or not TOKEN.fullmatch(parts[0]) or not TARGET.fullmatch(parts[1]):
        raise BadHead(400, "malformed request line")
    http11 = VERSIONS.get(parts[2])
    if http11 is None:
        if parts[2].startswith(b"HTTP/"):
            raise BadHead(505, "unsupported protocol version")
        raise BadHead(400, "malformed request line")
    return parts[0], parts[1], http11


def _length(headers: dict[str, str], *, http11: bool) -> int:
    coding, declared = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if declared is not None or not http11:
            raise BadHead(400, "malformed request: a Transfer-Encoding where none may be")
        if coding.lower() != "chunked":
            raise BadHead(501, "unsupported transfer encoding")
        return CHUNKED
    if declared is None:
        return 0
    if not (declared.isascii() and declared.isdigit()) or len(declared) > MAX_DIGITS:
        raise BadHead(400, "malformed request: bad Content-Length")
    return int(declared)


def _tokens(value: str) -> list[str]:
    return [token.strip().lower() for token in value.split(",")]

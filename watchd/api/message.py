"""Requests and responses as handlers see them: no web framework, no sockets."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol
from urllib.parse import unquote, unquote_plus

import msgspec

BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
"""A percent sign that begins no escape."""

ReadBody = Callable[[int], Awaitable[bytes]]
"""Read the whole body, at most so many bytes. Raises StatusError (413) past them."""


class Sink(Protocol):
    """Where a stream's bytes go: one client's connection or HTTP/2 stream."""

    async def send_all(self, data: bytes) -> None:
        """Hand bytes to the transport; returns when it has taken them. Raises SinkClosed when the client is gone."""


class SinkClosed(Exception):
    """The client is gone, or was ended for reading nothing."""


class InlineSink(Sink, Protocol):
    """A sink that can be written to without waiting. One writer at any time."""

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""

    def share(self, data: bytes, framed: bytes) -> bool:
        """Write what many are sent, as it is or as one chunk; tell whether all of it went. Raises SinkClosed."""

    async def flush(self) -> None:
        """Return once the kernel has all that was written. Raises SinkClosed."""


class Stream(Protocol):
    """A body that is produced while it is sent."""

    async def run(self, sink: Sink) -> None:
        """Write the body into a sink and return at its end. An exception cuts the answer off without its end."""


class Watching(Protocol):
    """A watch under way on a line. It needs a task only while it has something to do."""

    @property
    def until(self) -> float:
        """When it has something to do at the latest, on trio's clock."""

    async def advance(self, wake: Callable[[], object]) -> bool:
        """Do what there is to do, and tell whether the watch goes on.

        If it does, the line is written to from elsewhere until the next `advance`, which has to follow as soon as `wake`
        is called. Raises SinkClosed.
        """

    def close(self) -> None:
        """End it, be it over or not."""


class WatchStream(Stream, Protocol):
    """The body of a watch."""

    def on(self, line: InlineSink) -> Watching:
        """Begin it on a line, in place of `run`."""


class Request(msgspec.Struct, eq=False):
    """One HTTP request. Nobody changes it, nor its headers: a door may give the same ones to several requests."""

    method: str
    """In capitals."""
    raw_path: str
    """As it came, percent-encoded, without the query."""
    raw_query: str
    headers: Mapping[str, str]
    """Names in lower case; repeated fields joined with ", "."""
    read_body: ReadBody
    peer: str = ""
    """The client's address, for the audit log."""
    peer_certificate: bytes | None = None
    """The client's verified certificate, DER."""
    audit_id: str = ""
    """Under which the request is found in the audit log: the client's own, or a fresh one."""
    _query: dict[str, list[str]] | None = None

    @property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(self.raw_path)

    @property
    def query(self) -> dict[str, list[str]]:
        """The query, decoded: each name's values in order."""
        if self._query is None:
            self._query = _decoded(self.raw_query) if self.raw_query else {}
        return self._query

    def param(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default


def _decoded(query: str) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for pair in query.split("&"):
        if not pair or ";" in pair or BAD_ESCAPE.search(pair):
            # Passed over, as Go's net/url has it.
            continue
        name, _, value = pair.partition("=")
        out.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return out


class Response(msgspec.Struct):
    """One HTTP answer."""

    status: int
    headers: list[tuple[str, str]]
    """Content-Type among them; Content-Length is the door's business."""
    body: bytes | Stream = b""
    watch: bool = False
    """Whether the stream goes on until somebody ends it: its header is sent at once, it is never compressed, and
    its client may read nothing for longer than that of another answer. The body is a WatchStream."""

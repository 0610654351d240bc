"""A request as ASGI tells it, made into one as handlers see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from watchd.api.message import Request
from watchd.serving.connection import STATE_KEY, Connection
from watchd.serving.http1_body import DRAIN_BODY, DRAIN_SECONDS, too_large
from watchd.status import Reason, StatusError, bad_request

AsgiReceive = Callable[[], Awaitable[Any]]
"""ASGI's `receive`."""


class Body:
    """A request's body, read once."""

    def __init__(self, receive: AsgiReceive, headers: Mapping[str, str], most: int, patience: float) -> None:
        """Take it from an ASGI receive.

        Args:
            receive: ASGI's.
            headers: of the request.
            most: bytes, whatever a handler allows.
            patience: seconds without a byte until the client is given up.

        """
        self._receive = receive
        self._most = most
        self._patience = patience
        self._data: bytes | None = None
        declared = headers.get("content-length", "")
        self._declared = int(declared) if declared.isascii() and declared.isdigit() else 0
        self._left = bool(self._declared) or "transfer-encoding" in headers
        self._stalled = False

    async def read(self, limit: int) -> bytes:
        """Read all of it.

        Raises:
            StatusError: 413 past the limit, 400 if the client left, 504 if it stopped sending.

        """
        if self._data is not None:
            return self._data
        limit = min(limit, self._most)
        if self._declared > limit:
            raise too_large(limit)
        parts: list[bytes] = []
        size = 0
        more = True
        while more:
            with trio.move_on_after(self._patience) as scope:
                message = await self._receive()
            if scope.cancelled_caught:
                self._stalled = True
                raise StatusError(Reason.TIMEOUT, "Timeout: the request's body did not arrive in time")
            if message["type"] == "http.disconnect":
                self._left = False
                raise bad_request("unexpected EOF")
            part = message.get("body", b"")
            more = message.get("more_body", False)
            self._left = more
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
        self._data = b"".join(parts)
        return self._data

    async def drain(self) -> bool:
        """Read and drop what no handler wanted, within bounds; tell whether nothing is left."""
        size = 0
        with trio.move_on_after(DRAIN_SECONDS):
            while self._left and not self._stalled and size <= DRAIN_BODY:
                message = await self._receive()
                size += len(message.get("body", b""))
                self._left = message["type"] == "http.request" and message.get("more_body", False)
        return not self._left


def connection_of(scope: Mapping[str, Any]) -> Connection | None:
    """Return the connection under a request; None where another server than Hypercorn runs the application."""
    found = scope.get("state", {}).get(STATE_KEY)
    return found if isinstance(found, Connection) else None


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return a request's headers: names in lower case, repeated fields joined."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def raw_path_of(scope: Mapping[str, Any]) -> str:
    """Return the path as it came, percent-encoded; of a target in absolute form (RFC 9112 section 3.2.2) its path."""
    path: str = scope["raw_path"].decode("latin-1")
    if not path.startswith("/") and "://" in path:
        _, slash, rest = path.partition("://")[2].partition("/")
        path = slash + rest or "/"
    root = scope.get("root_path", "")
    return (path.removeprefix(root) or "/") if root else path


def request_of(scope: Mapping[str, Any], headers: Mapping[str, str], body: Body, audit: str) -> Request:
    """Build the request that a handler sees."""
    connection = connection_of(scope)
    client = scope.get("client")
    return Request(
        method=scope["method"],
        raw_path=raw_path_of(scope),
        raw_query=scope["query_string"].decode("latin-1"),
        headers=headers,
        read_body=body.read,
        peer=client[0] if client else "",
        peer_certificate=connection.peer_certificate() if connection is not None else None,
        audit_id=audit,
    )

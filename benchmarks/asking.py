"""A small blocking client for what surrounds a measurement: readiness, set-up, a first list, a first watch."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import attrs

from benchmarks.clients.dialect import DIALECTS
from benchmarks.errors import PeerFailed
from benchmarks.widgets import COLLECTION, DEFINITION, DEFINITIONS

POLL_SECONDS = 0.005
"""How long to wait between two looks: the resolution of the times that are found by polling."""

TIMEOUT_SECONDS = 60.0
"""No single answer takes longer on a server that works."""

READ_BYTES = 1 << 20
"""Piece of a long answer that is read at a time."""


@attrs.frozen
class Endpoint:
    """Where a server is reached."""

    url: str
    """Scheme, host and port."""
    token: str = attrs.field(repr=False)
    ca: str | None = None
    """Certificates in PEM that its certificate is checked against; None: it is its own, made a moment ago."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def tls(self) -> ssl.SSLContext | None:
        """Return a client context, None where the server is reached without TLS."""
        return _context(self.ca) if self.url.startswith("https:") else None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"Authorization": f"Bearer {self.token}", "Accept": "application/json", "User-Agent": "watchd-benchmarks"}


@cache
def _context(ca: str | None) -> ssl.SSLContext:
    """Make a client context: once, since reading the system's certificates takes 25 ms, and a run has thousands of connections."""
    if ca is not None:
        return ssl.create_default_context(cadata=ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def connection(endpoint: Endpoint) -> Iterator[http.client.HTTPConnection]:
    """Lend a connection that is closed at the end."""
    host, port = endpoint.address
    tls = endpoint.tls()
    made: http.client.HTTPConnection
    if tls is None:
        made = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    else:
        made = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=tls)
    try:
        yield made
    finally:
        made.close()


def ask(endpoint: Endpoint, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Return the status and body of an answer. Raises PeerFailed when there is none."""
    headers = endpoint.headers | ({"Content-Type": "application/json"} if body is not None else {})
    try:
        with connection(endpoint) as made:
            made.request(method, path, body, headers)
            answer = made.getresponse()
            pieces = []
            while piece := answer.read(READ_BYTES):
                pieces.append(piece)
            return answer.status, b"".join(pieces)
    except (OSError, http.client.HTTPException) as error:
        raise PeerFailed(f"{method} {endpoint.url}{path}: {error!r}") from error


def ask_object(endpoint: Endpoint, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
    """Return the object of a good answer. Raises PeerFailed on any other."""
    status, raw = ask(endpoint, method, path, body)
    if status not in (200, 201):
        raise PeerFailed(f"{method} {path}: HTTP {status}: {raw[:300].decode(errors='replace')}")
    found: dict[str, Any] = json.loads(raw)
    return found


def wait_until_ok(endpoint: Endpoint, path: str, *, within: float, alive: Any = None) -> float:
    """Ask until the answer is 200 and return the seconds that this took; `alive` is called between two attempts.

    Raises PeerFailed when it takes longer than `within` seconds.
    """
    begin = time.monotonic()
    last = "no answer"
    while (passed := time.monotonic() - begin) < within:
        try:
            status, raw = ask(endpoint, "GET", path)
        except PeerFailed as error:
            last = str(error)
        else:
            if status == 200:
                return time.monotonic() - begin
            last = f"HTTP {status}: {raw[:200].decode(errors='replace')}"
        if alive is not None:
            alive()
        time.sleep(POLL_SECONDS)
    raise PeerFailed(f"GET {path} was not answered 200 within {passed:.0f} s: {last}")


def define(endpoint: Endpoint) -> None:
    """Create the widgets' definition and wait until they are served."""
    ask_object(endpoint, "POST", DEFINITIONS, json.dumps(DEFINITION).encode())
    wait_until_ok(endpoint, f"{COLLECTION}?limit=1", within=TIMEOUT_SECONDS)


def now(endpoint: Endpoint, dialect: str) -> str:
    """Return the revision that the store, or the collection, is at. Raises PeerFailed."""
    words = DIALECTS[dialect]
    asked = words.now()
    status, body = ask(endpoint, asked.method, asked.path, asked.body or None)
    if status != 200:
        raise PeerFailed(f"{asked.method} {asked.path}: HTTP {status}: {body[:300].decode(errors='replace')}")
    return words.revision(body)


def watch_events(endpoint: Endpoint, after: str, count: int, *, seconds: int) -> tuple[int, list[dict[str, Any]]]:
    """Watch from a resourceVersion until so many events have come or the server ends the watch after `seconds`.

    Returns the HTTP status and the events; a Status answered instead of a stream is no event.
    """
    path = f"{COLLECTION}?watch=true&resourceVersion={after}&timeoutSeconds={seconds}"
    try:
        with connection(endpoint) as made:
            made.request("GET", path, headers=endpoint.headers)
            answer = made.getresponse()
            if answer.status != 200:
                return answer.status, []
            events: list[dict[str, Any]] = []
            while len(events) < count and (line := answer.readline()):
                events.append(json.loads(line))
            return 200, events
    except (OSError, http.client.HTTPException) as error:
        raise PeerFailed(f"watch from {after}: {error!r}") from error

"""Many watchers in one process: `python -m benchmarks.clients.watchers`, a job as JSON on stdin, results on stdout.

Sockets that do not block, under one epoll, and no task each: at 100,000 events a second a task's turn for each would cost more
than reading it. Says {"ready": true} once every watch is answered; then a word says how many deliveries to expect, or to stop.
"""

from __future__ import annotations

import json
import os
import select
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httptools

from benchmarks.asking import Endpoint
from benchmarks.clients.arrivals import Arrivals
from benchmarks.clients.dialect import DIALECTS, Request
from benchmarks.errors import ClientFailed
from watchd.serving.limits import raise_descriptors

CONNECTING = 16
"""Connections that are made at the same time: servers' listen queues are finite."""

READ_BYTES = 256 * 1024
"""What is read of a connection at a time, at most: of one that fell behind."""

CONNECT_SECONDS = 60.0
"""For a connection and the head of its answer; a server that starts a thousand of them needs a few."""

STALL_SECONDS = 10.0
"""A fan-out without a delivery for so long is over: what is missing is lost."""

JOB_BYTES = 1 << 16
"""What is read of a job at a time: one of a thousand names has 20 KB."""

LATE_SECONDS = 0.2
"""After the last expected delivery: duplicates would come in this time."""

LOOK_SECONDS = 0.01
"""Between two looks at how many deliveries have been made: each goes through all watchers."""


class Stream:
    """One watch on a connection of its own."""

    def __init__(self, endpoint: Endpoint, request: Request, arrivals: Arrivals) -> None:
        """Connect, ask, and return when the head of a good answer is there. Raises ClientFailed, OSError."""
        self.arrivals = arrivals
        self._headed = self._over = False
        host, port = endpoint.address
        made = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
        tls = endpoint.tls()
        self.socket = made if tls is None else tls.wrap_socket(made, server_hostname=host)
        lines = [f"{name}: {value}" for name, value in (endpoint.headers | {"Host": f"{host}:{port}"}).items()]
        if request.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(request.body)}"]
        head = "\r\n".join([f"{request.method} {request.path} HTTP/1.1", *lines])
        self._parser = httptools.HttpResponseParser(self)
        self.socket.sendall(f"{head}\r\n\r\n".encode() + request.body)
        while not self._headed and self.read():
            pass
        if not self._headed:
            raise ClientFailed("the server closed the connection of a watch before its answer")
        if (status := self._parser.get_status_code()) != 200:
            raise ClientFailed(f"HTTP {status} to a watch")
        self.socket.setblocking(False)

    def read(self) -> bool:
        """Take what has come; tell whether the stream goes on."""
        try:
            while data := self.socket.recv(READ_BYTES):
                self._parser.feed_data(data)
                # What TLS has decrypted and not yet given no epoll tells of.
                if not (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()):
                    return not self._over
        except (ssl.SSLWantReadError, BlockingIOError):
            return True
        except (OSError, httptools.HttpParserError):
            return False
        return False

    # What httptools calls --------------------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        """Note that the status is known."""
        self._headed = True

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the stream."""
        self.arrivals.feed(piece)

    def on_message_complete(self) -> None:
        """Note the end."""
        self._over = True


class Group:
    """All watchers of a job."""

    def __init__(self, job: dict[str, Any]) -> None:
        """Connect them. Raises ClientFailed, OSError."""
        endpoint = Endpoint(job["url"], job["token"], job["ca"])
        dialect = DIALECTS[job["dialect"]]
        names: list[str] = job["names"] or [""] * job["watchers"]

        def connect(name: str) -> Stream:
            arrivals = Arrivals(job["updates"], time.monotonic_ns, dialect, name)
            return Stream(endpoint, dialect.watch(job["after"], name), arrivals)

        with ThreadPoolExecutor(CONNECTING) as pool:
            self.streams = list(pool.map(connect, names))
        self.ended = 0
        """Streams that were at an end before the job was."""
        self._by_descriptor = {stream.socket.fileno(): stream for stream in self.streams}
        self._epoll = select.epoll()
        for descriptor in self._by_descriptor:
            self._epoll.register(descriptor, select.EPOLLIN)

    def run(self) -> bool:
        """Read until the parent has said how many deliveries to expect and they are here; False where it says to stop.

        Without a delivery for STALL_SECONDS it ends too, and LATE_SECONDS after the last one.
        """
        self._epoll.register(sys.stdin.fileno(), select.EPOLLIN)
        heard = self._read_until_heard()
        if heard.get("stop"):
            return False
        expected, before, moved = heard["expect"], -1, time.monotonic()
        while (seen := sum(stream.arrivals.seen for stream in self.streams)) < expected:
            if seen != before:
                before, moved = seen, time.monotonic()
            elif time.monotonic() - moved > STALL_SECONDS:
                break
            self._read_for(LOOK_SECONDS)
        self._read_for(LATE_SECONDS)
        return True

    def counts(self) -> dict[str, int]:
        """Return what all of them have counted."""
        names = ("duplicated", "disordered", "odd", "bytes")
        return {name: sum(getattr(stream.arrivals, name) for stream in self.streams) for name in names} | {"ended": self.ended}

    def _read_until_heard(self) -> dict[str, Any]:
        """Read streams until the parent has said a line; its end is a word to stop."""
        line = b""
        while not line.endswith(b"\n"):
            if self._poll(-1):
                piece = os.read(sys.stdin.fileno(), 4096)
                if not piece:
                    return {"stop": True}
                line += piece
        self._epoll.unregister(sys.stdin.fileno())
        heard: dict[str, Any] = json.loads(line)
        return heard

    def _read_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._poll(left)

    def _poll(self, timeout: float) -> bool:
        """Read what has come on all streams once; tell whether the parent has said something."""
        said = False
        for descriptor, _ in self._epoll.poll(timeout):
            stream = self._by_descriptor.get(descriptor)
            if stream is None:
                said = True
            elif not stream.read():
                self._epoll.unregister(descriptor)
                self.ended += 1
        return said


def say(**words: Any) -> None:
    """Print one line for the parent."""
    print(json.dumps(words), flush=True)


def main() -> None:
    """Do one job."""
    # Not through sys.stdin, whose buffer would hide from epoll what the parent says next.
    line = b""
    while (piece := os.read(sys.stdin.fileno(), JOB_BYTES)) and not piece.endswith(b"\n"):
        line += piece
    job = json.loads(line + piece)
    raise_descriptors()
    try:
        group = Group(job)
    except (ClientFailed, OSError) as error:
        say(failed=str(error))
        return
    cpu = time.process_time()
    say(ready=True)
    if group.run():
        Path(job["file"]).write_bytes(b"".join(stream.arrivals.at.tobytes() for stream in group.streams))
        say(cpu=time.process_time() - cpu, **group.counts())


if __name__ == "__main__":
    main()

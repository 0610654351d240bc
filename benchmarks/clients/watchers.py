"""Many watchers in one process: `python -m benchmarks.clients.watchers`, a job as JSON on stdin, results on stdout.

Sockets that do not block, under one epoll, and no task each: at 100,000 events a second a task's turn for each would cost more
than reading it. Says {"ready": true} once every watch is answered; then a word says how many deliveries to expect, or to stop.

A watcher whose stream the server ends, as some do where one falls behind, asks again from the last event that it has, as clients do.
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

import attrs
import httptools

from benchmarks.asking import Endpoint
from benchmarks.clients.arrivals import Arrivals
from benchmarks.clients.dialect import DIALECTS, Request
from benchmarks.errors import ClientFailed
from watchd.serving.limits import raise_descriptors

CONNECTING = 16
"""Connections that are made at the same time: servers' listen queues are finite."""

READ_BYTES = 16 * 1024
"""What is read of a connection at a time, at most: a TLS record. More would be memory asked of the system for each read."""

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
        arrivals.again()
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
            return not self._over
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


@attrs.define
class Watcher:
    """One watcher, whatever its streams."""

    name: str
    """Of the object that it watches, "" for all of them."""
    arrivals: Arrivals
    stream: Stream | None = None


class Group:
    """All watchers of a job."""

    def __init__(self, job: dict[str, Any]) -> None:
        """Connect them. Raises ClientFailed, OSError."""
        self._endpoint = Endpoint(job["url"], job["token"], job["ca"])
        self._dialect = DIALECTS[job["dialect"]]
        self.watchers = [
            Watcher(name, Arrivals(job["updates"], time.monotonic_ns, self._dialect, after=int(job["after"]), name=name))
            for name in job["names"] or [""] * job["watchers"]
        ]
        self.ended = 0
        """Streams that the server has ended."""
        self._watching: dict[int, Watcher] = {}
        """By the descriptor of their stream."""
        self._epoll = select.epoll()
        self._connecting = ThreadPoolExecutor(CONNECTING)
        for made in [self._connecting.submit(self._connect, watcher) for watcher in self.watchers]:
            made.result()

    def _connect(self, watcher: Watcher) -> None:
        """Open a watcher's stream and have it read from then on. Raises ClientFailed, OSError."""
        asked = self._dialect.watch(str(watcher.arrivals.revision), watcher.name)
        watcher.stream = Stream(self._endpoint, asked, watcher.arrivals)
        descriptor = watcher.stream.socket.fileno()
        self._watching[descriptor] = watcher
        self._epoll.register(descriptor, select.EPOLLIN)

    def close(self) -> None:
        """Have nobody connect any more."""
        self._connecting.shutdown(wait=False, cancel_futures=True)

    def run(self) -> bool:
        """Read until the parent has said how many deliveries to expect and they are here; False where it says to stop.

        Without a delivery for STALL_SECONDS it ends too, and LATE_SECONDS after the last one.
        """
        self._epoll.register(sys.stdin.fileno(), select.EPOLLIN)
        heard = self._read_until_heard()
        if heard.get("stop"):
            return False
        expected, before, moved = heard["expect"], -1, time.monotonic()
        while (seen := sum(watcher.arrivals.seen for watcher in self.watchers)) < expected:
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
        return {name: sum(getattr(watcher.arrivals, name) for watcher in self.watchers) for name in names} | {"ended": self.ended}

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
            watcher = self._watching.get(descriptor)
            if watcher is None or watcher.stream is None:
                said = True
            elif not watcher.stream.read():
                self.ended += 1
                self._epoll.unregister(descriptor)
                del self._watching[descriptor]
                watcher.stream.socket.close()
                # Where it is refused, the events that it lacks are lost.
                self._connecting.submit(self._connect, watcher)
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
        Path(job["file"]).write_bytes(b"".join(watcher.arrivals.at.tobytes() for watcher in group.watchers))
        say(cpu=time.process_time() - cpu, **group.counts())
    group.close()


if __name__ == "__main__":
    main()

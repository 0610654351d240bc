"""What a load generator offers. Each call is one run against one server and stops by itself."""

from __future__ import annotations

from typing import Protocol

import attrs

from benchmarks.figures import Run
from benchmarks.peers.peer import Peer

LIMIT_SECONDS = 120
"""A run that takes longer ends with what it has done so far."""

GRACE_SECONDS = 60
"""How much longer a client's process may take for its set-up and its last deliveries before it is ended."""


@attrs.frozen
class Paced:
    """Updates on a fixed schedule, whatever the server's pace, while watchers read."""

    watchers: int
    objects: int
    updates: int
    rate: float
    """Asked for, updates a second."""
    writers: int
    """Connections that updates are sent on; an update whose turn has come waits only while all of them are busy."""
    tls: bool = True


class Client(Protocol):
    """A load generator: HTTP/1.1 with keep-alive, one connection a worker, no compression.

    The runs have the figures of their operation, OTHER_LOAD, CLIENT_CPU and ERRORS. Raises ClientFailed.
    """

    name: str

    def create(self, peer: Peer, *, prefix: str, count: int, workers: int) -> Run:
        """Create objects `prefix-0000000` and so on."""

    def get(self, peer: Peer, *, population: int, count: int, workers: int) -> Run:
        """Get objects of the population."""

    def put(self, peer: Peer, *, population: int, count: int, workers: int) -> Run:
        """Replace objects of the population, each by the worker that holds its last resourceVersion."""

    def list(self, peer: Peer, *, population: int, count: int, limit: int) -> Run:
        """List the whole population so many times, in pages of `limit` (0: whole)."""

    def watch(self, peer: Peer, paced: Paced) -> Run:
        """Fan updates out to watchers."""

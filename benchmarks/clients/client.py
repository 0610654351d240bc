"""What a load generator offers. Each call is one run against one server and stops by itself."""

from __future__ import annotations

from typing import Protocol

import attrs

from benchmarks.figures import Run
from benchmarks.peers.peer import Peer
from benchmarks.widgets import NAMESPACE

LIMIT_SECONDS = 60.0
"""A run that takes longer ends with what it has done so far."""

GRACE_SECONDS = 60.0
"""How much longer a client's process may take for its set-up and its last deliveries before it is ended."""


@attrs.frozen
class Load:
    """So many operations on so many connections."""

    count: int
    workers: int
    """Connections, one operation at a time on each."""
    rate: float = 0.0
    """Operations a second, each due at its time whatever the server's pace is; 0: each as soon as the last is answered."""
    seconds: float = LIMIT_SECONDS
    """When it ends with what it has done so far."""


class Client(Protocol):
    """A load generator: HTTP/1.1 with keep-alive, one connection a worker, no compression.

    The runs have the figures of their operation, OTHER_LOAD, CLIENT_CPU and ERRORS. Raises ClientFailed.
    """

    name: str

    def create(self, peer: Peer, load: Load, *, prefix: str, namespace: str = NAMESPACE) -> Run:
        """Create objects `prefix-0000000` and so on."""

    def get(self, peer: Peer, load: Load, *, population: int) -> Run:
        """Get objects of the population."""

    def put(self, peer: Peer, load: Load, *, population: int) -> Run:
        """Replace objects of the population, each by the worker that holds its last resourceVersion."""

    def list(self, peer: Peer, load: Load, *, population: int, limit: int) -> Run:
        """List the whole population so many times, in pages of `limit` (0: whole)."""

"""The client that needs nothing installed: our own, in Python, in processes of its own.

CLIENT_CPU near 1 says that the client, not the server, was the bound of a throughput.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from benchmarks.clients.client import Load
from benchmarks.clients.process import WORKER, working
from benchmarks.figures import Figure, Run, percentile
from benchmarks.meter import Meter
from benchmarks.peers.peer import Peer
from benchmarks.widgets import NAMESPACE


def latencies(run: dict[Figure, float], values: Sequence[int], p50: Figure, p99: Figure) -> None:
    """Add percentiles of times in ns, as ms."""
    if values:
        ordered = sorted(values)
        run[p50], run[p99] = percentile(ordered, 0.5) / 1e6, percentile(ordered, 0.99) / 1e6


def job_of(name: str, peer: Peer, load: Load, **more: Any) -> dict[str, Any]:
    """Return a worker's job."""
    return {"job": name, "dialect": peer.dialect, **attrs.asdict(load), **more}


def show_errors(peer: Peer, what: str, said: dict[str, Any]) -> None:
    """Print how many operations failed, and why the first did."""
    if said["errors"]:
        print(f"  {peer.name}: {what}: {said['errors']} errors, the first: {said['first_error']}")


class PythonClient:
    """Runs a worker for each call."""

    name = "python"

    def _pool(self, peer: Peer, job: dict[str, Any]) -> Run:
        with working(WORKER, job, peer.endpoint) as worker:
            meter = Meter(peer.pids)
            worker.tell(go=True)
            said = worker.hear()
            reading = meter.read(client_cpu=said["cpu"])
        show_errors(peer, job["job"], said)
        spans: list[list[int]] = said["spans"]
        run: dict[Figure, float] = {Figure.ERRORS: said["errors"]} | reading.figures
        if spans:
            seconds = (max(end for _, _, end in spans) - min(begin for _, begin, _ in spans)) / 1e9
            run[Figure.THROUGHPUT] = len(spans) / seconds
            run[Figure.CPU_OPERATION] = reading.server_cpu / len(spans) * 1e6
            run[Figure.ANSWER_BYTES] = said["bytes"] / len(spans)
            latencies(run, [end - begin for _, begin, end in spans], Figure.P50, Figure.P99)
        return run

    def create(self, peer: Peer, load: Load, *, prefix: str, namespace: str = NAMESPACE) -> Run:
        """Create objects."""
        return self._pool(peer, job_of("create", peer, load, prefix=prefix, namespace=namespace))

    def get(self, peer: Peer, load: Load, *, population: int) -> Run:
        """Get objects."""
        return self._pool(peer, job_of("get", peer, load, population=population))

    def put(self, peer: Peer, load: Load, *, population: int) -> Run:
        """Replace objects: as many as there are operations, spread over the population, so that none is read before for nothing."""
        own = attrs.evolve(load, workers=min(load.workers, population))
        objects = min(population, max(load.count, own.workers))
        return self._pool(peer, job_of("put", peer, own, population=population, objects=objects))

    def list(self, peer: Peer, load: Load, *, population: int, limit: int) -> Run:
        """List the population."""
        return self._pool(peer, job_of("list", peer, load, population=population, limit=limit))

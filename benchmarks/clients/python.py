"""The client that needs nothing installed: our own, in Python, in processes of its own.

Dearer than a server in Go: CLIENT_CPU near 1 says that the client, not the server, was the bound of a throughput.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.asking import Endpoint, head
from benchmarks.clients.client import GRACE_SECONDS, LIMIT_SECONDS, Paced
from benchmarks.errors import ClientFailed
from benchmarks.figures import Figure, Run, percentile
from benchmarks.meter import Meter
from benchmarks.peers.peer import Peer

SETTLE_SECONDS = 0.5
"""Between the last watcher's connection and the first update: the server comes to rest."""


class Worker:
    """A process with one job, spoken to in lines."""

    def __init__(self, job: dict[str, Any], endpoint: Endpoint) -> None:
        """Start it and hand it its job."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.clients.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        self._name = job["job"]
        given: dict[str, Any] = {"url": endpoint.url, "token": endpoint.token, "ca": endpoint.ca}
        given |= {"seconds": LIMIT_SECONDS, "grace": GRACE_SECONDS}
        # On its stdin, since a command line can be read by everybody.
        self.tell(**job, **given)

    def tell(self, **words: Any) -> None:
        """Say a line. Raises ClientFailed."""
        pipe = self._process.stdin
        assert pipe is not None  # given to Popen
        try:
            pipe.write(json.dumps(words) + "\n")
            pipe.flush()
        except BrokenPipeError as error:
            raise ClientFailed(f"the client's {self._name} ended") from error

    def hear(self) -> dict[str, Any]:
        """Wait for a line. Raises ClientFailed when the process ends without one."""
        pipe = self._process.stdout
        assert pipe is not None  # given to Popen
        line = pipe.readline()
        if not line:
            raise ClientFailed(f"the client's {self._name} ended without a result")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def stop(self) -> None:
        """End it."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None  # given to Popen
            pipe.close()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def working(job: dict[str, Any], endpoint: Endpoint) -> Iterator[Worker]:
    """Lend a worker that is ended at the end."""
    worker = Worker(job, endpoint)
    try:
        yield worker
    finally:
        worker.stop()


@contextmanager
def holding(endpoint: Endpoint, watchers: int) -> Iterator[None]:
    """Hold watches from now on, idle ones, open for a while. Used with either client: nothing of it is timed."""
    job = {"job": "watch", "watchers": watchers, "updates": 1, "after": head(endpoint), "file": ""}
    with working(job, endpoint) as worker:
        worker.hear()
        yield
        worker.tell(stop=True)


def latencies(run: dict[Figure, float], values: Sequence[int], p50: Figure, p99: Figure) -> None:
    """Add percentiles of times in ns, as ms."""
    if values:
        ordered = sorted(values)
        run[p50], run[p99] = percentile(ordered, 0.5) / 1e6, percentile(ordered, 0.99) / 1e6


class PythonClient:
    """Runs a worker, and for a fan-out two: one that writes, one that watches."""

    name = "python"

    def _pool(self, peer: Peer, job: dict[str, Any]) -> Run:
        with working(job, peer.endpoint) as worker:
            worker.hear()
            meter = Meter(peer.pids)
            worker.tell(go=True)
            said = worker.hear()
            reading = meter.read(client_cpu=said["cpu"])
        if said["errors"]:
            print(f"  {peer.name}: {job['job']}: {said['errors']} errors, the first: {said['first_error']}")
        spans: list[list[int]] = said["spans"]
        run: dict[Figure, float] = {Figure.ERRORS: said["errors"]} | reading.figures
        if spans:
            seconds = (max(end for _, _, end in spans) - min(begin for _, begin, _ in spans)) / 1e9
            run[Figure.THROUGHPUT] = len(spans) / seconds
            run[Figure.CPU_OPERATION] = reading.server_cpu / len(spans) * 1e6
            run[Figure.ANSWER_BYTES] = said["bytes"] / len(spans)
            latencies(run, [end - begin for _, begin, end in spans], Figure.P50, Figure.P99)
        return run

    def create(self, peer: Peer, *, prefix: str, count: int, workers: int) -> Run:
        """Create objects."""
        return self._pool(peer, {"job": "create", "prefix": prefix, "count": count, "workers": workers})

    def get(self, peer: Peer, *, population: int, count: int, workers: int) -> Run:
        """Get objects."""
        return self._pool(peer, {"job": "get", "population": population, "count": count, "workers": workers})

    def put(self, peer: Peer, *, population: int, count: int, workers: int) -> Run:
        """Replace objects."""
        return self._pool(peer, {"job": "put", "population": population, "count": count, "workers": workers})

    def list(self, peer: Peer, *, population: int, count: int, limit: int) -> Run:
        """List the population."""
        job = {"job": "list", "population": population, "count": count, "workers": 1, "limit": limit}
        return self._pool(peer, job)

    def watch(self, peer: Peer, paced: Paced) -> Run:
        """Fan updates out."""
        endpoint = peer.endpoint if paced.tls else peer.plain
        puts = {"job": "put", "population": paced.objects, "count": paced.updates, "workers": paced.writers, "rate": paced.rate}
        with tempfile.TemporaryDirectory() as place, working(puts, endpoint) as writer:
            writer.hear()
            file = Path(place) / "arrivals"
            reads = {"job": "watch", "watchers": paced.watchers, "updates": paced.updates, "after": head(endpoint)}
            with working(reads | {"file": str(file)}, endpoint) as reader:
                reader.hear()
                time.sleep(SETTLE_SECONDS)
                meter = Meter(peer.pids)
                writer.tell(go=True)
                wrote = writer.hear()
                reader.tell(expect=len(wrote["spans"]) * paced.watchers)
                read = reader.hear()
                reading = meter.read(client_cpu=wrote["cpu"] + read["cpu"])
            arrived = array("q", file.read_bytes())
        return reading.figures | fanout(wrote, read, arrived, paced, reading.server_cpu)


def fanout(
    wrote: dict[str, Any], read: dict[str, Any], arrived: array[int], paced: Paced, server_cpu: float
) -> dict[Figure, float]:
    """Put a fan-out's figures together: from what was answered well, and when it arrived at each watcher."""
    spans: list[list[int]] = wrote["spans"]
    run: dict[Figure, float] = {
        Figure.ERRORS: wrote["errors"] + read["odd"],
        Figure.DUPLICATED: read["duplicated"],
        Figure.DISORDERED: read["disordered"],
        Figure.CUTS: read["ended"],
        Figure.LOST: 0,
    }
    if not spans:
        return run
    row = paced.updates + 1
    from_answer, from_request, last = [], [], 0
    for watcher in range(paced.watchers):
        for number, begin, end in spans:
            at = arrived[watcher * row + number + 1]
            if not at:
                run[Figure.LOST] += 1
                continue
            last = max(last, at)
            from_answer.append(at - end)
            from_request.append(at - begin)
    first = min(begin for _, begin, _ in spans)
    run[Figure.UPDATES] = len(spans) / ((max(end for _, _, end in spans) - first) / 1e9)
    latencies(run, [end - begin for _, begin, end in spans], Figure.WRITE_P50, Figure.WRITE_P99)
    latencies(run, from_answer, Figure.ANSWER_P50, Figure.ANSWER_P99)
    latencies(run, from_request, Figure.START_P50, Figure.START_P99)
    if from_answer:
        run[Figure.EVENTS] = len(from_answer) / ((last - first) / 1e9)
        run[Figure.CPU_EVENT] = server_cpu / len(from_answer) * 1e6
        run[Figure.ANSWER_BYTES] = read["bytes"] / len(from_answer)
    return run

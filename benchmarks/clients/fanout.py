"""Updates fanned out to watchers, by processes of the Python client: one that writes, one or two that watch."""

from __future__ import annotations

import tempfile
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs

from benchmarks.asking import now
from benchmarks.clients.client import LIMIT_SECONDS, Load
from benchmarks.clients.process import WATCHERS, WORKER, Process, working
from benchmarks.clients.python import job_of, latencies, show_errors
from benchmarks.errors import ClientFailed
from benchmarks.figures import Figure
from benchmarks.meter import Meter
from benchmarks.peers.peer import Peer
from benchmarks.widgets import name_of

A_PROCESS = 500
"""Watchers that one process reads: at 100 updates a second half a core."""

PROCESSES = 2
"""Processes that read, at most: the machines that this is run on have no cores for more."""

SETTLE_SECONDS = 0.5
"""Between the last watcher's connection and the first update: the server comes to rest."""


@attrs.frozen
class Paced:
    """Updates on a fixed schedule, whatever the server's pace, while watchers read."""

    watchers: int
    objects: int
    updates: int
    rate: float
    """Asked for, updates a second; 0: full speed."""
    writers: int
    """Connections that updates are sent on."""
    tls: bool = True
    by_name: bool = False
    """Whether each watcher has an object of its own, by a field selector, rather than all of them."""


class FanOut:
    """Watchers that are connected and a writer that is ready: `go`, then `finish`."""

    def __init__(self, peer: Peer, paced: Paced, writer: Process, readers: Sequence[Process], files: Sequence[Path]) -> None:
        """For `fanning`."""
        self._peer, self._paced = peer, paced
        self._writer, self._readers, self._files = writer, readers, files
        self._meter: Meter | None = None

    def go(self) -> None:
        """Let the updates begin."""
        self._meter = Meter(self._peer.pids)
        self._writer.tell(go=True)

    def finish(self) -> dict[Figure, float]:
        """Wait for the last update and the last event, and return the figures. Raises ClientFailed."""
        if self._meter is None:
            raise ClientFailed("a fan-out that has not begun has no figures")
        wrote = self._writer.hear()
        show_errors(self._peer, "put", wrote)
        each = len(wrote["spans"])
        for reader, watchers in zip(self._readers, shares(self._paced), strict=True):
            reader.tell(expect=each if self._paced.by_name else each * watchers)
        read = [reader.hear() for reader in self._readers]
        reading = self._meter.read(client_cpu=wrote["cpu"] + sum(one["cpu"] for one in read))
        arrived = array("q")
        for file in self._files:
            arrived.frombytes(file.read_bytes())
        counts = {name: sum(one[name] for one in read) for name in ("odd", "duplicated", "disordered", "ended", "bytes")}
        return reading.figures | fanout(wrote, counts, arrived, self._paced, reading.server_cpu)


def shares(paced: Paced) -> list[int]:
    """Return how many watchers each process has. Those with names are few events: one process counts them best."""
    processes = 1 if paced.by_name or paced.watchers <= A_PROCESS else PROCESSES
    return [paced.watchers * (at + 1) // processes - paced.watchers * at // processes for at in range(processes)]


@contextmanager
def fanning(peer: Peer, paced: Paced) -> Iterator[FanOut]:
    """Lend a fan-out; its processes are ended at the end. Raises ClientFailed."""
    endpoint = peer.endpoint if paced.tls else peer.plain
    load = Load(count=paced.updates, workers=paced.writers, rate=paced.rate, seconds=LIMIT_SECONDS)
    puts = job_of("put", peer, load, population=paced.objects, objects=paced.objects)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        writer = stack.enter_context(working(WORKER, puts, endpoint))
        # The writer has made the objects that were missing: all of that is before the watches.
        reads = {"dialect": peer.dialect, "updates": paced.updates, "after": now(endpoint, peer.dialect)}
        readers, files = [], []
        for at, watchers in enumerate(shares(paced)):
            names = [name_of(index) for index in range(watchers)] if paced.by_name else []
            files.append(place / f"arrivals-{at}")
            job = reads | {"watchers": watchers, "names": names, "file": str(files[-1])}
            readers.append(stack.enter_context(working(WATCHERS, job, endpoint)))
        time.sleep(SETTLE_SECONDS)
        yield FanOut(peer, paced, writer, readers, files)


@contextmanager
def holding(peer: Peer, watchers: int, *, tls: bool) -> Iterator[None]:
    """Hold idle watches open for a while."""
    endpoint = peer.endpoint if tls else peer.plain
    after = now(endpoint, peer.dialect)
    job = {"dialect": peer.dialect, "watchers": watchers, "names": [], "updates": 1, "after": after, "file": ""}
    with working(WATCHERS, job, endpoint) as process:
        yield
        process.tell(stop=True)


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
    from_answer, from_due = [], []
    last = 0
    for number, begin, end in spans:
        times = arrived[number + 1 :: row]
        seen = [at for at in times if at]
        expected = 1 if paced.by_name else paced.watchers
        run[Figure.LOST] += max(0, expected - len(seen))
        run[Figure.DUPLICATED] += max(0, len(seen) - expected)
        last = max(last, *seen, 0)
        from_answer += [at - end for at in seen]
        from_due += [at - begin for at in seen]
    first = min(begin for _, begin, _ in spans)
    run[Figure.UPDATES] = len(spans) / ((max(end for _, _, end in spans) - first) / 1e9)
    latencies(run, [end - begin for _, begin, end in spans], Figure.WRITE_P50, Figure.WRITE_P99)
    latencies(run, from_answer, Figure.ANSWER_P50, Figure.ANSWER_P99)
    latencies(run, from_due, Figure.DUE_P50, Figure.DUE_P99)
    run[Figure.CPU_UPDATE] = server_cpu / len(spans) * 1e6
    if from_answer:
        run[Figure.EVENTS] = len(from_answer) / ((last - first) / 1e9)
        run[Figure.CPU_EVENT] = server_cpu / len(from_answer) * 1e6
        run[Figure.ANSWER_BYTES] = read["bytes"] / len(from_answer)
    return run

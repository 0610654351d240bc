"""PUT of one object with its resourceVersion over HTTPS with keep-alive, durable: as many as go, and on a schedule."""

from __future__ import annotations

from functools import partial

from benchmarks.clients.client import Load
from benchmarks.figures import Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Setting, Workload

WORKERS = 16
"""Connections; each has objects of its own, so that there are no conflicts."""

PACED_RATE = 200.0
"""PUTs a second on a schedule: below a half of what either server can do."""


def _put(bench: Bench, load: Load, peer: Peer, _repetition: int = 0) -> Run:
    return bench.client.put(peer, load, population=bench.counts.small)


def cases(bench: Bench) -> list[Case]:
    """At full speed and on a schedule."""
    workers = min(WORKERS, bench.counts.small)
    full = Load(count=bench.counts.puts, workers=workers)
    paced = Load(count=int(PACED_RATE * bench.counts.seconds), workers=workers, rate=PACED_RATE)
    warm_up = partial(_put, bench, Load(count=max(workers, full.count // 10), workers=workers))
    return [
        Case(f"{WORKERS} at once", partial(_put, bench, full), warm_up=warm_up),
        Case(f"{PACED_RATE:g}/s asked", partial(_put, bench, paced)),
    ]


WORKLOAD = Workload("put", "replace one object, durable", Setting.SMALL, cases)

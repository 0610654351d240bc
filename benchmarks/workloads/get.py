"""GET of one object over HTTPS with keep-alive: as many as go, and on a schedule."""

from __future__ import annotations

from functools import partial

from benchmarks.clients.client import Load
from benchmarks.figures import Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Setting, Workload

WORKERS = 16
"""Connections."""

PACED_RATE = 400.0
"""GETs a second on a schedule: well below what either server can do, so that latency is the server's and no queue's."""


def _get(bench: Bench, load: Load, peer: Peer, _repetition: int = 0) -> Run:
    return bench.client.get(peer, load, population=bench.counts.small)


def cases(bench: Bench) -> list[Case]:
    """At full speed and on a schedule."""
    full = Load(count=bench.counts.gets, workers=WORKERS)
    paced = Load(count=int(PACED_RATE * bench.counts.seconds), workers=WORKERS, rate=PACED_RATE)
    warm_up = partial(_get, bench, Load(count=max(WORKERS, full.count // 10), workers=WORKERS))
    return [
        Case(f"{WORKERS} at once", partial(_get, bench, full), warm_up=warm_up),
        Case(f"{PACED_RATE:g}/s asked", partial(_get, bench, paced)),
    ]


WORKLOAD = Workload("get", "one object", Setting.SMALL, cases)

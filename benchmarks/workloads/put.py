"""PUT of one object with its resourceVersion, 16 at once, over HTTPS with keep-alive; durable."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Setting, Workload

WORKERS = 16
"""Connections; each has objects of its own, so that there are no conflicts."""


def _put(bench: Bench, count: int, peer: Peer, _repetition: int = 0) -> Run:
    population = bench.counts.small
    return bench.client.put(peer, population=population, count=count, workers=min(WORKERS, population))


def cases(bench: Bench) -> list[Case]:
    """The one case."""
    puts = bench.counts.puts
    warm_up = partial(_put, bench, max(WORKERS, puts // 10))
    return [Case(f"{WORKERS} at once", partial(_put, bench, puts), warm_up=warm_up)]


WORKLOAD = Workload("put", "replace one object, durable", Setting.SMALL, cases)

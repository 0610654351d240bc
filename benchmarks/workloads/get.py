"""GET of one object, 16 at once, over HTTPS with keep-alive."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Setting, Workload

WORKERS = 16
"""Connections."""


def _get(bench: Bench, count: int, peer: Peer, _repetition: int = 0) -> Run:
    return bench.client.get(peer, population=bench.counts.small, count=count, workers=WORKERS)


def cases(bench: Bench) -> list[Case]:
    """The one case."""
    gets = bench.counts.gets
    warm_up = partial(_get, bench, max(WORKERS, gets // 10))
    return [Case(f"{WORKERS} at once", partial(_get, bench, gets), warm_up=warm_up)]


WORKLOAD = Workload("get", "one object", Setting.SMALL, cases)

"""Creates over HTTP with TLS and keep-alive, each answered when it is durable."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Setting, Workload

WARM_UP = 100
"""Creates before the first counted one: connections, caches, the reference's first etcd lease."""


def _create(bench: Bench, workers: int, peer: Peer, repetition: int) -> Run:
    return bench.client.create(
        peer, prefix=f"a{workers}-{repetition}", count=bench.counts.appends[workers], workers=workers
    )


def _warm(bench: Bench, workers: int, peer: Peer) -> Run:
    return bench.client.create(peer, prefix=f"warm{workers}", count=min(WARM_UP, bench.counts.appends[workers]), workers=workers)


def cases(bench: Bench) -> list[Case]:
    """One for each number of writers."""
    return [
        Case(
            f"create, {workers} writer" + "s" * (workers > 1),
            partial(_create, bench, workers),
            warm_up=partial(_warm, bench, workers),
        )
        for workers in bench.counts.appends
    ]


WORKLOAD = Workload("append", "creates, durable, over HTTPS", Setting.EMPTY, cases)

"""Creates over HTTPS with keep-alive, each answered when it is durable: as many as go, by the number of writers, and on a schedule."""

from __future__ import annotations

from functools import partial

from benchmarks.clients.client import Load
from benchmarks.figures import Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Setting, Workload

WARM_UP = 100
"""Creates before the first counted one: connections, caches, the reference's first etcd lease."""

PACED_RATE = 100.0
"""Creates a second on a schedule: a sixth of what either server can do."""

PACED_WRITERS = 16
"""Connections of the schedule, so that one that is late holds up no other."""


def _create(bench: Bench, load: Load, prefix: str, peer: Peer, repetition: int = -1) -> Run:
    return bench.client.create(peer, load, prefix=f"{prefix}-{repetition + 1}")


def _case(bench: Bench, name: str, load: Load, prefix: str) -> Case:
    warm = Load(count=min(WARM_UP, load.count), workers=load.workers)
    return Case(name, partial(_create, bench, load, prefix), warm_up=partial(_create, bench, warm, prefix))


def cases(bench: Bench) -> list[Case]:
    """One for each number of writers, and one on a schedule."""
    made = []
    for writers, count in bench.counts.appends.items():
        name = f"create, {writers} writer" + "s" * (writers > 1)
        made.append(_case(bench, name, Load(count=count, workers=writers), f"a{writers}"))
    paced = Load(count=int(PACED_RATE * bench.counts.seconds), workers=PACED_WRITERS, rate=PACED_RATE)
    return [*made, _case(bench, f"create, {PACED_RATE:g}/s asked", paced, "paced")]


WORKLOAD = Workload(
    "append", "creates, durable, over HTTPS", Setting.EMPTY, cases, dialects=frozenset({"kubernetes", "etcd"})
)

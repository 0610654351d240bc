"""Fan-out: updates on a fixed schedule to 100 objects, watched by many, over HTTPS.

Open loop: an update is due at its time on the schedule whatever the server's pace is. It is sent late only while all
writers wait for answers; what then cannot be held shows as fewer updates a second. Every event has to reach every
watcher once and in order.
"""

from __future__ import annotations

from functools import partial

from benchmarks.clients.client import Paced
from benchmarks.figures import Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Setting, Workload

OBJECTS = 100
"""Objects that are updated, in turn."""

WRITERS = 32
"""Connections of writers: up to 320 ms a write, 100 updates a second can be held."""

WARM_UPDATES = 20
"""Updates before the counted ones."""


def _watch(bench: Bench, watchers: int, updates: int, peer: Peer, _repetition: int = 0) -> Run:
    objects = min(OBJECTS, bench.counts.small)
    writers = min(WRITERS, objects)
    paced = Paced(watchers=watchers, objects=objects, updates=updates, rate=bench.counts.rate, writers=writers)
    return bench.client.watch(peer, paced)


def cases(bench: Bench) -> list[Case]:
    """One for each number of watchers."""
    return [
        Case(
            f"{watchers:,} watchers, {bench.counts.rate:g} updates/s asked",
            partial(_watch, bench, watchers, updates),
            warm_up=partial(_watch, bench, min(watchers, 100), min(updates, WARM_UPDATES)),
        )
        for watchers, updates in bench.counts.fanouts.items()
    ]


WORKLOAD = Workload("fanout", "updates to many watchers", Setting.SMALL, cases)

"""Fan-out: updates on a fixed schedule to 100 objects, watched by many, over HTTPS.

Open loop: an update is due at its time on the schedule whatever the server's pace is, and all latencies count from then or from the
answer. What cannot be held shows as fewer updates a second. Every event has to reach every watcher once and in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import attrs

from benchmarks.clients.fanout import Paced, fanning
from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Setting, Workload

OBJECTS = 100
"""Objects that are updated, in turn."""

WRITERS = 32
"""Connections of writers: up to 320 ms a write, 100 updates a second can be held."""

WARM_UPDATES = 20
"""Updates before the counted ones."""

WARM_WATCHERS = 100
"""Watchers of the warm-up."""


def paced(bench: Bench, watchers: int, updates: int, rate: float, *, tls: bool = True) -> Paced:
    """Return a fan-out to all watchers of the collection."""
    objects = min(OBJECTS, bench.counts.small)
    return Paced(watchers, objects=objects, updates=updates, rate=rate, writers=min(WRITERS, objects), tls=tls)


def watch(wanted: Paced, peer: Peer, _repetition: int = 0) -> Run:
    """Run a fan-out."""
    with fanning(peer, wanted) as fan:
        fan.go()
        run = fan.finish()
    run.pop(Figure.CPU_UPDATE, None)
    return run


def warmed(bench: Bench, wanted: Mapping[str, Paced]) -> list[Case]:
    """Return a case for each fan-out by its name, the first with a small one as its warm-up."""
    cases = [Case(name, partial(watch, fan)) for name, fan in wanted.items()]
    warm = paced(bench, min(WARM_WATCHERS, bench.counts.holders), WARM_UPDATES, bench.counts.rate)
    return [attrs.evolve(cases[0], warm_up=partial(watch, warm)), *cases[1:]]


def cases(bench: Bench) -> list[Case]:
    """One for each number of watchers; the most of them without TLS too, and the fewest at full speed."""
    counts = bench.counts
    asked = f"{counts.rate:g} updates/s asked"
    wanted = {
        f"{watchers:,} watchers, {asked}": paced(bench, watchers, updates, counts.rate)
        for watchers, updates in counts.fanouts.items()
    }
    few, many = min(counts.fanouts), max(counts.fanouts)
    wanted[f"{many:,} watchers, plain, {asked}"] = paced(bench, many, counts.fanouts[many], counts.rate, tls=False)
    wanted[f"{few:,} watchers, full speed"] = paced(bench, few, counts.fanouts[few], rate=0.0)
    return warmed(bench, wanted)


WORKLOAD = Workload("fanout", "updates to many watchers", Setting.SMALL, cases, dialects=frozenset({"kubernetes", "etcd"}))

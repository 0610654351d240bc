"""Watchers that have each an object of its own, by `fieldSelector=metadata.name=`: does an update cost more the more there are?

The same few objects are updated in both cases, and each of them has one watcher: one event an update. The others look on.
"""

from __future__ import annotations

from functools import partial

from benchmarks.clients.fanout import Paced, fanning
from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Comparison, Setting, Workload

RATE = 200.0
"""Updates a second: below a half of what either server can do."""


def _watch(bench: Bench, watchers: int, peer: Peer, _repetition: int = 0) -> Run:
    few = bench.counts.few
    updates = int(RATE * bench.counts.seconds)
    with fanning(peer, Paced(watchers, objects=few, updates=updates, rate=RATE, writers=few, by_name=True)) as fan:
        fan.go()
        run = fan.finish()
    run.pop(Figure.CPU_EVENT, None)
    return run


def _names(bench: Bench) -> tuple[str, str]:
    return f"{bench.counts.few:,} watchers, a name each", f"{bench.counts.holders:,} watchers, a name each"


def cases(bench: Bench) -> list[Case]:
    """Few and many."""
    numbers = (bench.counts.few, bench.counts.holders)
    return [Case(name, partial(_watch, bench, number)) for name, number in zip(_names(bench), numbers, strict=True)]


def comparisons(bench: Bench) -> list[Comparison]:
    """Many over few."""
    few, many = _names(bench)
    return [Comparison(f"{bench.counts.holders:,} watchers over {bench.counts.few:,}", few, many)]


WORKLOAD = Workload("names", "watchers of one object each", Setting.SMALL, cases, comparisons=comparisons)

"""How a fan-out grows with its watchers: the same slow schedule of updates, for more and more of them."""

from __future__ import annotations

from benchmarks.workloads.case import Bench, Case, Setting, Workload
from benchmarks.workloads.fanout import paced, warmed

RATE = 20.0
"""Updates a second: what both servers hold with thousands of watchers, so that latency is no queue's."""


def cases(bench: Bench) -> list[Case]:
    """One for each number of watchers."""
    updates = max(1, int(RATE * bench.counts.seconds))
    return warmed(
        bench,
        {f"{watchers:,} watchers, {RATE:g} updates/s asked": paced(bench, watchers, updates, RATE) for watchers in bench.counts.crowds},
    )


WORKLOAD = Workload("watchers", "a fan-out by its watchers", Setting.SMALL, cases, dialects=frozenset({"kubernetes", "etcd"}))

"""What a burst does to others: GETs on a schedule alone, and while now and then an update is fanned out to all watchers."""

from __future__ import annotations

from functools import partial

from benchmarks.clients.client import Load
from benchmarks.clients.fanout import fanning
from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Setting, Workload
from benchmarks.workloads.fanout import paced

GET_RATE = 200.0
"""GETs a second, each due at its time, so that one that waits for a burst shows the wait."""

GET_WORKERS = 16
"""Connections of GETs."""

BURST_RATE = 5.0
"""Updates a second: far enough from each other that one is over before the next, near enough that some GETs in a hundred meet one."""

WATCHED = (Figure.ERRORS, Figure.LOST, Figure.DUPLICATED, Figure.DISORDERED)
"""What the watchers have to say to it."""


def _run(bench: Bench, peer: Peer, _repetition: int = 0) -> Run:
    counts = bench.counts
    load = Load(count=int(GET_RATE * counts.seconds), workers=GET_WORKERS, rate=GET_RATE)
    quiet = bench.client.get(peer, load, population=counts.small)
    with fanning(peer, paced(bench, counts.holders, max(1, int(BURST_RATE * counts.seconds)), BURST_RATE)) as fan:
        fan.go()
        beside = bench.client.get(peer, load, population=counts.small)
        fanned = fan.finish()
    run = {figure: fanned[figure] for figure in WATCHED}
    run[Figure.ERRORS] += quiet[Figure.ERRORS] + beside[Figure.ERRORS]
    return run | beside_alone(quiet, beside)


def beside_alone(quiet: Run, beside: Run) -> dict[Figure, float]:
    """Return the latencies of the same load alone and beside something, what that adds, and how many times it is."""
    run: dict[Figure, float] = {}
    for figure, alone, added, times in (
        (Figure.P50, Figure.QUIET_P50, Figure.ADDED_P50, Figure.TIMES_P50),
        (Figure.P99, Figure.QUIET_P99, Figure.ADDED_P99, Figure.TIMES_P99),
    ):
        if figure in quiet and figure in beside:
            run[figure], run[alone] = beside[figure], quiet[figure]
            run[added], run[times] = beside[figure] - quiet[figure], beside[figure] / quiet[figure]
    return run


def cases(bench: Bench) -> list[Case]:
    """The one case."""
    return [Case(f"GET beside bursts to {bench.counts.holders:,} watchers", partial(_run, bench))]


WORKLOAD = Workload("fairness", "GETs beside bursts", Setting.SMALL, cases)

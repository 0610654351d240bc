"""LIST of the large population: whole, and in pages of 500, each walk over all of it."""

from __future__ import annotations

from functools import partial

from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Setting, Workload

PAGE = 500
"""What client-go's pagers ask for."""


def _list(bench: Bench, count: int, limit: int, peer: Peer, _repetition: int = 0) -> Run:
    run = dict(bench.client.list(peer, population=bench.counts.large, count=count, limit=limit))
    if (cpu := run.pop(Figure.CPU_OPERATION, None)) is not None:
        run[Figure.CPU_LIST] = cpu / 1000
    return run


def cases(bench: Bench) -> list[Case]:
    """Whole and paged."""
    counts = bench.counts
    made = []
    for limit, how in ((0, "whole"), (PAGE, f"pages of {PAGE}")):
        run, warm_up = partial(_list, bench, counts.lists, limit), partial(_list, bench, 1, limit)
        made.append(Case(f"{counts.large:,} objects, {how}", run, warm_up=warm_up))
    return made


WORKLOAD = Workload("list", "the whole collection", Setting.LARGE, cases)

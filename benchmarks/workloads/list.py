"""LIST of the large population: whole, and in pages of 500, each walk over all of it."""

from __future__ import annotations

from functools import partial

from benchmarks.clients.client import Load
from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.workloads.case import Bench, Case, Setting, Workload

PAGE = 500
"""What client-go's pagers ask for."""


def lists(bench: Bench, population: int, count: int, limit: int, peer: Peer, _repetition: int = 0) -> Run:
    """List a population so many times, in pages of `limit` objects (0: whole)."""
    run = dict(bench.client.list(peer, Load(count=count, workers=1), population=population, limit=limit))
    if (cpu := run.pop(Figure.CPU_OPERATION, None)) is not None:
        run[Figure.CPU_LIST] = cpu / 1000
    return run


def cases(bench: Bench) -> list[Case]:
    """Whole and paged."""
    large, made = bench.counts.large, []
    for limit, how in ((0, "whole"), (PAGE, f"pages of {PAGE}")):
        run, warm_up = partial(lists, bench, large, bench.counts.lists, limit), partial(lists, bench, large, 1, limit)
        made.append(Case(f"{large:,} objects, {how}", run, warm_up=warm_up))
    return made


WORKLOAD = Workload("list", "the whole collection", Setting.LARGE, cases)

"""How costs grow with the objects that are stored: GET, PUT and a whole list over HTTPS, and memory, at each of some sizes."""

from __future__ import annotations

from functools import partial

from benchmarks.clients.client import Load
from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.population import anew, populate
from benchmarks.workloads.case import Bench, Case, Comparison, Setting, Workload
from benchmarks.workloads.list import lists

WORKERS = 16
"""Connections of GETs and PUTs."""

LISTS = 1
"""Lists a run: one of 50,000 objects, 85 MB, takes a slow server seconds."""


def _grow(have: int, want: int, peer: Peer) -> None:
    """Fill up, and start the server anew: what the filling took of memory is not the objects'."""
    populate(peer, have, want)
    anew(peer)


def _get(bench: Bench, population: int, peer: Peer, _repetition: int = 0) -> Run:
    return bench.client.get(peer, Load(count=bench.counts.gets // 2, workers=WORKERS), population=population)


def _put(bench: Bench, population: int, peer: Peer, _repetition: int = 0) -> Run:
    return bench.client.put(peer, Load(count=bench.counts.puts // 2, workers=WORKERS), population=population)


def _memory(peer: Peer, _repetition: int = 0) -> Run:
    return {Figure.ANONYMOUS: peer.usage().anonymous_mib}


def _name(population: int, what: str) -> str:
    return f"{population:,} objects: {what}"


def cases(bench: Bench) -> list[Case]:
    """Four for each size; the first of them grows the store and shows its memory before anything was asked."""
    made, have = [], 0
    for size in bench.counts.stages:
        made += [
            Case(_name(size, "memory after a first list"), _memory, warm_up=partial(_grow, have, size)),
            Case(_name(size, "GET"), partial(_get, bench, size)),
            Case(_name(size, "PUT"), partial(_put, bench, size)),
            Case(_name(size, "whole list"), partial(lists, bench, size, LISTS, 0)),
        ]
        have = size
    return made


def comparisons(bench: Bench) -> list[Comparison]:
    """The largest store over the smallest."""
    first, last = bench.counts.stages[0], bench.counts.stages[-1]
    return [
        Comparison(f"{last:,} objects over {first:,}: {what}", _name(first, what), _name(last, what))
        for what in ("GET", "PUT", "memory after a first list")
    ]


WORKLOAD = Workload("growth", "costs by the number of objects", Setting.OWN, cases, comparisons=comparisons)

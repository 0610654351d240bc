"""A restart with a million objects, of watchd alone: the reference's caches of so many take tens of gigabytes."""

from __future__ import annotations

from functools import partial

from benchmarks.peers.peer import Peer
from benchmarks.population import populate
from benchmarks.workloads.case import Bench, Case, Setting, Workload
from benchmarks.workloads.restart import restart

OBJECTS = 1_000_000
"""1.7 GB of them."""


def _fill(peer: Peer) -> None:
    populate(peer, 0, OBJECTS)


def cases(_: Bench) -> list[Case]:
    """The one case; nobody lists all of it."""
    return [Case(f"with {OBJECTS:,} objects", partial(restart, OBJECTS, whole=False), warm_up=_fill)]


WORKLOAD = Workload("million", "stop and start with a million objects", Setting.OWN, cases, only="watchd", asked_only=True)

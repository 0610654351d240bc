"""Anonymous memory, of the server's processes together: idle, with objects, and for each idle watcher.

The server is started anew for each run, since neither of the two gives memory back that was once used: a second
thousand of watchers would look free.
"""

from __future__ import annotations

import time
from functools import partial

from benchmarks.clients.fanout import holding
from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.population import anew, populate
from benchmarks.workloads.case import Bench, Case, Setting, Workload

WARM = 20
"""Watchers held and let go first, so that what is needed once is not counted for each."""

SETTLE_SECONDS = 1.0
"""Until the server has come to rest after watchers came or went."""


def _objects(peer: Peer, _repetition: int) -> Run:
    anew(peer)
    return {Figure.ANONYMOUS: peer.usage().anonymous_mib}


def _watchers(bench: Bench, peer: Peer, _repetition: int, *, tls: bool) -> Run:
    holders = bench.counts.holders
    anew(peer)
    with holding(peer, min(WARM, holders), tls=tls):
        pass
    time.sleep(SETTLE_SECONDS)
    before = peer.usage().anonymous
    with holding(peer, holders, tls=tls):
        time.sleep(SETTLE_SECONDS)
        held = peer.usage()
    return {
        Figure.PER_WATCHER: (held.anonymous - before) / 1024 / holders,
        Figure.ANONYMOUS: held.anonymous_mib,
    }


def cases(bench: Bench) -> list[Case]:
    """Empty; watchers with TLS and without; and two populations, the larger of them last, since it stays."""
    counts = bench.counts
    made = [Case("idle, no object", _objects)]
    made += [
        Case(f"{counts.holders:,} idle watchers, {how}", partial(_watchers, bench, tls=tls))
        for how, tls in (("TLS", True), ("plain", False))
    ]
    for have, want in ((0, counts.large), (counts.large, counts.stock)):
        made.append(Case(f"{want:,} objects", _objects, warm_up=partial(_fill, have, want), once=True))
    return made


def _fill(have: int, want: int, peer: Peer) -> None:
    populate(peer, have, want)


WORKLOAD = Workload("memory", "memory at rest", Setting.OWN, cases)

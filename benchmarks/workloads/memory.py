"""Memory of idle watchers: anonymous and resident, the server's processes together.

The server is started anew for each run, since neither of the two gives memory back that was once used: a second
thousand of watchers would look free.
"""

from __future__ import annotations

import time
from functools import partial

from benchmarks.asking import wait_until_ok
from benchmarks.clients.python import holding
from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import READY_SECONDS, Peer
from benchmarks.widgets import COLLECTION
from benchmarks.workloads.case import Bench, Case, Setting, Workload

WARM = 20
"""Watchers held and let go first, so that what is needed once is not counted for each."""

SETTLE_SECONDS = 1.5
"""Until the server has come to rest."""


def _idle(bench: Bench, peer: Peer, _repetition: int, *, tls: bool) -> Run:
    holders = bench.counts.holders
    peer.stop_server()
    peer.start()
    endpoint = peer.endpoint if tls else peer.plain
    # A first whole list: caches that are filled by the first request are full afterwards.
    wait_until_ok(peer.endpoint, COLLECTION, within=READY_SECONDS)
    with holding(endpoint, min(WARM, holders)):
        pass
    time.sleep(SETTLE_SECONDS)
    before = peer.usage().anonymous
    with holding(endpoint, holders):
        time.sleep(SETTLE_SECONDS)
        held = peer.usage()
    return {
        Figure.PER_WATCHER: (held.anonymous - before) / 1024 / holders,
        Figure.ANONYMOUS: held.anonymous_mib,
    }


def cases(bench: Bench) -> list[Case]:
    """With TLS and without."""
    holders = bench.counts.holders
    return [
        Case(f"{holders:,} idle watchers, {how}", partial(_idle, bench, tls=tls))
        for how, tls in (("TLS", True), ("plain", False))
    ]


WORKLOAD = Workload("memory", "idle watchers", Setting.SMALL, cases)

"""A restart with the large population: when it is ready, when the first full list is there, whether watches go on.

For a server with a store of its own in another process only the server is started again, not the store.
"""

from __future__ import annotations

import time
from functools import partial

from benchmarks.asking import ask_object, now, wait_until_ok, watch_events
from benchmarks.figures import Figure, Run
from benchmarks.meter import Meter
from benchmarks.peers.peer import READY_SECONDS, Peer
from benchmarks.population import held
from benchmarks.widgets import COLLECTION, name_of, widget
from benchmarks.workloads.case import Bench, Case, Setting, Workload

EVENTS = 3
"""Writes before the restart that a watch from before them has to show after it."""

WATCH_SECONDS = 5
"""How long that watch may take."""

PAGE = 500
"""Objects of the first page."""

SETTLE_SECONDS = 1.5
"""Until the server has come to rest and its memory is what it stays at."""


def _touch(peer: Peer) -> tuple[str, list[str]]:
    """Write a few objects; return the resourceVersion before and those of the writes."""
    before = now(peer.endpoint, peer.dialect)
    written = []
    for index in range(EVENTS):
        path = f"{COLLECTION}/{name_of(index)}"
        read = ask_object(peer.endpoint, "GET", path)["metadata"]["resourceVersion"]
        body = widget(name_of(index), index, stamp=time.monotonic_ns(), revision=read)
        written.append(ask_object(peer.endpoint, "PUT", path, body)["metadata"]["resourceVersion"])
    return before, written


def restart(population: int, peer: Peer, _repetition: int = 0, *, whole: bool = True) -> Run:
    """Stop and start a server with so many objects; without `whole` they are counted by the first page's word."""
    before, written = _touch(peer)
    peer.stop_server()
    # What runs on, a store in another process, has its time from before.
    store = peer.usage().cpu
    meter, own = Meter([]), time.process_time()
    ready = peer.start()
    page = wait_until_ok(peer.endpoint, f"{COLLECTION}?limit={PAGE}", within=READY_SECONDS)
    run = {Figure.READY: ready * 1000, Figure.FIRST_PAGE: page * 1000}
    if whole:
        # A server may refuse a whole list (429) until its cache is full.
        run[Figure.FIRST_LIST] = (page + wait_until_ok(peer.endpoint, COLLECTION, within=READY_SECONDS)) * 1000
    cpu = peer.usage().cpu - store
    run[Figure.CPU_START] = cpu
    run[Figure.OTHER_LOAD] = round(meter.read(client_cpu=cpu + time.process_time() - own).other_load, 3)
    there = held(peer)
    status, events = watch_events(peer.endpoint, before, EVENTS, seconds=WATCH_SECONDS)
    seen = [event["object"].get("metadata", {}).get("resourceVersion") for event in events if event["type"] != "ERROR"]
    time.sleep(SETTLE_SECONDS)
    return run | {
        Figure.RESUMED: float(status == 200 and seen == written),
        Figure.ANONYMOUS: peer.usage().anonymous_mib,
        Figure.ERRORS: float(there != population),
    }


def cases(bench: Bench) -> list[Case]:
    """The one case."""
    return [Case(f"with {bench.counts.large:,} objects", partial(restart, bench.counts.large))]


WORKLOAD = Workload("restart", "stop and start on the same data", Setting.LARGE, cases)

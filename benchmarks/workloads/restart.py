"""A restart with the large population: when it is ready, when the first full list is there, whether watches go on.

For a server with a store of its own in another process only the server is started again, not the store.
"""

from __future__ import annotations

import time
from functools import partial

from benchmarks.asking import ask_object, head, wait_until_ok, watch_events
from benchmarks.figures import Figure, Run
from benchmarks.meter import Meter
from benchmarks.peers.peer import READY_SECONDS, Peer
from benchmarks.widgets import COLLECTION, name_of, widget
from benchmarks.workloads.case import Bench, Case, Setting, Workload

EVENTS = 3
"""Writes before the restart that a watch from before them has to show after it."""

WATCH_SECONDS = 5
"""How long that watch may take."""

SETTLE_SECONDS = 1.5
"""Until the server has come to rest and its memory is what it stays at."""


def _touch(peer: Peer) -> tuple[str, list[str]]:
    """Write a few objects; return the resourceVersion before and those of the writes."""
    before = head(peer.endpoint)
    written = []
    for index in range(EVENTS):
        path = f"{COLLECTION}/{name_of(index)}"
        now = ask_object(peer.endpoint, "GET", path)["metadata"]["resourceVersion"]
        body = widget(name_of(index), index, stamp=time.monotonic_ns(), revision=now)
        written.append(ask_object(peer.endpoint, "PUT", path, body)["metadata"]["resourceVersion"])
    return before, written


def _restart(bench: Bench, peer: Peer, _repetition: int) -> Run:
    before, written = _touch(peer)
    peer.stop_server()
    # What runs on, a store in another process, has its time from before.
    store = peer.usage().cpu
    meter, own = Meter([]), time.process_time()
    ready = peer.start()
    started = time.monotonic()
    # A server may refuse a whole list (429) until its cache is full.
    wait_until_ok(peer.endpoint, COLLECTION, within=READY_SECONDS)
    first_list = ready + time.monotonic() - started
    cpu = peer.usage().cpu - store
    other = meter.read(client_cpu=cpu + time.process_time() - own).other_load
    listed = len(ask_object(peer.endpoint, "GET", COLLECTION)["items"])
    status, events = watch_events(peer.endpoint, before, EVENTS, seconds=WATCH_SECONDS)
    seen = [event["object"].get("metadata", {}).get("resourceVersion") for event in events if event["type"] != "ERROR"]
    time.sleep(SETTLE_SECONDS)
    return {
        Figure.READY: ready * 1000,
        Figure.FIRST_LIST: first_list * 1000,
        Figure.CPU_START: cpu,
        Figure.RESUMED: float(status == 200 and seen == written),
        Figure.ANONYMOUS: peer.usage().anonymous_mib,
        Figure.ERRORS: float(listed != bench.counts.large),
        Figure.OTHER_LOAD: round(other, 3),
    }


def cases(bench: Bench) -> list[Case]:
    """The one case."""
    return [Case(f"with {bench.counts.large:,} objects", partial(_restart, bench))]


WORKLOAD = Workload("restart", "stop and start on the same data", Setting.LARGE, cases)

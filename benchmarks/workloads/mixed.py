"""Appends alone, and the same while the whole population is listed again and again and updates are fanned out: what does it cost them?

64 writers without a pause create objects in a namespace that nobody lists or watches. The fan-out is slow: at full speed the client
that reads it would take a core from the server, and the figure would be about the machine.
"""

from __future__ import annotations

from functools import partial

from benchmarks.asking import ask
from benchmarks.clients.client import Load
from benchmarks.clients.fanout import fanning
from benchmarks.clients.process import WORKER, working
from benchmarks.clients.python import job_of
from benchmarks.errors import PeerFailed
from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.widgets import ELSEWHERE, NAMESPACES
from benchmarks.workloads.case import Bench, Case, Setting, Workload
from benchmarks.workloads.fairness import WATCHED, beside_alone
from benchmarks.workloads.fanout import paced

WRITERS = 64
"""Connections."""

RATE = 20.0
"""Updates a second that are fanned out beside them."""

ENDLESS = 1_000_000
"""Operations: what ends the loads is their time."""


def _elsewhere(peer: Peer) -> None:
    """Make the namespace where a server has namespaces, unless it is there."""
    status, body = ask(peer.endpoint, "POST", NAMESPACES, b'{"metadata":{"name":"%b"}}' % ELSEWHERE.encode())
    if status not in (201, 404, 409):
        raise PeerFailed(f"the namespace {ELSEWHERE}: HTTP {status}: {body[:200].decode(errors='replace')}")


def _run(bench: Bench, peer: Peer, repetition: int = 0) -> Run:
    counts = bench.counts
    appends = Load(count=ENDLESS, workers=WRITERS, seconds=counts.seconds)
    quiet = bench.client.create(peer, appends, prefix=f"quiet-{repetition}", namespace=ELSEWHERE)
    lists = job_of("list", peer, Load(count=ENDLESS, workers=1, seconds=counts.seconds), population=counts.large, limit=0)
    updates = paced(bench, counts.holders, max(1, int(RATE * counts.seconds)), RATE)
    with fanning(peer, updates) as fan, working(WORKER, lists, peer.endpoint) as lister:
        fan.go()
        lister.tell(go=True)
        beside = bench.client.create(peer, appends, prefix=f"beside-{repetition}", namespace=ELSEWHERE)
        listed = lister.hear()
        fanned = fan.finish()
    run = {figure: fanned[figure] for figure in WATCHED}
    run[Figure.ERRORS] += quiet[Figure.ERRORS] + beside[Figure.ERRORS] + listed["errors"]
    run[Figure.THROUGHPUT] = beside.get(Figure.THROUGHPUT, 0.0)
    return run | beside_alone(quiet, beside)


def cases(bench: Bench) -> list[Case]:
    """The one case."""
    name = f"{WRITERS} writers beside lists of {bench.counts.large:,} and {bench.counts.holders:,} watchers"
    return [Case(name, partial(_run, bench), warm_up=_elsewhere)]


WORKLOAD = Workload("mixed", "appends beside lists and a fan-out", Setting.LARGE, cases)

"""Starts the servers and runs the workloads against each in turn."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.asking import define
from benchmarks.clients.client import Client
from benchmarks.errors import ClientFailed, PeerFailed
from benchmarks.figures import Figure, Measured, Run
from benchmarks.peers.peer import Peer
from benchmarks.population import populate, warm
from benchmarks.workloads.case import Bench, Case, Counts, Setting, Workload

MakePeer = Callable[[Path], Peer]
"""(a directory of its own) -> a server, not yet started."""


def say(line: str) -> None:
    """Tell how far the run is, on stderr: stdout is the table's."""
    print(line, file=sys.stderr, flush=True)


def able(workload: Workload, name: str, peer: Peer) -> bool:
    """Tell whether a server, by its column's name, can do a workload."""
    return workload.only in (None, name) and peer.dialect in workload.dialects


@contextmanager
def started(
    make: Mapping[str, MakePeer], workloads: Sequence[Workload], fill: int, data: Path | None
) -> Iterator[dict[str, Peer]]:
    """Lend those servers that can do any of the workloads, on fresh data with so many objects; all of them end at the end."""
    with ExitStack() as stack:
        peers = {}
        for name, maker in make.items():
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"bench-{name}-", dir=data))
            peer = maker(Path(place))
            if not any(able(workload, name, peer) for workload in workloads):
                continue
            stack.callback(peer.stop)
            peer.start()
            # Elsewhere writers make what they write to.
            if peer.dialect == "kubernetes":
                define(peer.endpoint)
                if fill:
                    say(f"  {name}: {fill:,} objects are made")
                    populate(peer, 0, fill)
                    warm(peer)
            peers[name] = peer
        yield peers


def measure(case: Case, workload: Workload, peers: Mapping[str, Peer], repetitions: int) -> Measured:
    """Run a case against each server in turn, as often as asked: a neighbour's load then meets all of them.

    A server that fails is left out of the rest of the case, with the reason.
    """
    runs: dict[str, list[Run]] = {name: [] for name in peers}
    failures: dict[str, str] = {}
    for repetition in range(-1, repetitions):
        for name, peer in peers.items():
            if name in failures:
                continue
            try:
                if repetition >= 0:
                    run = dict(case.run(peer, repetition))
                    if workload.only is None:
                        run.setdefault(Figure.ANONYMOUS, peer.usage().anonymous_mib)
                    runs[name].append(run)
                elif case.warm_up is not None:
                    case.warm_up(peer)
            except (ClientFailed, PeerFailed) as error:
                failures[name] = str(error)
                say(f"  {name}: {error}")
    return Measured(workload.name, case.name, runs, failures)


def measure_workload(workload: Workload, peers: Mapping[str, Peer], bench: Bench) -> list[Measured]:
    """Run all cases of a workload, and compare those that are to be."""
    out: dict[str, Measured] = {}
    for case in workload.cases(bench):
        begin = time.monotonic()
        out[case.name] = measure(case, workload, peers, 1 if case.once else bench.counts.repetitions)
        say(f"{workload.name}: {case.name}: {time.monotonic() - begin:.0f} s")
    for comparison in workload.comparisons(bench):
        first, second = out[comparison.first], out[comparison.second]
        out[comparison.name] = second.over(first, comparison.name)
    return list(out.values())


def groups(workloads: Sequence[Workload], counts: Counts) -> Iterator[tuple[int, list[Workload]]]:
    """Part workloads into those that share servers: (objects that the servers hold, workloads)."""
    for setting, fill in ((Setting.EMPTY, 0), (Setting.SMALL, counts.small), (Setting.LARGE, counts.large)):
        if chosen := [workload for workload in workloads if workload.setting is setting]:
            yield fill, chosen
    for workload in workloads:
        if workload.setting is Setting.OWN:
            yield 0, [workload]


def measure_all(
    workloads: Sequence[Workload],
    make: Mapping[str, MakePeer],
    client: Client,
    counts: Counts,
    *,
    data: Path | None = None,
) -> list[Measured]:
    """Run workloads, those of one setting on the same servers, with their data in fresh directories under `data`.

    Returns the cases in the order of the workloads given. Where servers cannot be set up, a case says so for each workload that
    was to be run on them.
    """
    bench = Bench(client, counts)
    out: dict[str, list[Measured]] = {}
    for fill, chosen in groups(workloads, counts):
        try:
            with started(make, chosen, fill, data) as peers:
                for workload in chosen:
                    if members := {name: peer for name, peer in peers.items() if able(workload, name, peer)}:
                        out[workload.name] = measure_workload(workload, members, bench)
        except PeerFailed as error:
            say(f"set-up: {error}")
            for workload in chosen:
                out.setdefault(workload.name, [Measured(workload.name, "set-up", {}, {"servers": str(error)})])
    return [measured for workload in workloads for measured in out.get(workload.name, [])]

"""The log alone: appends through storage.lmdb_log in a process of its own, without HTTP and objects.

Nothing of the reference is like it; it shows how much of a create is the log's, with the committer of `watchd serve`, a
process, and with that of an embedded server, a thread, each alone and beside a loop that is always busy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import trio

from benchmarks.clients.client import GRACE_SECONDS, LIMIT_SECONDS
from benchmarks.errors import ClientFailed
from benchmarks.figures import Figure, Run, percentile
from benchmarks.meter import Meter
from benchmarks.peers.peer import Peer
from benchmarks.processes import usage
from benchmarks.widgets import name_of, widget
from benchmarks.workloads.case import Bench, Case, Setting, Workload
from benchmarks.workloads.fairness import beside_alone
from storage.committer_process import CommitterProcess
from storage.environment import Options
from storage.lmdb_log import LmdbLog
from storage.receipt import TOKEN_BYTES
from storage.types import NOTHING, Op, Write, make_key
from watchd.commands.serve import SWITCH_SECONDS
from watchd.seams import SystemClock, ThreadRunner

MORE = 20
"""So many times the creates over HTTP where writers share commits: each costs microseconds."""

HEADER = b"h" * 100
"""Stands for the header of an object: uid, labels, flags."""


SLICE_SECONDS = 0.001
"""How long the busy loop works between two checkpoints: what the server allows a walk over its watchers."""

BUSY_WRITERS = 64
"""Writers beside the busy loop: a full batch."""

COMMITTERS = ("process", "thread")


@asynccontextmanager
async def running(directory: Path, committer: str) -> AsyncIterator[tuple[LmdbLog, list[int]]]:
    """Give a log that runs, and the processes that it takes."""
    clock, runner, pids = SystemClock(), ThreadRunner(), [os.getpid()]
    if committer == "process":
        process = CommitterProcess.start(directory, Options(cluster_id="bench"), runner=runner)
        log = await LmdbLog.attach(process, token=os.urandom(TOKEN_BYTES), clock=clock, runner=runner)
        pids.append(process.pid)
    else:
        log = await LmdbLog.open(directory, clock=clock, runner=runner, cluster_id="bench")
    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        yield log, pids
        await log.aclose()


async def append_all(log: LmdbLog, names: Iterator[int], writers: int) -> list[float]:
    """Append an object for each number, and return how long each took, in ms, in order of size."""
    taken: list[float] = []
    kind, body = await log.kind("widgets.bench.example.com"), widget(name_of(0), 0)

    async def write() -> None:
        for number in names:
            begin = time.perf_counter()
            key = make_key(kind, f"default/{name_of(number)}")
            await log.append(Write(key, Op.PUT, HEADER, body, stamp_at=len(body), expect=NOTHING))
            taken.append((time.perf_counter() - begin) * 1000)

    async with trio.open_nursery() as writing:
        for _ in range(writers):
            writing.start_soon(write)
    return sorted(taken)


async def appends(directory: Path, committer: str, count: int, writers: int) -> Run:
    """Append so many objects and return the figures."""
    async with running(directory, committer) as (log, pids):
        meter = Meter(pids)
        taken = await append_all(log, iter(range(count)), writers)
        reading = meter.read()
        return {
            Figure.CPU_OPERATION: reading.server_cpu / count * 1e6,
            Figure.THROUGHPUT: count / reading.seconds,
            Figure.P50: percentile(taken, 0.5),
            Figure.P99: percentile(taken, 0.99),
            Figure.ANONYMOUS: usage(pids).anonymous_mib,
            Figure.OTHER_LOAD: reading.other_load,
        }


async def keep_busy() -> None:
    """Leave the loop nothing to wait in."""
    while True:
        until = time.perf_counter() + SLICE_SECONDS
        while time.perf_counter() < until:
            pass
        await trio.lowlevel.checkpoint()


async def beside(directory: Path, committer: str, count: int) -> Run:
    """Append so many objects alone, then as many beside a busy loop, and return the latencies."""
    async with running(directory, committer) as (log, _):
        names = iter(range(2 * count))
        quiet = await append_all(log, islice(names, count), BUSY_WRITERS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_busy)
            busy = await append_all(log, names, BUSY_WRITERS)
            nursery.cancel_scope.cancel()
        return beside_alone(*({Figure.P50: percentile(t, 0.5), Figure.P99: percentile(t, 0.99)} for t in (quiet, busy)))


def _run(what: str, committer: str, count: int, writers: int, peer: Peer, _repetition: int) -> Run:
    with tempfile.TemporaryDirectory(dir=peer.directory) as place:
        command = [sys.executable, "-m", "benchmarks.workloads.log", place, what, committer, str(count), str(writers)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=LIMIT_SECONDS + GRACE_SECONDS,
                cwd=Path(__file__).parents[2],
                check=True,
            )
        except subprocess.SubprocessError as error:
            raise ClientFailed(f"the log's process: {error}") from error
        said: dict[str, float] = json.loads(done.stdout)
    return {Figure[name]: value for name, value in said.items()}


def _count(bench: Bench, writers: int) -> int:
    return bench.counts.appends[writers] * (MORE if writers > 1 else 1)


def cases(bench: Bench) -> list[Case]:
    """Each committer with each number of writers, and beside a busy loop."""
    most = max(bench.counts.appends)
    return [
        *(
            Case(
                f"append, {writers} writer{'s' * (writers > 1)}, {committer}",
                partial(_run, "alone", committer, _count(bench, writers), writers),
            )
            for writers in bench.counts.appends
            for committer in COMMITTERS
        ),
        *(
            Case(
                f"append beside a busy loop, {BUSY_WRITERS} writers, {committer}",
                partial(_run, "beside", committer, bench.counts.appends[most] * 2, BUSY_WRITERS),
            )
            for committer in COMMITTERS
        ),
    ]


def main(place: str, what: str, committer: str, count: str, writers: str) -> None:
    """Run one case and print its figures by their names."""
    sys.setswitchinterval(SWITCH_SECONDS)
    directory = Path(place) / "log"
    if what == "beside":
        run = trio.run(beside, directory, committer, int(count))
    else:
        run = trio.run(appends, directory, committer, int(count), int(writers))
    print(json.dumps({figure.name: value for figure, value in run.items()}))


WORKLOAD = Workload("log", "appends to the log alone", Setting.EMPTY, cases, only="watchd")

if __name__ == "__main__":
    main(*sys.argv[1:])

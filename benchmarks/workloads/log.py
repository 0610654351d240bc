"""The log alone: appends through storage.lmdb_log in a process of its own, without HTTP and objects.

Nothing of the reference is like it; it shows how much of a create is the log's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
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
from storage.lmdb_log import LmdbLog
from storage.types import NOTHING, Op, Write, make_key
from watchd.commands.serve import SWITCH_SECONDS
from watchd.seams import SystemClock, ThreadRunner

MORE = 20
"""So many times the creates over HTTP where writers share commits: each costs microseconds, and CPU comes in 10 ms."""

HEADER = b"h" * 100
"""Stands for the header of an object: uid, labels, flags."""


async def appends(directory: Path, count: int, writers: int) -> dict[str, float]:
    """Append so many objects and return the figures by their names."""
    taken: list[float] = []
    log = await LmdbLog.open(directory, clock=SystemClock(), runner=ThreadRunner(), cluster_id="bench")
    body = widget(name_of(0), 0)
    todo = iter(range(count))

    async def write() -> None:
        for number in todo:
            begin = time.perf_counter()
            key = make_key(kind, f"default/{name_of(number)}")
            await log.append(Write(key, Op.PUT, HEADER, body, stamp_at=len(body), expect=NOTHING))
            taken.append((time.perf_counter() - begin) * 1000)

    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        kind = await log.kind("widgets.bench.example.com")
        meter = Meter([os.getpid()])
        async with trio.open_nursery() as writing:
            for _ in range(writers):
                writing.start_soon(write)
        reading = meter.read()
        await log.aclose()
    taken.sort()
    figures = {
        Figure.CPU_OPERATION: reading.server_cpu / count * 1e6,
        Figure.THROUGHPUT: count / reading.seconds,
        Figure.P50: percentile(taken, 0.5),
        Figure.P99: percentile(taken, 0.99),
        Figure.ANONYMOUS: usage([os.getpid()]).anonymous_mib,
        Figure.OTHER_LOAD: reading.other_load,
    }
    return {figure.name: value for figure, value in figures.items()}


def _append(bench: Bench, writers: int, peer: Peer, _repetition: int) -> Run:
    count = bench.counts.appends[writers] * (MORE if writers > 1 else 1)
    with tempfile.TemporaryDirectory(dir=peer.directory) as place:
        command = [sys.executable, "-m", "benchmarks.workloads.log", place, str(count), str(writers)]
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


def cases(bench: Bench) -> list[Case]:
    """One for each number of writers."""
    return [
        Case(f"append, {writers} writer" + "s" * (writers > 1), partial(_append, bench, writers))
        for writers in bench.counts.appends
    ]


WORKLOAD = Workload("log", "appends to the log alone", Setting.EMPTY, cases, only="watchd")

if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_SECONDS)
    print(json.dumps(trio.run(appends, Path(sys.argv[1]) / "log", int(sys.argv[2]), int(sys.argv[3]))))

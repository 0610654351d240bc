"""The harness against a real watchd, with counts that show that it counts right and nothing about speed."""

from __future__ import annotations

import json
import os
import select
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import run as harness
from benchmarks.clients.python import PythonClient, holding
from benchmarks.errors import ClientFailed, PeerFailed, Unavailable
from benchmarks.figures import Figure, Measured
from benchmarks.peers.peer import Peer
from benchmarks.peers.reference import Reference, binary
from benchmarks.peers.watchd import Watchd
from benchmarks.processes import Child
from benchmarks.workloads import restart
from benchmarks.workloads.case import Bench, Case, Counts

TINY = Counts(
    repetitions=1,
    small=4,
    large=30,
    appends={2: 6},
    gets=8,
    puts=8,
    lists=1,
    fanouts={3: 5},
    rate=200.0,
    holders=3,
)


def program(path: Path, text: str) -> None:
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)


def test_workloads_against_a_real_server(monkeypatch):
    monkeypatch.setattr(restart, "SETTLE_SECONDS", 0)
    started: list[Peer] = []

    def make(place: Path) -> Peer:
        started.append(Watchd(place))
        return started[-1]

    chosen = harness.choose_workloads("log,put,fanout,list,restart")
    measured = harness.measure_all(chosen, {"watchd": make}, PythonClient(), TINY)
    assert [fault for case in measured for fault in case.faults] == []
    found: dict[str, Measured] = {case.workload: case for case in measured}
    assert set(found) == {"log", "put", "fanout", "list", "restart"}

    def figure(workload: str, wanted: Figure) -> float:
        value = found[workload].median("watchd", wanted)
        assert value is not None, (workload, wanted)
        return value

    for workload in ("log", "put", "list"):
        assert figure(workload, Figure.THROUGHPUT) > 0
        assert 0 < figure(workload, Figure.P50) <= figure(workload, Figure.P99)
    assert figure("fanout", Figure.EVENTS) > 0
    assert figure("fanout", Figure.START_P50) > 0
    for promised in (Figure.LOST, Figure.DUPLICATED, Figure.DISORDERED):
        assert figure("fanout", promised) == 0
    assert figure("restart", Figure.RESUMED) == 1
    assert 0 < figure("restart", Figure.READY) <= figure("restart", Figure.FIRST_LIST)
    assert figure("restart", Figure.ANONYMOUS) > 1
    assert [peer.pids for peer in started] == [[], [], []]
    assert not any(peer.directory.exists() for peer in started)


def test_a_wrong_answer_is_an_error_and_no_figure(tmp_path: Path):
    peer = Watchd(tmp_path)
    try:
        peer.start()
        # The kind is not defined: every answer is 404.
        run = PythonClient().create(peer, prefix="x", count=3, workers=1)
        assert run[Figure.ERRORS] == 3
        assert Figure.CPU_OPERATION not in run
        with pytest.raises(PeerFailed, match="404"), holding(peer.plain, 1):
            pass
        with pytest.raises(ClientFailed):
            PythonClient().put(peer, population=1, count=1, workers=1)
        members = peer.pids
    finally:
        peer.stop()
    assert members
    assert not any(Path(f"/proc/{pid}").exists() for pid in members)


def test_a_server_that_fails_is_left_out_and_the_others_go_on(tmp_path: Path):
    good, bad = Watchd(tmp_path), Watchd(tmp_path)
    calls = []

    def run(peer: Peer, repetition: int) -> dict[Figure, float]:
        calls.append((peer is bad, repetition))
        if peer is bad:
            raise PeerFailed("it ended")
        return {Figure.P50: 1.0}

    measured = harness.measure(Case("case", run), "get", {"good": good, "bad": bad}, repetitions=2)
    assert measured.failures == {"bad": "it ended"}
    assert len(measured.runs["good"]) == 2
    assert calls == [(False, 0), (True, 0), (False, 1)]


def test_a_program_that_ends_at_once_says_why(tmp_path: Path):
    for name in ("etcd", "reference"):
        program(tmp_path / name, "raise SystemExit('no such flag')")
    peer = Reference(tmp_path, tmp_path)
    try:
        with pytest.raises(PeerFailed, match="reference ended with status 1: no such flag"):
            peer.start()
    finally:
        peer.stop()
    assert peer.pids == []


def test_what_a_server_has_spawned_ends_with_it(tmp_path: Path):
    told = tmp_path / "told"
    spawn = (
        "import os, pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"part = pathlib.Path({str(told)!r} + '.part'); part.write_text(str(child.pid)); part.rename({str(told)!r})\n"
        "time.sleep(60)"
    )
    child = Child("server", [sys.executable, "-c", spawn], log=tmp_path / "log")
    try:
        while not told.exists():
            child.check()
            os.sched_yield()
        spawned = int(told.read_text())
        assert spawned in child.pids
        descriptor = os.pidfd_open(spawned)
    finally:
        child.stop()
    try:
        assert select.select([descriptor], [], [], 0)[0] == [descriptor]
    finally:
        os.close(descriptor)


def test_a_rig_may_have_a_bin_or_be_one(tmp_path: Path):
    with pytest.raises(Unavailable, match="WATCHD_RIG"):
        binary(None, "etcd")
    with pytest.raises(Unavailable, match="neither"):
        binary(tmp_path, "etcd")
    program(tmp_path / "etcd", "")
    assert binary(tmp_path, "etcd") == tmp_path / "etcd"
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "etcd", "")
    assert binary(tmp_path, "etcd") == tmp_path / "bin" / "etcd"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--against", "reference"], 1, "no rig is named"),
        (["--client", "kbench"], 1, "no rig is named"),
        (["--only", "get,nothing"], 2, "no workload nothing"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(arguments: list[str], status: int, words: str, monkeypatch):
    monkeypatch.delenv("WATCHD_RIG", raising=False)
    done = CliRunner().invoke(harness.main, arguments)
    assert done.exit_code == status
    assert words in done.output


def test_a_lost_event_ends_the_command_with_status_1(tmp_path: Path, monkeypatch):
    lossy = Measured("fanout", "case", {"watchd": [{Figure.LOST: 1}]})
    monkeypatch.setattr(harness, "measure_all", lambda *_, **__: [lossy])
    file = tmp_path / "figures.json"
    done = CliRunner().invoke(harness.main, ["--client", "python", "--json", str(file)])
    assert done.exit_code == 1
    assert "FAULT fanout case: watchd: 1 events lost" in done.output
    assert json.loads(file.read_text())["client"] == "python"


def test_every_workload_has_cases():
    bench = Bench(PythonClient(), TINY)
    assert all(workload.cases(bench) for workload in harness.WORKLOADS.values())

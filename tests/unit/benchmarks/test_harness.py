"""The harness against a real watchd, with counts that show that it counts right and nothing about speed."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import command, population, run
from benchmarks.clients import fanout
from benchmarks.clients.client import Load
from benchmarks.clients.fanout import holding
from benchmarks.clients.process import WATCHERS, working
from benchmarks.clients.python import PythonClient
from benchmarks.errors import ClientFailed, PeerFailed, Unavailable
from benchmarks.figures import Figure, Measured
from benchmarks.peers.peer import Peer
from benchmarks.peers.reference import Reference, binary
from benchmarks.peers.watchd import Watchd
from benchmarks.processes import Child
from benchmarks.workloads import memory, restart
from benchmarks.workloads.case import Bench, Case, Counts

TINY = Counts(
    repetitions=1,
    small=4,
    large=30,
    appends={2: 6},
    gets=8,
    puts=8,
    lists=1,
    seconds=0.1,
    fanouts={3: 5},
    rate=200.0,
    crowds=(2,),
    holders=4,
    few=2,
    stages=(3, 7),
    stock=35,
)


def program(path: Path, text: str) -> None:
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)


def test_workloads_against_a_real_server(monkeypatch):
    for module in (fanout, memory, restart):
        monkeypatch.setattr(module, "SETTLE_SECONDS", 0)
    monkeypatch.setattr(population, "REST_SECONDS", 0)
    started: list[Peer] = []

    def make(place: Path) -> Peer:
        started.append(Watchd(place))
        return started[-1]

    chosen = command.choose_workloads("log,put,fanout,names,fairness,list,mixed,restart,growth,memory")
    measured = run.measure_all(chosen, {"watchd": make}, PythonClient(), TINY)
    assert [fault for case in measured for fault in case.faults] == []
    found: dict[str, Measured] = {case.workload: case for case in measured}
    assert list(found) == [workload.name for workload in chosen]

    def figure(workload: str, wanted: Figure) -> float:
        value = found[workload].median("watchd", wanted)
        assert value is not None, (workload, wanted)
        return value

    for workload in ("put", "list"):
        assert figure(workload, Figure.THROUGHPUT) > 0
    for workload in ("log", "put", "list"):
        assert 0 < figure(workload, Figure.P50) <= figure(workload, Figure.P99)
    assert figure("fanout", Figure.EVENTS) > 0
    assert figure("fanout", Figure.DUE_P50) > 0
    for watching in ("fanout", "fairness", "mixed"):
        for promised in (Figure.LOST, Figure.DUPLICATED, Figure.DISORDERED):
            assert figure(watching, promised) == 0
    assert figure("names", Figure.TIMES_CPU) >= 0
    for beside in ("fairness", "mixed"):
        assert figure(beside, Figure.P99) > 0
        assert figure(beside, Figure.QUIET_P99) > 0
    assert figure("restart", Figure.RESUMED) == 1
    assert 0 < figure("restart", Figure.FIRST_PAGE) < figure("restart", Figure.FIRST_LIST)
    assert figure("restart", Figure.ANONYMOUS) > 1
    assert figure("growth", Figure.TIMES_MEMORY) > 0
    assert [peer.pids for peer in started] == [[], [], [], [], []]
    assert not any(peer.directory.exists() for peer in started)


def test_a_wrong_answer_is_an_error_and_no_figure(tmp_path: Path):
    peer = Watchd(tmp_path)
    try:
        peer.start()
        # The kind is not defined: every answer is 404.
        made = PythonClient().create(peer, Load(count=3, workers=1), prefix="x")
        assert made[Figure.ERRORS] == 3
        assert Figure.CPU_OPERATION not in made
        with pytest.raises(PeerFailed, match="404"), holding(peer, 1, tls=False):
            pass
        unknown = {"dialect": "kubernetes", "watchers": 2, "names": [], "updates": 1, "after": "1", "file": ""}
        with pytest.raises(ClientFailed, match="HTTP 404 to a watch"), working(WATCHERS, unknown, peer.plain):
            pass
        with pytest.raises(ClientFailed, match="404"):
            PythonClient().put(peer, Load(count=1, workers=1), population=1)
        members = peer.pids
    finally:
        peer.stop()
    assert members
    assert not any(Path(f"/proc/{pid}").exists() for pid in members)


def test_a_server_that_fails_is_left_out_and_the_others_go_on(tmp_path: Path):
    good, bad = Watchd(tmp_path), Watchd(tmp_path)
    calls = []

    def once(peer: Peer, repetition: int) -> dict[Figure, float]:
        calls.append((peer is bad, repetition))
        if peer is bad:
            raise PeerFailed("it ended")
        return {Figure.P50: 1.0}

    measured = run.measure(Case("case", once), command.WORKLOADS["get"], {"good": good, "bad": bad}, repetitions=2)
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
    done = CliRunner().invoke(command.main, arguments)
    assert done.exit_code == status
    assert words in done.output


def test_a_lost_event_ends_the_command_with_status_1(tmp_path: Path, monkeypatch):
    lossy = Measured("fanout", "case", {"watchd": [{Figure.LOST: 1}]})
    monkeypatch.setattr(command, "measure_all", lambda *_, **__: [lossy])
    file = tmp_path / "figures.json"
    done = CliRunner().invoke(command.main, ["--json", str(file)])
    assert done.exit_code == 1
    assert "FAULT fanout case: watchd: 1 events lost" in done.output
    assert json.loads(file.read_text())["client"] == "python"
    again = CliRunner().invoke(command.main, ["--from", str(file)])
    assert again.exit_code == 1
    assert "FAULT fanout case: watchd: 1 events lost" in again.output


def test_servers_that_cannot_be_set_up_fail_their_workloads_and_no_other():
    class Lame(Watchd):
        def start(self) -> float:
            raise PeerFailed("it has no legs")

    chosen = command.choose_workloads("get,put")
    (get, put) = run.measure_all(chosen, {"watchd": Lame}, PythonClient(), TINY)
    assert get.faults == ["get set-up: servers: it has no legs"]
    assert put.faults == ["put set-up: servers: it has no legs"]


def test_etcd_is_left_out_of_what_it_does_not_speak(tmp_path: Path):
    for name in ("etcd", "reference"):
        program(tmp_path / name, "")
    make = command.choose_peers("all", tmp_path)
    peers = {name: maker(tmp_path) for name, maker in make.items()}
    assert list(peers) == ["watchd", "reference", "hypercorn", "etcd"]
    doing = {workload.name for workload in command.WORKLOADS.values() if run.able(workload, "etcd", peers["etcd"])}
    assert doing == {"append", "fanout", "watchers"}
    assert run.able(command.WORKLOADS["get"], "reference", peers["reference"])
    assert not run.able(command.WORKLOADS["log"], "reference", peers["reference"])


def test_what_takes_minutes_and_what_is_for_watchd_alone_is_chosen_when_it_is_meant():
    def names(**how: bool) -> set[str]:
        return {workload.name for workload in command.choose_workloads("", **how)}

    assert names(long=True) - names() == {"million"}
    assert names() - names(alone=False) == {"log", "schema", "owners", "webhook", "versions"}
    assert [workload.name for workload in command.choose_workloads("million,get")] == ["get", "million"]


def test_a_run_that_is_told_to_end_ends_what_it_started(monkeypatch):
    """Servers are in sessions of their own, so that nothing else would."""
    ended = []

    def told(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.sigtimedwait([signal.SIGUSR1], 0)
        finally:
            ended.append(True)

    monkeypatch.setattr(command, "measure_all", told)
    before = signal.getsignal(signal.SIGTERM)
    try:
        done = CliRunner().invoke(command.main, [])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done.exit_code == 128 + signal.SIGTERM
    assert ended == [True]


def test_every_workload_has_cases():
    bench = Bench(PythonClient(), TINY)
    assert all(workload.cases(bench) for workload in command.WORKLOADS.values())

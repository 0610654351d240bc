"""What befalls all workers at once: a disk that is full, and a supervisor that is killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random  # noqa: TID251 - when to kill, from a seed that is printed
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.serving import MAPS, SECONDS, Client, Server, Watch, command_of, config_map, serving, wait_until
from tests.disk import small_disk

SEED = int(os.environ.get("WATCHD_KILL_SEED", "20260101"))
ROUNDS = 4
LARGE = "x" * 100_000

SPINNING = """
import signal

def spin(number, frame):
    while True:
        pass

signal.signal(signal.SIGUSR1, spin)
"""
"""Imported by each process: a signal makes its loop hang, busy for ever."""


def watchd(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "watchd", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def all_gone(pids: list[int]) -> bool:
    return not any("watchd" in command_of(pid) or "storage" in command_of(pid) for pid in pids)


class Writer(threading.Thread):
    """Makes ConfigMaps until its connection breaks, or it is told to stop."""

    def __init__(self, client: Client, name: str, answered: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self.stop = False
        self.asked = ""
        """The last one."""
        self._client, self._name, self._answered = client, name, answered
        self.start()

    def run(self) -> None:
        number = 0
        with contextlib.suppress(OSError, http.client.HTTPException):
            while not self.stop:
                number += 1
                self.asked = f"{self._name}-{number}"
                status, made = self._client.ask("POST", MAPS, config_map(self.asked, ""))
                assert status == 201, made
                self._answered[self.asked] = int(made["metadata"]["resourceVersion"])


def stored(data: Path) -> dict[str, int]:
    """Return the revision of each ConfigMap that was made, by the change log of a server that has ended."""
    printed = watchd("log", "--data-dir", data)
    assert printed.returncode == 0, printed.stderr
    changes = [json.loads(line) for line in printed.stdout.splitlines()]
    assert [change["revision"] for change in changes] == list(range(1, len(changes) + 1)), "revisions are dense"
    return {change["name"]: change["revision"] for change in changes if change["resource"] == "configmaps"}


def test_a_killed_supervisor_takes_all_with_it_and_nothing_is_lost(tmp_path: Path) -> None:
    print(f"seed {SEED}: WATCHD_KILL_SEED repeats its choices")
    rng = random.Random(SEED)
    answered: dict[str, int] = {}
    asked: set[str] = set()
    for number in range(ROUNDS):
        with serving(tmp_path / "data") as server:
            found = {item["metadata"]["name"] for item in server.client().ask("GET", MAPS)[1]["items"]}
            assert answered.keys() <= found
            # What was not answered is there whole or not at all.
            assert {name for name in found if name.startswith("round-")} - answered.keys() <= asked
            pids = [*server.workers, server.committer]
            clients = [client for _ in range(3) for client in server.one_of_each().values()]
            writers = [Writer(client, f"round-{number}-{at}", answered) for at, client in enumerate(clients)]
            enough = len(answered) + rng.randint(20, 120)
            wait_until(lambda: len(answered) >= enough)  # noqa: B023 - waited for here
            server.process.kill()
            server.process.wait()
            wait_until(lambda: all_gone(pids))  # noqa: B023 - as above
            for writer in writers:
                writer.join(SECONDS)
                asked.add(writer.asked)
    assert watchd("verify", "--data-dir", tmp_path / "data").returncode == 0
    kept = stored(tmp_path / "data")
    assert answered.items() <= kept.items()


def test_a_worker_whose_loop_hangs_ends_with_the_supervisor_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(SPINNING)
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    with serving(tmp_path / "data") as server:
        pids = [*server.workers, server.committer]
        os.kill(pids[0], signal.SIGUSR1)
        server.process.kill()
        server.process.wait()
        wait_until(lambda: all_gone(pids))


@pytest.fixture(name="small_disk")
def disk_of_24_mib(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own."""
    with small_disk(tmp_path, 24) as path:
        yield path


def fill(client: Client, name: str, answered: set[str], refused: set[str]) -> None:
    """Write until the disk is full."""
    for number in range(1000):
        status, made = client.ask("POST", MAPS, config_map(f"{name}-{number}", LARGE))
        if status == 507:
            refused.add(f"{name}-{number}")
            return
        assert status == 201, made
        answered.add(f"{name}-{number}")
    raise AssertionError("it was never full")


def names_of(client: Client) -> set[str]:
    status, listed = client.ask("GET", MAPS)
    assert status == 200, listed
    return {item["metadata"]["name"] for item in listed["items"] if item["metadata"]["name"].startswith("full-")}


def test_a_full_disk_stops_the_writes_of_all_and_nothing_else(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (8 << 20))
    answered: set[str] = set()
    refused: set[str] = set()

    def follow(server: Server, client: Client) -> Watch:
        return server.watch(client, client.ask("GET", MAPS)[1]["metadata"]["resourceVersion"])

    with serving(small_disk / "data") as server:
        clients = list(server.one_of_each().values())
        watches = [follow(server, client) for client in server.one_of_each().values()]
        threads = [
            threading.Thread(target=fill, args=(client, f"full-{at}", answered, refused)) for at, client in enumerate(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        assert len(refused) == len(clients), "both are told"
        for client in clients:
            assert names_of(client) == answered
            assert client.ask("GET", "/readyz")[0] == 200
        # A delete takes no room, whoever is asked.
        gone = min(answered)
        assert clients[1].ask("DELETE", f"{MAPS}/{gone}")[0] == 200
        ballast.unlink()
        for at, client in enumerate(clients):
            assert client.ask("POST", MAPS, config_map(f"full-after-{at}", LARGE))[0] == 201
            answered.add(f"full-after-{at}")
        wait_until(lambda: all({name for _, name, _ in watch.events} >= answered for watch in watches))
        answered.discard(gone)
        for client in clients:
            assert names_of(client) == answered
        server.process.terminate()
        assert server.process.wait(SECONDS) == 0
    assert watchd("verify", "--data-dir", small_disk / "data").returncode == 0
    with serving(small_disk / "data") as server:
        assert names_of(server.client()) == answered

"""What a server under measurement offers: start, stop, start again on the same data."""

from __future__ import annotations

import os
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from benchmarks.asking import Endpoint, wait_until_ok
from benchmarks.errors import PeerFailed
from benchmarks.processes import Child, Usage, usage

READY_SECONDS = 60.0
"""A server that is not ready by then does not become it."""

RUN_SECONDS = 300.0
"""For a program that fills a store: a million objects take it a minute."""

ROOT = Path(__file__).parents[2]
"""The checkout, which benchmarks are run from."""


class Peer(ABC):
    """One server: its processes, its data directory, where it is reached.

    `start` and `stop` may alternate on the same data. All of its sockets are on loopback.
    """

    name: str
    """As the table's column is headed."""
    dialect: str = "kubernetes"
    """What it is spoken to in: one of clients.dialect's."""

    def __init__(self, directory: Path) -> None:
        """Take a directory for data and logs that belongs to this server alone."""
        self.directory = directory
        self._children: list[Child] = []
        self._server: Child | None = None
        """What `stop_server` ends."""

    @abstractmethod
    def start(self) -> float:
        """Start, wait until /readyz says ok, and return the seconds from the start of its process to that.

        Raises PeerFailed.
        """

    def stop_server(self) -> None:
        """End what `start` starts again: for a server with a store of its own, not the store."""
        if self._server is not None:
            self._server.stop()
            self._children.remove(self._server)
            self._server = None

    @property
    @abstractmethod
    def endpoint(self) -> Endpoint:
        """Where it is reached with TLS."""

    @property
    @abstractmethod
    def plain(self) -> Endpoint:
        """Where it is reached without TLS."""

    @abstractmethod
    def describe(self) -> str:
        """Return which program with which settings this is, in one line."""

    def clone(self, first: int, until: int) -> None:
        """Make the objects `first` up to `until` out of the object 0, where the server stores them. Raises PeerFailed."""
        raise PeerFailed(f"{self.name} has no way to be given {until - first} objects but one by one")

    def stop(self) -> None:
        """End every process of this server."""
        while self._children:
            self._children.pop().stop()

    @property
    def pids(self) -> list[int]:
        """All processes of this server now."""
        return [pid for child in self._children for pid in child.pids]

    def usage(self) -> Usage:
        """Return what its processes have used."""
        return usage(self.pids)

    def _spawn(self, command: list[str]) -> Child:
        child = Child(self.name, command, log=self.directory / "output.log", env=_environment())
        self._children.append(child)
        return child

    def _run(self, command: list[str]) -> None:
        """Run a program to its end. Raises PeerFailed."""
        try:
            subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, env=_environment(), cwd=ROOT, check=True)
        except subprocess.CalledProcessError as error:
            raise PeerFailed(f"{self.name}: {Path(command[0]).name}: {error.stderr.strip()[-300:]}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PeerFailed(f"{self.name}: {Path(command[0]).name}: {error}") from error

    def _wait_ready(self, child: Child, begin: float) -> float:
        wait_until_ok(self.endpoint, "/readyz", within=READY_SECONDS, alive=child.check)
        ready = time.monotonic() - begin
        # Another server may answer on a port that was taken in the meantime.
        child.check()
        return ready


def _environment() -> dict[str, str]:
    """Return our environment without settings that would reach a server past its command line.

    Byte code is written where it is missing: an installed server has it, and one that compiles itself takes twice as long to start.
    """
    left_out = ("WATCHD_", "ETCD_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}

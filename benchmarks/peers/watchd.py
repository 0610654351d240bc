"""watchd, as `watchd serve` runs it, with its default settings."""

from __future__ import annotations

import importlib.metadata
import sys
import time
from pathlib import Path

from benchmarks.asking import Endpoint
from benchmarks.errors import PeerFailed
from benchmarks.peers.peer import Peer
from benchmarks.processes import free_port


class Watchd(Peer):
    """One process that serves, and what it spawns."""

    name = "watchd"
    module = "watchd"
    """What Python runs."""
    settings: tuple[str, ...] = ()
    """What is said beside the defaults."""

    def __init__(self, directory: Path) -> None:
        """Choose ports: known ones, so that readiness can be asked for from the first instant on."""
        super().__init__(directory)
        self._data = directory / "data"
        self._port, self._plain_port = free_port(), free_port()

    def start(self) -> float:
        """Start `watchd serve`."""
        begin = time.monotonic()
        self._server = self._spawn(
            [
                sys.executable,
                *("-m", self.module, "serve"),
                *("--data-dir", str(self._data)),
                *("--bind", f"127.0.0.1:{self._port}"),
                *("--insecure-http", f"127.0.0.1:{self._plain_port}"),
                *("--log-level", "warning"),
                *self.settings,
            ]
        )
        return self._wait_ready(self._server, begin)

    def _token(self) -> str:
        try:
            return (self._data / "admin.token").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            # The first start makes it, and readiness needs none.
            return ""

    def _ca(self) -> str | None:
        for path in sorted((self._data / "pki").glob("ca.crt")):
            return path.read_text(encoding="ascii")
        return None

    @property
    def endpoint(self) -> Endpoint:
        """The secure port."""
        return Endpoint(f"https://127.0.0.1:{self._port}", self._token(), self._ca())

    @property
    def plain(self) -> Endpoint:
        """The port without TLS."""
        return Endpoint(f"http://127.0.0.1:{self._plain_port}", self._token())

    def clone(self, first: int, until: int) -> None:
        """Write clones into the log while no server has it."""
        self.stop_server()
        self._run([sys.executable, "-m", "benchmarks.clones", str(self._data), str(first), str(until)])
        self.start()

    def describe(self) -> str:
        """Return the version."""
        try:
            version = importlib.metadata.version("watchd")
        except importlib.metadata.PackageNotFoundError as error:
            raise PeerFailed("watchd is not installed here") from error
        return " ".join([f"watchd {version}: watchd serve, strict durability", *self.settings])


class Workers(Watchd):
    """Several processes that share one log: what the second core buys shows beside one."""

    name = "watchd with workers"
    settings = ("--workers", "2")

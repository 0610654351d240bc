"""The reference: k8s.io/apiextensions-apiserver as a program of its own, and etcd behind it.

Both are binaries of a rig that is named by an option or WATCHD_RIG: a directory with `etcd` and `reference`, or one
with a `bin` that has them. `reference` takes the API server library's own flags, and --static-token and
--insecure-addr for a fixed token and a port without TLS. `etcdfill` clones a stored object.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.asking import Endpoint, wait_until_ok
from benchmarks.errors import Unavailable
from benchmarks.peers.peer import READY_SECONDS, Peer
from benchmarks.processes import free_port
from benchmarks.widgets import GROUP, NAMESPACE, PLURAL, name_of

QUOTA_BYTES = 8 << 30
"""etcd's limit of what it stores; its default of 2 GiB is reached by long runs."""

KEYS = f"/{GROUP}/{PLURAL}/{NAMESPACE}"
"""Where in etcd the API server has the objects, behind its prefix."""


def binary(rig: Path | None, name: str) -> Path:
    """Return one of the rig's programs. Raises Unavailable, saying where it was looked for."""
    if rig is None:
        raise Unavailable(f"{name}: no rig is named; use --rig DIR or WATCHD_RIG")
    places = (rig / "bin" / name, rig / name)
    for place in places:
        if place.is_file() and os.access(place, os.X_OK):
            return place
    raise Unavailable(f"{name}: neither {places[0]} nor {places[1]} is a program")


def etcd_version(program: Path) -> str:
    """Return etcd's name and version as it says them."""
    with suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)
        return said.stdout.splitlines()[0]
    return "etcd"


class Reference(Peer):
    """etcd with one member and its default fsync, and the API server in front of it."""

    name = "reference"

    def __init__(self, directory: Path, rig: Path | None) -> None:
        """Find the programs and choose ports. Raises Unavailable."""
        super().__init__(directory)
        self._rig = rig
        self._etcd_binary, self._server_binary = binary(rig, "etcd"), binary(rig, "reference")
        self._port, self._plain_port = free_port(), free_port()
        self._etcd_port, self._etcd_peer_port = free_port(), free_port()
        self._token = secrets.token_urlsafe(24)

    def start(self) -> float:
        """Start etcd unless it runs, then the API server; the time is that of the API server alone."""
        etcd = Endpoint(f"http://127.0.0.1:{self._etcd_port}", "")
        if not self._children:
            member = f"http://127.0.0.1:{self._etcd_peer_port}"
            child = self._spawn(
                [
                    str(self._etcd_binary),
                    *("--name", "bench", "--data-dir", str(self.directory / "etcd")),
                    *("--listen-client-urls", etcd.url, "--advertise-client-urls", etcd.url),
                    *("--listen-peer-urls", member, "--initial-advertise-peer-urls", member),
                    *("--initial-cluster", f"bench={member}"),
                    *("--quota-backend-bytes", str(QUOTA_BYTES), "--log-level", "warn"),
                ]
            )
            wait_until_ok(etcd, "/health", within=READY_SECONDS, alive=child.check)
        begin = time.monotonic()
        self._server = self._spawn(
            [
                str(self._server_binary),
                *("--etcd-servers", etcd.url, "--etcd-prefix", "/registry"),
                *("--bind-address", "127.0.0.1", "--secure-port", str(self._port)),
                *("--cert-dir", str(self.directory / "certs"), "--static-token", self._token),
                *("--insecure-addr", f"127.0.0.1:{self._plain_port}"),
            ]
        )
        return self._wait_ready(self._server, begin)

    @property
    def endpoint(self) -> Endpoint:
        """The secure port; its certificate is made at the start."""
        return Endpoint(f"https://127.0.0.1:{self._port}", self._token)

    @property
    def plain(self) -> Endpoint:
        """The port without TLS."""
        return Endpoint(f"http://127.0.0.1:{self._plain_port}", self._token)

    def describe(self) -> str:
        """Return the programs' own words."""
        version = etcd_version(self._etcd_binary)
        return f"k8s.io/apiextensions-apiserver, {version}: one member, default fsync, CPU and memory of both processes"

    def clone(self, first: int, until: int) -> None:
        """Write clones into etcd by the rig's program for that; the API server sees them by its watches."""
        command = [str(binary(self._rig, "etcdfill")), f"127.0.0.1:{self._etcd_port}", f"/registry{KEYS}/{name_of(0)}"]
        self._run([*command, str(first), str(until)])

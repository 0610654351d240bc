"""etcd alone, as a peer of the fan-out: its own watch, over the JSON gateway that it serves beside gRPC.

Not the same work: it has keys and bytes, no objects, and asks nobody who they are; a put has no condition; events are JSON with values
in base64, a third longer; and each watch passes from HTTP to a gRPC stream inside of etcd, most of its work, which a gRPC client
would spare it.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.asking import Endpoint, wait_until_ok
from benchmarks.peers.peer import READY_SECONDS, Peer
from benchmarks.peers.reference import QUOTA_BYTES, binary, etcd_version
from benchmarks.processes import free_port


class Etcd(Peer):
    """etcd with one member and its default fsync; its certificate is made at the start."""

    name = "etcd"
    dialect = "etcd"

    def __init__(self, directory: Path, rig: Path | None) -> None:
        """Find the program and choose ports. Raises Unavailable."""
        super().__init__(directory)
        self._binary = binary(rig, "etcd")
        self._port, self._plain_port, self._grpc_port, self._member_port = (free_port() for _ in range(4))

    def start(self) -> float:
        """Start etcd."""
        begin = time.monotonic()
        member, grpc = f"http://127.0.0.1:{self._member_port}", f"https://127.0.0.1:{self._grpc_port}"
        self._server = self._spawn(
            [
                str(self._binary),
                *("--name", "bench", "--data-dir", str(self.directory / "etcd")),
                *("--listen-client-urls", grpc, "--advertise-client-urls", grpc, "--auto-tls"),
                *("--listen-client-http-urls", f"{self.endpoint.url},{self.plain.url}"),
                *("--listen-peer-urls", member, "--initial-advertise-peer-urls", member),
                *("--initial-cluster", f"bench={member}"),
                *("--quota-backend-bytes", str(QUOTA_BYTES), "--log-level", "warn"),
            ]
        )
        wait_until_ok(self.endpoint, "/health", within=READY_SECONDS, alive=self._server.check)
        return time.monotonic() - begin

    @property
    def endpoint(self) -> Endpoint:
        """The gateway with TLS."""
        return Endpoint(f"https://127.0.0.1:{self._port}", "")

    @property
    def plain(self) -> Endpoint:
        """The gateway without TLS."""
        return Endpoint(f"http://127.0.0.1:{self._plain_port}", "")

    def describe(self) -> str:
        """Return the program's own words."""
        return f"{etcd_version(self._binary)}: one member, default fsync, JSON gateway"

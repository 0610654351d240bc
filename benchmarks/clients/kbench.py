"""The rig's load generator `kbench`, a Go program: a second opinion on operations at full speed.

It makes its connections while the clock runs and has no schedule, so what has a rate, and what is no Kubernetes API, goes to the
Python client.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.clients.client import GRACE_SECONDS, Load
from benchmarks.clients.python import PythonClient
from benchmarks.errors import ClientFailed
from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.peers.reference import binary
from benchmarks.widgets import GROUP, KIND, NAMESPACE, PLURAL, PREFIX, VERSION

PAYLOAD_BYTES = 1024
"""Makes an object of 1.27 KB."""

COMMON: Mapping[str, Figure] = {
    "errors": Figure.ERRORS,
    "ops_per_s": Figure.THROUGHPUT,
    "p50_ms": Figure.P50,
    "p99_ms": Figure.P99,
    "other_cpu_frac": Figure.OTHER_LOAD,
    "server_cpu_us_per_op": Figure.CPU_OPERATION,
    "resp_bytes": Figure.ANSWER_BYTES,
    "bytes_per_list": Figure.ANSWER_BYTES,
}
"""Its names of the figures."""

def read_line(line: str) -> dict[Figure, float]:
    """Return the figures of a line that kbench has printed. Raises ClientFailed on anything else.

    Lists that do not hold the whole population are errors: they would be cheap ones.
    """
    try:
        said: dict[str, Any] = json.loads(line)
        seconds = float(said["secs"])
        run = {figure: float(said[name]) for name, figure in COMMON.items() if name in said}
        if said.get("items_per_list", said.get("n")) != said.get("n"):
            run[Figure.ERRORS] += said["ops"]
        if seconds > 0:
            run[Figure.CLIENT_CPU] = round(said["client_cpu_s"] / seconds, 3)
    except (ValueError, KeyError, TypeError) as error:
        raise ClientFailed(f"kbench printed no result: {line[:200]!r}") from error
    return run


class Kbench:
    """Runs kbench once for each call."""

    name = "kbench"

    def __init__(self, rig: Path | None) -> None:
        """Find the program. Raises Unavailable."""
        self._binary = binary(rig, "kbench")
        self._python = PythonClient()

    def _run(self, peer: Peer, mode: str, load: Load, *flags: object) -> Run:
        endpoint = peer.endpoint
        command = [
            str(self._binary),
            *("--server", endpoint.url, "--token", endpoint.token, "--insecure"),
            *("--server-pids", ",".join(str(pid) for pid in peer.pids)),
            *("--group", GROUP, "--version", VERSION, "--resource", PLURAL, "--kind", KIND, "--namespace", NAMESPACE),
            *("--size", str(PAYLOAD_BYTES), "--shape", "struct", "--max", f"{load.seconds:g}s"),
            *("--mode", mode, "--c", str(load.workers)),
            *(str(flag) for flag in flags),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=load.seconds + GRACE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            # Not its text: that would show the command, and the token in it.
            raise ClientFailed(f"kbench {mode} against {peer.name}: {type(error).__name__}") from error
        if done.returncode != 0:
            raise ClientFailed(f"kbench {mode} against {peer.name}: {done.stderr.strip()[-300:]}")
        run = read_line(done.stdout)
        if run.get(Figure.ERRORS) and '"first_error"' in done.stdout:
            first = json.loads(done.stdout)["first_error"]
            print(f"  {peer.name}: {mode}: {run[Figure.ERRORS]:g} errors, the first: {first[:300]}")
        return run

    def create(self, peer: Peer, load: Load, *, prefix: str, namespace: str = NAMESPACE) -> Run:
        """Create objects."""
        if load.rate or peer.dialect != "kubernetes":
            return self._python.create(peer, load, prefix=prefix, namespace=namespace)
        return self._run(peer, "create", load, "--prefix", prefix, "--n", load.count, "--namespace", namespace)

    def get(self, peer: Peer, load: Load, *, population: int) -> Run:
        """Get objects."""
        if load.rate or peer.dialect != "kubernetes":
            return self._python.get(peer, load, population=population)
        return self._run(peer, "get", load, "--prefix", PREFIX, "--n", population, "--ops", load.count)

    def put(self, peer: Peer, load: Load, *, population: int) -> Run:
        """Replace objects: the first of the population, since it reads all that it may write."""
        if load.rate or peer.dialect != "kubernetes":
            return self._python.put(peer, load, population=population)
        objects = min(population, max(load.count, load.workers))
        return self._run(peer, "put", load, "--prefix", PREFIX, "--n", objects, "--ops", load.count)

    def list(self, peer: Peer, load: Load, *, population: int, limit: int) -> Run:
        """List the population."""
        return self._run(peer, "list", load, "--prefix", PREFIX, "--n", population, "--ops", load.count, "--limit", limit)

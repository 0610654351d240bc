"""The rig's load generator `kbench`, a Go program: the client of choice where it is installed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.clients.client import GRACE_SECONDS, LIMIT_SECONDS, Paced
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
"""Its names of the figures of a run of operations."""

FANOUT: Mapping[str, Figure] = {
    "write_errors": Figure.ERRORS,
    "updates_per_s": Figure.UPDATES,
    "events_per_s": Figure.EVENTS,
    "write_p50_ms": Figure.WRITE_P50,
    "write_p99_ms": Figure.WRITE_P99,
    "from_ack_p50_ms": Figure.ANSWER_P50,
    "from_ack_p99_ms": Figure.ANSWER_P99,
    "from_start_p50_ms": Figure.START_P50,
    "from_start_p99_ms": Figure.START_P99,
    "server_cpu_us_per_event": Figure.CPU_EVENT,
    "other_cpu_frac": Figure.OTHER_LOAD,
    "event_bytes": Figure.ANSWER_BYTES,
    "server_cuts": Figure.CUTS,
    "lost": Figure.LOST,
    "dup": Figure.DUPLICATED,
    "ooo": Figure.DISORDERED,
}
"""Its names of the figures of a fan-out."""


def read_line(line: str, names: Mapping[str, Figure]) -> dict[Figure, float]:
    """Return the figures of a line that kbench has printed. Raises ClientFailed on anything else.

    Lists that do not hold the whole population are errors: they would be cheap ones.
    """
    try:
        said: dict[str, Any] = json.loads(line)
        seconds = float(said["secs"])
        run = {figure: float(said[name]) for name, figure in names.items() if name in said}
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

    def _run(self, peer: Peer, mode: str, names: Mapping[str, Figure], *flags: object, tls: bool = True) -> Run:
        endpoint = peer.endpoint if tls else peer.plain
        command = [
            str(self._binary),
            *("--server", endpoint.url, "--token", endpoint.token, "--insecure"),
            *("--server-pids", ",".join(str(pid) for pid in peer.pids)),
            *("--group", GROUP, "--version", VERSION, "--resource", PLURAL, "--kind", KIND, "--namespace", NAMESPACE),
            *("--size", str(PAYLOAD_BYTES), "--shape", "struct", "--max", f"{LIMIT_SECONDS}s"),
            *("--mode", mode),
            *(str(flag) for flag in flags),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=LIMIT_SECONDS + GRACE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            # Not its text: that would show the command, and the token in it.
            raise ClientFailed(f"kbench {mode} against {peer.name}: {type(error).__name__}") from error
        if done.returncode != 0:
            raise ClientFailed(f"kbench {mode} against {peer.name}: {done.stderr.strip()[-300:]}")
        run = read_line(done.stdout, names)
        if run.get(Figure.ERRORS) and '"first_error"' in done.stdout:
            first = json.loads(done.stdout)["first_error"]
            print(f"  {peer.name}: {mode}: {run[Figure.ERRORS]:g} errors, the first: {first[:300]}")
        return run

    def create(self, peer: Peer, *, prefix: str, count: int, workers: int) -> Run:
        """Create objects."""
        return self._run(peer, "create", COMMON, "--prefix", prefix, "--n", count, "--c", workers)

    def get(self, peer: Peer, *, population: int, count: int, workers: int) -> Run:
        """Get objects."""
        flags = ("--prefix", PREFIX, "--n", population, "--c", workers, "--ops", count)
        return self._run(peer, "get", COMMON, *flags)

    def put(self, peer: Peer, *, population: int, count: int, workers: int) -> Run:
        """Replace objects."""
        flags = ("--prefix", PREFIX, "--n", population, "--c", workers, "--ops", count)
        return self._run(peer, "put", COMMON, *flags)

    def list(self, peer: Peer, *, population: int, count: int, limit: int) -> Run:
        """List the population."""
        flags = ("--prefix", PREFIX, "--n", population, "--ops", count, "--limit", limit)
        return self._run(peer, "list", COMMON, *flags)

    def watch(self, peer: Peer, paced: Paced) -> Run:
        """Fan updates out."""
        flags = ("--prefix", PREFIX, "--n", paced.objects, "--w", paced.watchers, "--u", paced.updates)
        return self._run(peer, "watch", FANOUT, *flags, "--rate", paced.rate, "--c", paced.writers, tls=paced.tls)

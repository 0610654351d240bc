"""What a stretch of time has cost: the server, the client, and everybody else on the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import attrs

from benchmarks.figures import Figure
from benchmarks.processes import machine_busy, usage


@attrs.frozen
class Reading:
    """From the meter's start to its reading."""

    seconds: float
    server_cpu: float
    """Seconds of all the server's processes."""
    client_cpu: float
    """Seconds of the client's processes."""
    other_load: float
    """The share of all cores that neither server nor client had: 0 on a machine of one's own."""

    @property
    def figures(self) -> dict[Figure, float]:
        """What every run has."""
        return {
            Figure.CLIENT_CPU: round(self.client_cpu / self.seconds, 3),
            Figure.OTHER_LOAD: round(self.other_load, 3),
        }


class Meter:
    """Runs from its making on."""

    def __init__(self, pids: Sequence[int]) -> None:
        """Start, for a server's processes."""
        self._pids = pids
        self._begin = time.monotonic()
        self._server = usage(pids).cpu
        self._busy = machine_busy()

    def read(self, *, client_cpu: float = 0.0) -> Reading:
        """Return what it has come to; `client_cpu` in seconds."""
        seconds = max(time.monotonic() - self._begin, 1e-9)
        server = usage(self._pids).cpu - self._server
        other = machine_busy() - self._busy - server - client_cpu
        return Reading(seconds, server, client_cpu, max(0.0, other) / (seconds * (os.cpu_count() or 1)))
